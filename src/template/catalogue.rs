//! The templates this binary carries, embedded at build time.

use std::{borrow::Cow, sync::Arc};

use super::{DescribeError, Template, describe::describe};

// Written by build.rs: one `(file stem, bytes)` for each committed object.
include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// All known templates, sorted by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    templates: Vec<Arc<Template>>,
}

impl Catalogue {
    /// Reads the templates embedded in this binary.
    ///
    /// # Errors
    /// If an object does not describe itself completely; a test keeps the
    /// committed ones right, so a user meets this only after tampering.
    pub fn builtin() -> Result<Self, DescribeError> {
        Self::from_objects(OBJECTS)
    }

    /// Reads templates from objects, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely.
    pub fn from_objects(objects: &[(&str, &'static [u8])]) -> Result<Self, DescribeError> {
        let mut templates = objects
            .iter()
            .map(|(stem, bytes)| describe(stem, Cow::Borrowed(bytes)).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        templates.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Catalogue { templates })
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Template>> {
        self.templates.iter().find(|t| t.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.templates.iter()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.iter().map(|t| t.name.as_str())
    }
}
