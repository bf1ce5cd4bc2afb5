//! Parameters of a script: declared once, with a type, a default and a sentence; given as `--name value` behind the script's name.
//!
//! In: the declaration, a map of maps, and the words behind the script. Out: a value for each parameter, or what is wrong and what
//! is allowed. Help is made of the same declaration.

use rhai::{Array, Dynamic, ImmutableString, Map};

use super::Fault;
use crate::values::{Network, duration, nearest};

/// What the words behind a script ask for, if not for the script itself.
const HELP: [&str; 2] = ["--help", "-h"];
const KEYS: [&str; 4] = ["kind", "value", "about", "of"];

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Duration,
    Path,
    Network,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Text, Kind::Number, Kind::Flag, Kind::Duration, Kind::Path, Kind::Network];

    fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Flag => "flag",
            Kind::Duration => "duration",
            Kind::Path => "path",
            Kind::Network => "network",
        }
    }

    /// What a word on the command line has to be.
    fn allowed(self) -> &'static str {
        match self {
            Kind::Text => "a text that is not empty",
            Kind::Number => "a whole number",
            Kind::Flag => "true or false",
            Kind::Duration => "a number with a unit, such as 250ms, 10s or 5m",
            Kind::Path => "an absolute path",
            Kind::Network => "a network or an address, such as 10.0.0.0/8 or ::1",
        }
    }

    fn read(self, word: &str) -> Option<Dynamic> {
        let text = || Dynamic::from(ImmutableString::from(word));
        match self {
            Kind::Text => (!word.is_empty()).then(text),
            Kind::Number => word.parse::<i64>().ok().map(Dynamic::from),
            Kind::Flag => word.parse::<bool>().ok().map(Dynamic::from),
            Kind::Duration => duration::parse(word).ok().map(|_| text()),
            Kind::Path => (word.starts_with('/') && !word.contains('\0')).then(text),
            Kind::Network => Network::parse(word).ok().map(|_| text()),
        }
    }
}

/// One parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// As the script has it: `not_exe`. On the command line it is `--not-exe`.
    pub name: String,
    kind: Kind,
    is_list: bool,
    /// The only values there are; none: any.
    of: Vec<String>,
    default: Dynamic,
    pub about: String,
}

impl Param {
    /// Returns how it is written on the command line: `--not-exe PATH,…`.
    #[must_use]
    pub fn usage(&self) -> String {
        let value = if self.of.is_empty() { self.kind.name().to_uppercase() } else { self.of.join("|") };
        match (self.kind, self.is_list) {
            (Kind::Flag, _) => self.flag(),
            (_, false) => format!("{} {value}", self.flag()),
            (_, true) => format!("{} {value},…", self.flag()),
        }
    }

