//! The templates this binary carries, embedded at build time.

use std::sync::Arc;

use super::{DescribeError, Object, Template, archive, describe::describe, index};

/// What the objects say of themselves; empty if it was stale when this was built.
static INDEX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/index.zst"));

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
        let broken = |reason: String| DescribeError { object: "the index".into(), reason };
        let index = zstd::decode_all(INDEX).map_err(|error| broken(error.to_string()))?;
        if index.is_empty() {
            let objects = archive::PLACES.iter().enumerate();
            return Self::described(objects.map(|(place, (stem, ..))| (*stem, Object::BuiltIn(place))));
        }
        let entries = index::read(&index).map_err(|error| broken(error.to_string()))?;
        let templates = entries.into_iter().map(|(stem, template)| {
            let place = archive::place(&stem)
                .ok_or_else(|| broken(format!("it has a `{stem}`, which is no object")))?;
            Ok(Arc::new(Template { object: Object::BuiltIn(place), ..template }))
        });
        templates.collect::<Result<Vec<_>, _>>().map(Self::sorted)
    }

    /// The same with templates from elsewhere, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely, or its template has the name of another.
    pub fn with(mut self, objects: Vec<(String, Vec<u8>)>) -> Result<Self, DescribeError> {
        for (stem, bytes) in objects {
            let template = describe(&stem, Object::Given(bytes.into()))?;
            if self.get(&template.name).is_some() {
                let reason =
                    format!("there is another template `{}`; give this one a name of its own", template.name);
                return Err(DescribeError { object: stem, reason });
            }
            self.templates.push(Arc::new(template));
        }
        Ok(Self::sorted(self.templates))
    }

    /// Reads templates from objects, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely.
    pub fn from_objects(objects: &[(&str, &'static [u8])]) -> Result<Self, DescribeError> {
        Self::described(objects.iter().map(|(stem, bytes)| (*stem, Object::Given((*bytes).into()))))
    }

    fn described<'o>(objects: impl Iterator<Item = (&'o str, Object)>) -> Result<Self, DescribeError> {
        let templates = objects.map(|(stem, object)| describe(stem, object).map(Arc::new));
        templates.collect::<Result<Vec<_>, _>>().map(Self::sorted)
    }

    fn sorted(mut templates: Vec<Arc<Template>>) -> Self {
        templates.sort_by(|a, b| a.name.cmp(&b.name));
        Catalogue { templates }
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
