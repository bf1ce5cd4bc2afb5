//! Reads a template's description out of its object.
use std::borrow::Cow;

use super::Template;

/// An object that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template object `{object}`: {reason}")]
pub struct DescribeError {
    pub object: String,
    pub reason: String,
}

pub(super) fn describe(stem: &str, object: Cow<'static, [u8]>) -> Result<Template, DescribeError> {
    let _ = object;
    Err(DescribeError { object: stem.into(), reason: "no description".into() })
}