    /// Returns the default as it would be given; empty for a list of nothing.
    #[must_use]
    pub fn default_text(&self) -> String {
        match self.default.as_array_ref() {
            Ok(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Err(_) => self.default.to_string(),
        }
    }

    /// Returns its type in a word: `number`, `paths`.
    #[must_use]
    pub fn kind_name(&self) -> String {
        format!("{}{}", self.kind.name(), if self.is_list { "s" } else { "" })
    }

    fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Reads one declaration.
    fn declared(name: &str, said: &Dynamic) -> Result<Self, Fault> {
        let refused = |text: String| Fault::script(format!("`params`: `{name}`: {text}")).about(name);
        let said = said.as_map_ref().map_err(|_| {
            let example = "#{ kind: \"paths\", value: [], about: \"What it is for\" }";
            refused(format!("this declares nothing; write {example}"))
        })?;
        if let Some(stranger) = said.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(refused(format!("there is no `{stranger}`; allowed: {}", KEYS.join(", "))));
        }
        let text = |key: &str| said.get(key).and_then(|value| value.clone().into_string().ok());
        let about = text("about").filter(|text| !text.trim().is_empty());
        let about =
            about.ok_or_else(|| refused("`about` is missing: a sentence on what it is for".to_owned()))?;
        let given = text("kind").unwrap_or_default();
        let (kind, is_list) = kind(&given).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            refused(format!(
                "`kind` is {}, which there is not; allowed: {}, and all but flag with an s for a list of them",
                if given.is_empty() { "missing".to_owned() } else { format!("`{given}`") },
                names.join(", ")
            ))
        })?;
        let of = match said.get("of") {
            None => Vec::new(),
            Some(value) => texts(value).ok_or_else(|| refused("`of` is an array of texts".to_owned()))?,
        };
        let default = said.get("value").cloned().unwrap_or(Dynamic::UNIT);
        let param = Param { name: name.to_owned(), kind, is_list, of, default: Dynamic::UNIT, about };
        let fits = match (is_list, default.as_array_ref()) {
            (true, Ok(items)) => items.iter().all(|item| param.read(&item.to_string()).is_ok()),
            (false, Err(_)) => !default.is_unit() && param.read(&default.to_string()).is_ok(),
            _ => false,
        };
        if !fits {
            let list = if is_list { "an array of: " } else { "" };
            return Err(refused(format!(
                "its `value`, which it has if nothing is said, does not fit; allowed: {list}{}",
                param.allowed()
            )));
        }
        Ok(Param { default, ..param })
    }

    fn allowed(&self) -> String {
        if self.of.is_empty() { self.kind.allowed().to_owned() } else { self.of.join(", ") }
    }

    fn read(&self, word: &str) -> Result<Dynamic, String> {
        let known = self.of.is_empty() || self.of.iter().any(|one| one == word);
        let value = self.kind.read(word).filter(|_| known);
        value.ok_or_else(|| format!("{}: `{word}` does not fit; allowed: {}", self.flag(), self.allowed()))
    }
}

fn kind(name: &str) -> Option<(Kind, bool)> {
    let find = |name: &str| Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let list = || name.strip_suffix('s').and_then(find).filter(|kind| *kind != Kind::Flag);
    find(name).map(|kind| (kind, false)).or_else(|| list().map(|kind| (kind, true)))
}

fn texts(value: &Dynamic) -> Option<Vec<String>> {
    value.as_array_ref().ok()?.iter().map(|item| item.clone().into_string().ok()).collect()
}

/// Reads a declaration.
///
/// # Errors
/// If it is not one, with the parameter that it is about.
pub fn declared(said: &Map) -> Result<Vec<Param>, Fault> {
    said.iter().map(|(name, said)| Param::declared(name, said)).collect()
}

/// Whether the words ask what there is.
pub fn ask_for_help(words: &[String]) -> bool {
    words.iter().any(|word| HELP.contains(&word.as_str()))
}

/// Gives each parameter the value that the words say, or its default.
///
/// # Errors
/// If a word is none of these parameters, or a value does not fit.
pub fn given(params: &[Param], words: &[String]) -> Result<Map, String> {
    let mut values: Map =
        params.iter().map(|param| (param.name.as_str().into(), param.default.clone())).collect();
    let mut fresh = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), None),
        };
        let param = find(params, flag).ok_or_else(|| unknown(params, word, flag))?;
        let value = match (value, param.kind) {
            (Some(value), _) => value,
            (None, Kind::Flag) => "true",
            (None, _) => words.next().ok_or_else(|| {
                format!("{}: a value is missing; allowed: {}", param.flag(), param.allowed())
            })?,
        };
        let read = |value: &str| param.read(value);
        if !param.is_list {
            values.insert(param.name.as_str().into(), read(value)?);
            continue;
        }
        let items =
            value.split(',').filter(|item| !item.is_empty()).map(read).collect::<Result<Array, _>>()?;
        // What is said takes the default's place; said again, it is added.
        let first = !fresh.contains(&&param.name);
        fresh.push(&param.name);
        let before = values.get(param.name.as_str()).and_then(|value| value.clone().into_array().ok());
        let before = before.filter(|_| !first).unwrap_or_default();
        let all: Array = before.into_iter().chain(items).collect();
        values.insert(param.name.as_str().into(), all.into());
    }
    Ok(values)
}

