//! Which format standard output has: what was asked for, and what that comes to.
//!
//! In: the word of `--format`, or that of the variable where the option is not given. Out: a
//! [`Format`]. `auto` depends on who answers: what a session says is read by a program if no
//! terminal shows it; a command's own page is for people wherever it goes, `grep` and `less` too.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    iter,
    sync::LazyLock,
};

use clap::{ValueEnum, builder::PossibleValue};

use crate::{
    report::{Document, Format, printable},
    values::nearest,
};

/// The variable that stands for `--format`.
pub const VARIABLE: &str = "KRSI_SH_FORMAT";

/// The word for what fits whoever answers.
const AUTO: &str = "auto";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    #[default]
    Auto,
    This(Format),
    /// That of a report on checks, which no session writes.
    Report(Document),
}

impl Asked {
    /// For a session: a script's, or the prompt's.
    #[must_use]
    pub fn for_session(self) -> Format {
        match self {
            Asked::This(format) => format,
            Asked::Report(_) => Format::Json,
            Asked::Auto if io::stdout().is_terminal() => Format::Text,
            Asked::Auto => Format::Json,
        }
    }

    /// For a command that answers with a page or a table of its own.
    #[must_use]
    pub fn for_answer(self) -> Format {
        match self {
            Asked::This(format) => format,
            Asked::Auto | Asked::Report(_) => Format::Text,
        }
    }

    /// For a report on checks: `json` is a document there.
    #[must_use]
    pub fn for_report(self) -> Document {
        match self {
            Asked::Auto | Asked::This(Format::Text) => Document::Text,
            Asked::This(Format::Json) => Document::Json,
            Asked::Report(document) => document,
        }
    }

    /// What the variable asks for; set to nothing, it is not set.
    ///
    /// # Errors
    /// If its word is none: a sentence with those that are allowed.
    pub fn by_variable(value: Option<OsString>) -> Result<Self, String> {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(Asked::Auto) };
        let value = value.to_string_lossy();
        Self::from_str(&value, false).ok().filter(|asked| !matches!(asked, Asked::Report(_))).ok_or_else(
            || {
                let hint = nearest(&value, words())
                    .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                format!(
                    "the variable {VARIABLE} is `{}`, which is not a format{hint}\n  \
                 allowed: {}, as for --format, which goes before it",
                    printable(&value),
                    words().collect::<Vec<_>>().join(", ")
                )
            },
        )
    }
}

impl ValueEnum for Asked {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<Asked>> = LazyLock::new(|| {
            let sessions = Format::ALL.iter().map(|format| Asked::This(*format));
            // What both have goes by one name.
            let reports =
                Document::ALL.iter().filter(|document| Format::from_name(document.name()).is_none());
            let reports = reports.map(|document| Asked::Report(*document));
            iter::once(Asked::Auto).chain(sessions).chain(reports).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Asked::Auto => {
                PossibleValue::new(AUTO).help("json if standard output is not a terminal, otherwise text")
            }
            Asked::This(format) => PossibleValue::new(format.name()).help(format.help()),
            Asked::Report(document) => {
                PossibleValue::new(document.name()).help(format!("Only for `check`. {}", document.help()))
            }
        })
    }
}

/// The words that are allowed.
fn words() -> impl Iterator<Item = &'static str> {
    iter::once(AUTO).chain(Format::ALL.iter().map(|format| format.name()))
}
