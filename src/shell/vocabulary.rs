//! What can be said at the prompt: the words that completion and highlighting know.
//!
//! In, once: the catalogue (templates, params, fields) and the functions and
//! methods that the engine registers. Out: lists of [`Word`]s, each with its
//! signature and a line of documentation, sorted. Nothing here runs code.

use std::{collections::BTreeSet, sync::Arc};

use nix::{errno::Errno, sys::signal::Signal};

use super::lexer;
use crate::template::{Catalogue, Field, ParamKind, Template};

/// One thing that can be typed, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    pub name: String,
    /// Its arguments or its type; may be empty.
    pub signature: String,
    /// One line; may be empty.
    pub doc: String,
}

impl Word {
    #[must_use]
    pub fn new(name: impl Into<String>, signature: impl Into<String>, doc: &str) -> Self {
        let doc = doc.lines().next().unwrap_or_default().to_owned();
        Word { name: name.into(), signature: signature.into(), doc }
    }

    fn bare(name: impl Into<String>) -> Self {
        Word::new(name, "", "")
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    catalogue: Catalogue,
    pub keywords: Vec<Word>,
    pub functions: Vec<Word>,
    pub methods: Vec<Word>,
    pub scope: Vec<Word>,
    pub errnos: Vec<Word>,
    pub signals: Vec<Word>,
}

impl Vocabulary {
    #[must_use]
    pub fn new(catalogue: Catalogue, functions: Vec<Word>, methods: Vec<Word>) -> Self {
        Vocabulary {
            catalogue,
            keywords: sorted(lexer::KEYWORDS.map(Word::bare)),
            functions: sorted(functions),
            methods: sorted(methods),
            scope: sorted(SCOPE.map(|(name, doc)| Word::new(name, "", doc))),
            errnos: errnos(),
            signals: sorted(Signal::iterator().map(|signal| Word::bare(signal.as_str()))),
        }
    }

    #[must_use]
    pub fn template(&self, name: &str) -> Option<&Arc<Template>> {
        self.catalogue.get(name)
    }

    #[must_use]
    pub fn templates(&self) -> Vec<Word> {
        self.catalogue.iter().map(|t| Word::new(&t.name, "", &t.summary)).collect()
    }

    #[must_use]
    pub fn params(&self, template: &str) -> Vec<Word> {
        let Some(template) = self.template(template) else { return Vec::new() };
        sorted(template.params.iter().map(|p| Word::new(&p.name, p.kind.type_name(), &p.doc)))
    }

    /// The names that a param's flags have.
    #[must_use]
    pub fn flags(&self, template: &str, param: &str) -> Option<Vec<Word>> {
        match &self.template(template)?.param(param)?.kind {
            ParamKind::Flags(names) => Some(sorted(names.iter().map(|named| Word::bare(&named.name)))),
            _ => None,
        }
    }

    /// The fields of a template's events; where it is not known which template,
    /// those that every template's events have.
    #[must_use]
    pub fn fields(&self, template: Option<&str>) -> Vec<Word> {
        let word = |f: &Field| Word::new(&f.name, f.kind.type_name(f.size), &f.doc);
        if let Some(template) = template.and_then(|name| self.template(name)) {
            return sorted(template.fields.iter().map(word));
        }
        let mut all = self.catalogue.iter();
        let Some(first) = all.next() else { return Vec::new() };
        let others: Vec<_> = all.collect();
        let common = first.fields.iter().filter(|f| others.iter().all(|t| t.field(&f.name).is_some()));
        sorted(common.map(word))
    }

    /// What `help` can be asked about.
    #[must_use]
    pub fn topics(&self) -> Vec<Word> {
        let mut topics = self.templates();
        topics.extend(self.functions.iter().chain(&self.methods).cloned());
        sorted(topics)
    }
}

/// Keys of a scope, as [`crate::probe::Scope`] has them.
const SCOPE: [(&str, &str); 3] = [
    ("cgroup", "a folder under /sys/fs/cgroup: tasks in it and below"),
    ("pid", "a process and its descendants"),
    ("uid", "users, by number"),
];

/// By number: EPERM and its kin come first, as they are wanted most.
fn errnos() -> Vec<Word> {
    // The largest errno the kernel gives a name (EHWPOISON, asm-generic/errno.h).
    const LAST: i32 = 133;
    let known = (1..=LAST).map(Errno::from_raw).filter(|errno| *errno != Errno::UnknownErrno);
    known.map(|errno| Word::new(format!("{errno:?}"), (errno as i32).to_string(), errno.desc())).collect()
}

fn sorted(words: impl IntoIterator<Item = Word>) -> Vec<Word> {
    let mut seen = BTreeSet::new();
    let mut words: Vec<_> = words.into_iter().filter(|word| seen.insert(word.name.clone())).collect();
    words.sort();
    words
}
