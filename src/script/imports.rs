//! `import "lib/net" as net;`: functions and constants of other files.
//!
//! Everything that a script imports is linked into its program before its first statement: each function of an imported file has a name of
//! its own there (`net__is_private`), and `net::is_private(…)` is compiled as a call of it. So callbacks, timers, filters, `explain`
//! and diagnostics treat it as any function of the script's own, and nothing is looked for while the script runs. Where a
//! file is found is the [`Importer`]'s to say, which stands above scripts.
//!
//! ```text
//! scan     what a text imports, uses and defines
//! marks    which word of a text stands for what of an imported file
//! gather   every file that a script imports, for whoever takes the script elsewhere
//! ```

mod gather;
mod marks;
mod scan;

use std::{collections::HashMap, fmt, path::PathBuf, rc::Rc};

use rhai::Dynamic;

use super::Source;
use crate::values::nearest;

pub use self::{
    gather::{GatherError, Import, gather},
    marks::{Mark, Marks, linked},
    scan::{Function, Misplaced, Scan, is_concerned},
};

/// Files that import each other, one below the other.
pub const DEPTH: usize = 16;
/// Files that one session imports.
pub const MOST: usize = 64;

/// Gives the functions that a text defines, sorted by name; none if it does not parse.
#[must_use]
pub fn defined_functions(text: &str) -> Vec<Function> {
    let mut functions = Scan::of(text).map(|scan| scan.functions()).unwrap_or_default();
    functions.sort_by(|a, b| (&a.name, a.params.len()).cmp(&(&b.name, b.params.len())));
    functions
}

/// Finds what a script names in an `import`.
pub trait Importer {
    /// Finds the file that `path` names where it stands in the text that is called `from`, and reads it.
    ///
    /// # Errors
    /// If there is none, or it must not be imported.
    fn find(&self, path: &str, from: &str) -> Result<Found, NotFound>;
}

/// A file that can be imported.
#[derive(Debug, Clone)]
pub struct Found {
    pub source: Source,
    /// `lib/net`, `helpers`: how it is called in messages.
    pub label: String,
    /// The same for each way that leads to the same file.
    pub key: String,
    /// Where it stands on this machine; `None` for what is part of the program.
    pub path: Option<PathBuf>,
}

/// Why nothing can be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    pub text: String,
    pub advice: Option<String>,
}

/// Where the scripts of a session import from; by default from nowhere.
#[derive(Clone, Default)]
pub struct Imports(Option<Rc<dyn Importer>>);

impl fmt::Debug for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Imports" } else { "no imports" })
    }
}

impl Imports {
    #[must_use]
    pub fn of(importer: Rc<dyn Importer>) -> Self {
        Imports(Some(importer))
    }

    /// Finds a file.
    ///
    /// # Errors
    /// As [`Importer::find`].
    pub fn find(&self, path: &str, from: &str) -> Result<Found, NotFound> {
        let none = || NotFound { text: "nothing can be imported here".to_owned(), advice: None };
        self.0.as_ref().ok_or_else(none)?.find(path, from)
    }
}

/// A file that has been imported.
#[derive(Debug)]
pub struct Module {
    pub label: String,
    pub key: String,
    /// Begins the names that its functions have in the program.
    prefix: String,
    pub functions: Vec<Function>,
    pub constants: Vec<Constant>,
}

/// A constant of an imported file. It has its value when the file has been evaluated.
#[derive(Debug, Clone)]
pub struct Constant {
    pub name: String,
    pub is_exported: bool,
    /// The word that stands for it in a program.
    pub word: String,
    /// Shared, so that what was compiled before has it.
    pub value: Dynamic,
}

impl Module {
    /// Makes one whose names are none of others'.
    pub fn new(found: &Found, scan: &Scan, others: &[Rc<Module>]) -> Result<Self, Misplaced> {
        let stem = found.label.rsplit('/').next().unwrap_or_default();
        let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let stem =
            if stem.starts_with(|c: char| c.is_ascii_alphabetic()) { stem } else { format!("m{stem}") };
        let taken = |prefix: &str| others.iter().any(|other| other.prefix == prefix);
        let numbered = (2..).map(|number| format!("{stem}{number}"));
        let prefix = std::iter::once(stem.clone()).chain(numbered).find(|prefix| !taken(prefix));
        let prefix = prefix.unwrap_or(stem);
        let constants = scan.constants()?.into_iter().map(|constant| Constant {
            word: format!("{prefix}${}", constant.name),
            name: constant.name,
            is_exported: constant.is_exported,
            value: Dynamic::UNIT.into_shared(),
        });
        Ok(Module {
            label: found.label.clone(),
            key: found.key.clone(),
            constants: constants.collect(),
            functions: scan.functions(),
            prefix,
        })
    }

    /// The name that a function of it has in the program.
    pub fn mangled(&self, function: &str) -> String {
        format!("{}__{function}", self.prefix)
    }

    fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.iter().find(|constant| constant.name == name)
    }

    /// The names that others can use: functions with their parameters, and constants.
    pub fn names(&self) -> Vec<String> {
        let functions = self.functions.iter().filter(|function| !function.is_private);
        let functions =
            functions.map(|function| format!("{}({})", function.name, function.params.join(", ")));
        let constants = self.constants.iter().filter(|constant| constant.is_exported);
        let mut functions: Vec<_> = functions.collect();
        functions.sort();
        functions.into_iter().chain(constants.map(|constant| constant.name.clone())).collect()
    }

    /// What a function is for, in its first sentence.
    pub fn about(&self, function: &str) -> String {
        let about = self.function(function).map_or("", |function| &function.about);
        about.lines().next().unwrap_or_default().to_owned()
    }

    /// The name that one is a slip of.
    fn nearest(&self, name: &str) -> Option<String> {
        let names = self.names();
        let bare = names.iter().map(|name| name.split('(').next().unwrap_or_default());
        nearest(name, bare).map(str::to_owned)
    }
}

/// What a session has imported.
#[derive(Debug, Default)]
pub struct Imported {
    pub modules: Vec<Rc<Module>>,
    /// By the names that the script gave them.
    pub aliases: HashMap<String, Rc<Module>>,
}

impl Imported {
    /// The file of this key, if it has been imported.
    pub fn known(&self, key: &str) -> Option<Rc<Module>> {
        self.modules.iter().find(|module| module.key == key).cloned()
    }
}
