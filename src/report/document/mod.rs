//! The formats of a whole run of checks: a [`Run`] in, a document out.
//!
//! Each is a file of its own and one row of the table below. It writes to anything that takes bytes; whether that becomes
//! a file or goes to standard output is the command's matter.
//!
//! ```text
//! text     for people: what needs a look, by severity, and a sum
//! json     one document
//! ndjson   a line for each check
//! junit    for continuous integration
//! tap      the Test Anything Protocol, version 14
//! sarif    for code scanning, 2.1.0
//! html     one page that needs nothing else
//! clean    texts that any of them may carry
//! order    the worst first, or script by script
//! ```

mod clean;
mod html;
mod json;
mod junit;
mod ndjson;
mod order;
mod sarif;
mod tap;
pub mod text;

use std::io::{self, Write};

use crate::check::Run;

/// What a format is told besides the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether text may carry colour.
    pub color: bool,
    /// Columns of the terminal; `None` if it is none.
    pub columns: Option<u16>,
    /// Whether what is well is told too.
    pub all: bool,
}

/// Declares the formats: name of the type, words of `--format`, suffixes of files, its help, and what writes it.
macro_rules! documents {
    ($($document:ident($word:literal, $suffixes:expr, $help:literal, $write:path),)+) => {
        /// How the report on a run of checks is written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Document {
            $($document,)+
        }

        impl Document {
            pub const ALL: &[Document] = &[$(Document::$document,)+];

            /// Returns the word by which it is asked for.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Document::$document => $word,)+ }
            }

            /// Returns what it is for, as help says it.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Document::$document => $help,)+ }
            }

            /// Returns the ends of the names of files that are written so.
            #[must_use]
            pub fn suffixes(self) -> &'static [&'static str] {
                match self { $(Document::$document => &$suffixes,)+ }
            }

            /// Writes a run.
            ///
            /// # Errors
            /// What `out` says.
            pub fn write(self, run: &Run, look: Look, out: &mut dyn Write) -> io::Result<()> {
                match self { $(Document::$document => $write(run, look, out),)+ }
            }
        }
    };
}

documents! {
    Text("text", [".txt", ".log"], "For people: what needs a look, by severity", text::write),
    Json("json", [".json"], "One JSON document", json::write),
    Ndjson("ndjson", [".ndjson", ".jsonl"], "One JSON value a line, one for each check", ndjson::write),
    Junit("junit", [".xml"], "JUnit's XML, for continuous integration", junit::write),
    Tap("tap", [".tap"], "The Test Anything Protocol, version 14", tap::write),
    Sarif("sarif", [".sarif", ".sarif.json"], "SARIF 2.1.0, for code scanning", sarif::write),
    Html("html", [".html", ".htm"], "One page that needs nothing else", html::write),
}

/// Whether a reference is the address of a page, to which a link may lead.
fn is_address(reference: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| reference.starts_with(scheme))
}

impl Document {
    /// Returns the format of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|document| document.name() == name)
    }

    /// Returns the format of a file of this name, if its end tells; the longest end goes first.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        let ends = Self::ALL.iter().flat_map(|of| of.suffixes().iter().map(move |suffix| (suffix, *of)));
        ends.filter(|(suffix, _)| name.ends_with(**suffix))
            .max_by_key(|(suffix, _)| suffix.len())
            .map(|(_, of)| of)
    }
}
