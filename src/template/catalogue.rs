//! The templates this binary carries, embedded at build time, and those that were given to it.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use super::{
    DescribeError, Object, Template,
    archive::{self, STEMS},
    describe::describe,
    index::{self, Together},
};

/// A template, read when it is asked for: a session needs few of them.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Where a built-in one is in the archive.
    place: Option<usize>,
    template: OnceLock<Arc<Template>>,
}

impl Entry {
    fn read(template: Template) -> Self {
        Entry { name: template.name.clone(), place: None, template: Arc::new(template).into() }
    }

    /// `None` of a broken archive only.
    fn template(&self) -> Option<&Arc<Template>> {
        if let (None, Some(place)) = (self.template.get(), self.place) {
            let indexed = archive::description(place).and_then(|line| index::read(&line).ok());
            let described = || describe(STEMS.get(place)?, Object::BuiltIn(place)).ok();
            let template = indexed.or_else(described)?;
            let _ = self.template.set(Arc::new(Template { object: Object::BuiltIn(place), ..template }));
        }
        self.template.get()
    }
}

/// All known templates, sorted by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: Vec<Entry>,
    /// What they name, so that none has to be read for it.
    together: Together,
}

impl Catalogue {
    /// Opens the templates embedded in this binary.
    ///
    /// # Errors
    /// If an object does not describe itself completely; a test keeps the
    /// committed ones right, so a user meets this only after tampering.
    pub fn builtin() -> Result<Self, DescribeError> {
        if !archive::is_indexed() {
            let objects = STEMS.iter().enumerate();
            return Self::described(objects.map(|(place, stem)| (*stem, Object::BuiltIn(place))));
        }
        let broken = |error: serde_json::Error| DescribeError {
            object: "the index".into(),
            reason: error.to_string(),
        };
        let together = serde_json::from_slice(archive::TOGETHER).map_err(broken)?;
        // A test sees to it that these are the templates' names.
        let entry = |(place, stem): (usize, &&str)| Entry {
            name: (*stem).to_owned(),
            place: Some(place),
            template: OnceLock::new(),
        };
        Ok(Self::sorted(STEMS.iter().enumerate().map(entry).collect(), together))
    }

    /// The same with templates from elsewhere, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely, or its template has the name of another.
    pub fn with(mut self, objects: Vec<(String, Vec<u8>)>) -> Result<Self, DescribeError> {
        for (stem, bytes) in objects {
            let template = describe(&stem, Object::Given(bytes.into()))?;
            if self.names().any(|name| name == template.name) {
                let reason =
                    format!("there is another template `{}`; give this one a name of its own", template.name);
                return Err(DescribeError { object: stem, reason });
            }
            self.together.add(&template);
            self.entries.push(Entry::read(template));
        }
        Ok(Self::sorted(self.entries, self.together))
    }

    /// Reads templates from objects, given with the names to call them by in an error.
    ///
    /// # Errors
    /// If an object does not describe itself completely.
    pub fn from_objects(objects: &[(&str, &'static [u8])]) -> Result<Self, DescribeError> {
        Self::described(objects.iter().map(|(stem, bytes)| (*stem, Object::Given((*bytes).into()))))
    }

    fn described<'o>(objects: impl Iterator<Item = (&'o str, Object)>) -> Result<Self, DescribeError> {
        let mut together = Together::default();
        let mut entries = Vec::new();
        for (stem, object) in objects {
            let template = describe(stem, object)?;
            together.add(&template);
            entries.push(Entry::read(template));
        }
        Ok(Self::sorted(entries, together))
    }

    fn sorted(mut entries: Vec<Entry>, together: Together) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Catalogue { entries, together }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Template>> {
        self.entries.iter().find(|entry| entry.name == name)?.template()
    }

    /// Reads all of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.entries.iter().filter_map(Entry::template)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Returns the names of all their fields.
    #[must_use]
    pub fn field_names(&self) -> &BTreeSet<String> {
        &self.together.fields
    }

    /// Returns what their objects name of the kernel.
    pub(crate) fn kernel_names(&self) -> (&BTreeSet<String>, &BTreeSet<String>) {
        (&self.together.types, &self.together.sections)
    }
}
