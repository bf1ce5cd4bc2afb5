//! A file as scripts hold it.

use std::{os::unix::fs::MetadataExt, rc::Rc};

use serde_json::{Value, json};

use crate::facts::{Facts, Reader, file::File};

/// A file that a script holds; clones share it.
#[derive(Debug, Clone)]
pub struct ScriptFile {
    file: Rc<File>,
    facts: Rc<Facts>,
}

impl ScriptFile {
    pub fn new(file: File, facts: &Rc<Facts>) -> Self {
        ScriptFile { file: Rc::new(file), facts: Rc::clone(facts) }
    }

    pub fn inner(&self) -> &File {
        &self.file
    }

    /// What it was read with.
    pub fn facts(&self) -> &Rc<Facts> {
        &self.facts
    }

    /// Names of users and groups are read, and that takes no time.
    pub fn reader(&self) -> Reader<'_> {
        Reader { facts: &self.facts, go_on: &|| true }
    }

    /// What can be told at once.
    pub fn describe(&self) -> Value {
        let (file, meta) = (&self.file, self.file.meta());
        json!({
            "path": file.path(),
            "kind": file.kind(),
            "permissions": file.permissions(),
            "owner": file.owner(self.reader()).as_deref(),
            "group": file.group(self.reader()).as_deref(),
            "size": meta.size(),
            "mtime": meta.mtime(),
        })
    }
}
