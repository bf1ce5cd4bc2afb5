//! Files by a pattern: a script goes through them with `for`, or by the methods that arrays have.

use std::rc::{Rc, Weak};

use rhai::{Array, Dynamic, Engine, FnPtr, Map, plugin::*};

use super::Fallible;
use crate::{
    facts::{
        FactError,
        files::{Options, Pattern, Walk},
    },
    script::{
        Fault,
        api::{a, runtime},
        file::ScriptFile,
        runtime::Runtime,
    },
    values::nearest,
};

/// Entries between two looks at signals, memory and leases.
const AT_ONCE: u32 = 512;

/// What a script goes through; each time anew.
#[derive(Clone)]
pub struct Files {
    text: String,
    pattern: Pattern,
    options: Options,
    /// A script's values must not keep alive what holds them.
    runtime: Weak<Runtime>,
}

impl Files {
    fn new(context: &NativeCallContext, text: &str, options: Options) -> Fallible<Self> {
        let runtime = Rc::downgrade(&runtime(context)?);
        let pattern = Pattern::parse(text).map_err(Fault::from)?;
        Ok(Files { text: text.to_owned(), pattern, options, runtime })
    }

    fn walk(self) -> Fallible<Found> {
        let runtime = self.runtime.upgrade().ok_or_else(|| Fault::script("the session is over"))?;
        let walk = Walk::begin(&runtime.facts.root, self.pattern, self.options).map_err(Fault::from)?;
        Ok(Found { runtime, walk, looked: 0 })
    }
}

/// A walk, file by file. An error is its end.
struct Found {
    runtime: Rc<Runtime>,
    walk: Walk,
    looked: u32,
}

impl Iterator for Found {
    type Item = Fallible<ScriptFile>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.looked += 1;
            if self.looked.is_multiple_of(AT_ONCE) {
                self.runtime.heartbeat();
                if let Err(stop) = self.runtime.go_on() {
                    return Some(Err(stop.into()));
                }
            }
            match self.walk.step()? {
                Ok(Some(file)) => return Some(Ok(ScriptFile::new(file, &self.runtime.facts))),
                Ok(None) => {}
                Err(error) => return Some(Err(fault(error).into())),
            }
        }
    }
}

fn fault(error: FactError) -> Fault {
    Fault::from(error)
}

impl IntoIterator for Files {
    type Item = Fallible<ScriptFile>;
    type IntoIter = Box<dyn Iterator<Item = Fallible<ScriptFile>>>;

