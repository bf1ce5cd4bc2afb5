//! Regular expressions of scripts.

use std::{cell::RefCell, collections::HashMap};

use super::{Fault, fault::Fallible};
use crate::filter::Pattern;

/// Reads a regular expression, once for each that a thread asks for again and again.
pub fn pattern(regex: &str) -> Fallible<Pattern> {
    const KEPT: usize = 64;
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Pattern>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(pattern) = known.get(regex) {
            return Ok(pattern.clone());
        }
        let pattern = Pattern::regex(regex).map_err(|error| Fault::script(error).about(regex))?;
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(regex.to_owned(), pattern.clone());
        Ok(pattern)
    })
}
