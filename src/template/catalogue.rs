//! The templates this binary carries, embedded at build time.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use super::{DescribeError, Template, describe::describe};

/// All committed objects, one behind the other.
static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/objects.zst"));

// Written by build.rs, as the archive.
include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// Bytes that the objects take in the binary.
#[must_use]
pub fn archive_size() -> usize {
    ARCHIVE.len()
}

/// The archive's content, opened once.
fn opened() -> Result<&'static [u8], String> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(whole) = WHOLE.get() {
        return Ok(whole);
    }
    let opened = zstd::decode_all(ARCHIVE).map_err(|error| error.to_string())?;
    Ok(WHOLE.get_or_init(|| opened))
}

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
        let whole = opened().map_err(|reason| DescribeError { object: "the archive".into(), reason })?;
        let object = |(stem, place): &(&'static str, std::ops::Range<usize>)| {
            let reason = || DescribeError { object: (*stem).into(), reason: "it is cut off".into() };
            Ok((*stem, whole.get(place.clone()).ok_or_else(reason)?))
        };
        let objects = PLACES.iter().map(object).collect::<Result<Vec<_>, _>>()?;
        Self::from_objects(&objects)
    }

    /// The same with templates from elsewhere, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely, or its template has the name of another.
    pub fn with(mut self, objects: Vec<(String, Vec<u8>)>) -> Result<Self, DescribeError> {
        for (stem, bytes) in objects {
            let template = describe(&stem, Cow::Owned(bytes))?;
            if self.get(&template.name).is_some() {
                let reason =
                    format!("there is another template `{}`; give this one a name of its own", template.name);
                return Err(DescribeError { object: stem, reason });
            }
            self.templates.push(Arc::new(template));
        }
        self.templates.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(self)
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