    fn into_iter(self) -> Self::IntoIter {
        match self.walk() {
            Ok(found) => Box::new(found),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

const OPTIONS: [&str; 2] = ["one_file_system", "unreadable"];

fn options(given: &Map) -> Result<Options, Fault> {
    let mut options = Options::default();
    for (name, value) in given {
        let wrong = |allowed: &str| {
            let text = format!("`files`: `{name}` cannot be {}; allowed: {allowed}", a(value));
            Fault::script(text).about(name)
        };
        match name.as_str() {
            "one_file_system" => {
                options.one_file_system = value.as_bool().map_err(|_| wrong("true, false"))?
            }
            "unreadable" => {
                options.skip_unreadable =
                    match value.as_immutable_string_ref().as_deref().map(|text| text.as_str()) {
                        Ok("skip") => true,
                        Ok("error") => false,
                        _ => return Err(wrong("\"error\", \"skip\"")),
                    }
            }
            _ => {
                let near = nearest(name, OPTIONS)
                    .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                let text = format!("`files` has no option `{name}`{near}; allowed: {}", OPTIONS.join(", "));
                return Err(Fault::script(text).about(name));
            }
        }
    }
    Ok(options)
}

/// What a function says of a file: true or false.
fn says(context: &NativeCallContext, function: &FnPtr, file: ScriptFile, name: &str) -> Fallible<bool> {
    let said = function.call_raw(context, None, [Dynamic::from(file)])?;
    said.as_bool().map_err(|_| {
        Fault::script(format!("`{name}` needs true or false of its function, not {}", a(&said))).into()
    })
}

#[export_module]
mod functions {
    /// Returns the files that fit a pattern, one at a time: `for f in files("/usr/**") { if f.setuid { print(f.path) } }`.
    /// `*`, `?`, `[a-z]` and `{a,b}` stand for parts of a name, `**` for any directories; names that begin with a dot are like
    /// others. Nothing is held in memory, however many they are, and their order is the file system's. Links to
    /// directories are not followed. A directory that cannot be read is an error. `help("file")` tells what each has.
    #[rhai_fn(name = "files", return_raw)]
    pub fn files(context: NativeCallContext, pattern: &str) -> Fallible<Files> {
        Files::new(&context, pattern, Options::default())
    }

    /// Returns the files that fit a pattern, with options: `files("/**", #{ one_file_system: true, unreadable: "skip" })`.
    /// The first does not go into what is mounted below, the second passes over what cannot be read.
    #[rhai_fn(name = "files", return_raw)]
    pub fn files_with(context: NativeCallContext, pattern: &str, options: Map) -> Fallible<Files> {
        let options = super::options(&options)?;
        Files::new(&context, pattern, options)
    }

    /// Returns how many files there are: `files("/etc/cron.d/*").count()`.
    #[rhai_fn(name = "count", return_raw)]
    pub fn count(files: Files) -> Fallible<i64> {
        files.into_iter().try_fold(0, |count, file| file.map(|_| count + 1))
    }

    /// Returns the files as an array, which holds them all: `files("/etc/*.conf").to_array()`.
    #[rhai_fn(name = "to_array", return_raw)]
    pub fn files_to_array(files: Files) -> Fallible<Array> {
        files.into_iter().map(|file| file.map(Dynamic::from)).collect()
    }

    /// Returns those of the files for which a function says true, as an array: `files("/usr/**").filter(|f| f.setuid)`.
    #[rhai_fn(name = "filter", return_raw)]
    pub fn filter(context: NativeCallContext, files: Files, function: FnPtr) -> Fallible<Array> {
        let mut kept = Array::new();
        for file in files {
            let file = file?;
            if says(&context, &function, file.clone(), "filter")? {
                kept.push(Dynamic::from(file));
            }
        }
        Ok(kept)
    }

    /// Returns what a function makes of each of the files, as an array: `files("/etc/*").map(|f| f.name)`.
    #[rhai_fn(name = "map", return_raw)]
    pub fn map(context: NativeCallContext, files: Files, function: FnPtr) -> Fallible<Array> {
        files.into_iter().map(|file| function.call_raw(&context, None, [Dynamic::from(file?)])).collect()
    }

    /// Returns the first of the files for which a function says true, `()` without one:
    /// `files("/tmp/**").find(|f| f.setuid)`.
    #[rhai_fn(name = "find", return_raw)]
    pub fn find(context: NativeCallContext, files: Files, function: FnPtr) -> Fallible<Dynamic> {
        for file in files {
            let file = file?;
            if says(&context, &function, file.clone(), "find")? {
                return Ok(Dynamic::from(file));
            }
        }
        Ok(Dynamic::UNIT)
    }

    /// Returns whether a function says true for any of the files: `files("/etc/**").any(|f| f.world_writable)`.
    #[rhai_fn(name = "any", return_raw)]
    pub fn any_file(context: NativeCallContext, files: Files, function: FnPtr) -> Fallible<bool> {
        for file in files {
            if says(&context, &function, file?, "any")? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether a function says true for all of the files: `files("/etc/ssh/*").all(|f| f.uid == 0)`. True
    /// if there are none.
    #[rhai_fn(name = "all", return_raw)]
    pub fn all(context: NativeCallContext, files: Files, function: FnPtr) -> Fallible<bool> {
        for file in files {
            if !says(&context, &function, file?, "all")? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn files_to_string(files: Files) -> String {
        format!("files({})", crate::raw::literal(&files.text))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Files>("Files");
    engine.register_iterator_result::<Files, ScriptFile>();
    engine.register_global_module(rhai::exported_module!(functions).into());
}