fn find<'p>(params: &'p [Param], flag: &str) -> Option<&'p Param> {
    let name = flag.strip_prefix("--")?.replace('-', "_");
    params.iter().find(|param| param.name == name)
}

fn unknown(params: &[Param], word: &str, flag: &str) -> String {
    let flags: Vec<_> = params.iter().map(Param::flag).collect();
    let near = nearest(flag, flags.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let allowed = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
    format!("the script has no parameter `{word}`{near}; allowed: {allowed}, --help")
}

/// Lists parameters as `--help` does.
#[must_use]
pub fn listed(params: &[Param]) -> String {
    let width = params.iter().map(|param| param.usage().chars().count()).max().unwrap_or_default();
    let line = |param: &Param| {
        let default = param.default_text();
        let default = if default.is_empty() { "nothing".to_owned() } else { default };
        format!("  {:width$}  {} [default: {default}]\n", param.usage(), param.about)
    };
    params.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Vec<Param> {
        let engine = rhai::Engine::new();
        let said: Map = engine
            .eval(
                r#"#{ not_exe: #{ kind: "paths", value: ["/bin/a"], about: "Who may" },
                      within: #{ kind: "duration", value: "10s", about: "How soon" },
                      least: #{ kind: "number", value: 3, about: "How many" },
                      deep: #{ kind: "flag", value: false, about: "Whether" },
                      way: #{ kind: "text", of: ["a", "b"], value: "a", about: "Which" } }"#,
            )
            .unwrap();
        declared(&said).unwrap()
    }

    fn said(words: &[&str]) -> Result<Map, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        given(&params(), &words)
    }

    #[test]
    fn what_is_not_said_has_its_default_and_a_list_is_said_in_parts() {
        let values = said(&[]).unwrap();
        assert_eq!(values["least"].as_int(), Ok(3));
        assert_eq!(values["not_exe"].to_string(), "[\"/bin/a\"]");
        let values =
            said(&["--not-exe", "/x,/y", "--not_exe=/z", "--deep", "--least=-1", "--way", "b"]).unwrap();
        assert_eq!(values["not_exe"].to_string(), "[\"/x\", \"/y\", \"/z\"]");
        assert_eq!((values["deep"].as_bool(), values["least"].as_int()), (Ok(true), Ok(-1)));
        assert_eq!(said(&["--not-exe="]).unwrap()["not_exe"].to_string(), "[]");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_is_allowed() {
        let refused = |words: &[&str], part: &str| {
            let text = said(words).unwrap_err();
            assert!(text.contains(part), "{words:?}: {text}");
        };
        refused(&["--leest", "1"], "did you mean `--least`?");
        refused(&["x"], "the script has no parameter `x`; allowed: --deep, --least");
        refused(&["--least", "many"], "--least: `many` does not fit; allowed: a whole number");
        refused(&["--within", "10"], "a number with a unit");
        refused(&["--not-exe", "/a,b"], "`b` does not fit; allowed: an absolute path");
        refused(&["--way", "c"], "allowed: a, b");
        refused(&["--least"], "a value is missing");
    }

    #[test]
    fn a_declaration_that_is_none_is_refused() {
        let refused = |said: &str, part: &str| {
            let said: Map = rhai::Engine::new().eval(&format!("#{{ x: {said} }}")).unwrap();
            let text = declared(&said).unwrap_err().text;
            assert!(text.contains(part), "{text}");
        };
        refused("1", "declares nothing");
        refused("#{ kind: \"number\", value: 1 }", "`about` is missing");
        refused(
            "#{ kind: \"numbr\", value: 1, about: \"a\" }",
            "`numbr`, which there is not; allowed: text, number",
        );
        refused(
            "#{ kind: \"number\", about: \"a\" }",
            "its `value`, which it has if nothing is said, does not fit; allowed: a whole number",
        );
        refused("#{ kind: \"paths\", value: \"/a\", about: \"a\" }", "an array of: an absolute path");
        refused("#{ kind: \"flags\", value: [], about: \"a\" }", "which there is not");
    }
}
