//! Texts: what Rhai's own library lacks, and what it would get wrong about names that are not UTF-8.

use rhai::{Array, Blob, Engine, plugin::*};

use super::{Fallible, runtime};
use crate::{
    filter::Glob,
    raw, report,
    script::{Fault, regex, value},
};

/// The words of a list, each as text.
fn words(list: &Array) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[export_module]
mod functions {
    /// Returns whether a string matches a glob: `e.path.like("/home/*/.ssh/*")`. `*` stands for any text, slashes too,
    /// `?` for one byte.
    #[rhai_fn(return_raw)]
    pub fn like(text: &str, glob: &str) -> Fallible<bool> {
        let parsed = Glob::parse(glob).map_err(|error| Fault::script(error).about(glob))?;
        Ok(parsed.matches(text))
    }

    /// Returns whether a regular expression is found in a string: `e.path.matches("^/tmp/[^/]+[.]sh$")`. The syntax is that
    /// of Rust's regex crate, over bytes: classes and `(?i)` know ASCII's letters alone, and `.` is any byte but a
    /// newline. `^` and `$` are the string's ends; there is no look-around.
    #[rhai_fn(return_raw)]
    pub fn matches(text: &str, expression: &str) -> Fallible<bool> {
        let pattern = regex::pattern(expression)?;
        Ok(pattern.answer(&raw::bytes(text), true) == Some(true))
    }

    /// Returns the string with ASCII's capital letters made small, for comparisons that ignore case:
    /// `e.path.to_ascii_lower().ends_with(".exe")`. Other letters stay as they are.
    pub fn to_ascii_lower(text: &str) -> String {
        text.to_ascii_lowercase()
    }

    /// Joins the elements of a list into one text: `e.argv.join(" ")`. For a command line that a shell reads back,
    /// `e.argv.quoted()`.
    #[rhai_fn(return_raw, pure)]
    pub fn join(context: NativeCallContext, list: &mut Array, between: &str) -> Fallible<String> {
        let long = list
            .iter()
            .map(value::weight)
            .fold(between.len().saturating_mul(list.len()), usize::saturating_add);
        runtime(&context)?.room(long)?;
        Ok(words(list).join(between))
    }

    /// Quotes a text for a shell: `e.path.quoted()`. A plain word stays as it is; bytes that are not UTF-8 and control
    /// characters are written as in `$'a\xff'`.
    pub fn quoted(text: &str) -> String {
        report::quoted(text).into_owned()
    }

    /// Quotes each element of a list for a shell, and joins them by blanks: `e.argv.quoted()` is a command line.
    #[rhai_fn(name = "quoted", pure)]
    pub fn quoted_list(list: &mut Array) -> String {
        let words = words(list);
        words.iter().map(|word| report::quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Returns a text without the secrets that can be told by how they look or by what stands before them: passwords, tokens, keys,
    /// addresses with a password: `redact("mysql --password=hunter2")` is `"mysql --password=<redacted>"`. What a script
    /// prints, emits or raises as an alert is redacted anyway, unless `--show-secrets` says otherwise.
    pub fn redact(text: &str) -> String {
        report::redacted(text).into_owned()
    }

    /// Returns a list of arguments without their secrets: `["mysql", "-phunter2"].redact()` is `["mysql", "-p<redacted>"]`.
    #[rhai_fn(name = "redact", pure)]
    pub fn redact_list(list: &mut Array) -> Array {
        let words: Vec<Vec<u8>> = words(list).iter().map(|word| raw::bytes(word).into_owned()).collect();
        match report::redacted_list(&words.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Some(redacted) => redacted.iter().map(|word| raw::text(word).into()).collect(),
            None => list.clone(),
        }
    }

    // ---- the language's own, by the bytes that a text stands for --------------

    /// Returns how many characters a text has; each byte that is not UTF-8 counts as one: `e.path.len()`.
    #[rhai_fn(name = "len", get = "len")]
    pub fn len(text: &str) -> i64 {
        let characters = match raw::is_plain(text) {
            true => text.chars().count(),
            false => String::from_utf8_lossy(&raw::bytes(text)).chars().count(),
        };
        i64::try_from(characters).unwrap_or(i64::MAX)
    }

    /// Returns how many bytes a text has, as the system has it: `bytes(e.path)`.
    #[rhai_fn(name = "bytes", get = "bytes")]
    pub fn bytes(text: &str) -> i64 {
        i64::try_from(raw::bytes(text).len()).unwrap_or(i64::MAX)
    }

    /// Returns the bytes of a text, as the system has it: `e.path.to_blob()`.
    pub fn to_blob(text: &str) -> Blob {
        raw::bytes(text).into_owned()
    }

    /// Returns bytes as a text, with none lost: `e.path.to_blob().as_string()` is `e.path`.
    #[rhai_fn(name = "as_string", pure)]
    pub fn as_string(bytes: &mut Blob) -> String {
        raw::text(bytes)
    }

    /// Returns whether a text begins with another: `e.path.starts_with("/tmp/")`.
    pub fn starts_with(text: &str, sought: &str) -> bool {
        raw::bytes(text).starts_with(&raw::bytes(sought))
    }

    /// Returns whether a text ends with another: `e.path.ends_with(".so")`.
    pub fn ends_with(text: &str, sought: &str) -> bool {
        raw::bytes(text).ends_with(&raw::bytes(sought))
    }

    /// Returns whether a text has another in it: `e.path.contains("/.ssh/")`.
    pub fn contains(text: &str, sought: &str) -> bool {
        if raw::is_plain(text) && raw::is_plain(sought) {
            return text.contains(sought);
        }
        raw::find(&raw::bytes(text), &raw::bytes(sought)).is_some()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
