//! Completion: the words that fit the place at the cursor.
//!
//! In: a [`Place`]. Out: candidates, each showing its signature and a line of
//! documentation. It reads directories for paths; beyond that it touches nothing
//! and runs nothing.

use std::{collections::BTreeSet, fs, path::Path};

use rustyline::completion::Candidate;

use super::{
    context::{Place, Receiver},
    meta,
    vocabulary::{Vocabulary, Word},
};
use crate::{
    report::Format,
    script::{ImportedName, Variable},
};

/// A word to put at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    shown: String,
    word: String,
}

impl Candidate for Choice {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.word
    }
}

/// With more than these, only names are shown: documentation takes a row each.
const DOCUMENTED: usize = 24;
/// More entries of a directory than these are not looked at.
const ENTRIES: usize = 4096;

/// What this session has given names to.
#[derive(Debug, Clone, Copy)]
pub struct Names<'n> {
    pub variables: &'n [Variable],
    /// Of what is attached.
    pub probes: &'n [String],
    /// Of imported files: the name each was given, and what it has, with what that is for.
    pub imported: &'n [ImportedName],
}

/// The words that fit `place` and begin with `typed`; `columns` is the terminal's width.
#[must_use]
pub fn choices(
    place: &Place,
    typed: &str,
    vocabulary: &Vocabulary,
    names: Names<'_>,
    columns: usize,
) -> Vec<Choice> {
    let words = match place {
        Place::Command => meta::words(),
        Place::CommandArgument(name) => command_argument(name, typed, vocabulary, names),
        Place::Template => vocabulary.templates(),
        Place::Param { template, present } => without(vocabulary.params(template), present),
        Place::ParamValue { template, param } => {
            vocabulary.flags(template, param).unwrap_or_else(|| paths(typed))
        }
        Place::ScopeKey { present } => without(vocabulary.scope.clone(), present),
        Place::Field(template) => {
            let mut words = vocabulary.fields(template.as_deref());
            words.extend(vocabulary.derived(template.as_deref()));
            words.extend(vocabulary.methods(Some("Event")));
            words
        }
        Place::FieldName { template, present } => without(vocabulary.fields(template.as_deref()), present),
        Place::Imported(alias) => imported(alias, names.imported),
        Place::Method(receiver) => methods(receiver, vocabulary, names.variables),
        Place::Errno => vocabulary.errnos.clone(),
        Place::Signal => vocabulary.signals.clone(),
        Place::Capability => vocabulary.capabilities.clone(),
        Place::OnError => literal(&["allow", "deny"]),
        Place::Severity => literal(&["info", "low", "medium", "high", "critical"]),
        Place::Topic => vocabulary.topics(),
        Place::Path => paths(typed),
        Place::Cgroup => cgroups(typed),
        Place::Namespace => literal(&["host"]).into_iter().chain(paths(typed)).collect(),
        Place::Comm => threads(),
        Place::Word => general(typed, vocabulary, names.variables),
        Place::Comment => Vec::new(),
    };
    let fitting: Vec<_> = words.into_iter().filter(|word| word.name.starts_with(typed)).collect();
    let documented = fitting.len() <= DOCUMENTED;
    let width = fitting.iter().map(|word| word.name.chars().count()).max().unwrap_or_default();
    fitting.iter().map(|word| choice(word, documented.then_some(width), columns)).collect()
}

fn choice(word: &Word, width: Option<usize>, columns: usize) -> Choice {
    let told = [word.signature.as_str(), word.doc.as_str()].into_iter().filter(|part| !part.is_empty());
    let told = told.collect::<Vec<_>>().join("  ");
    let shown = match width {
        Some(width) if !told.is_empty() => {
            // Two columns stay free, or the editor would fold the row.
            format!("{:width$}  {told}", word.name).chars().take(columns.saturating_sub(2)).collect()
        }
        // A directory's entry is shown by its last part.
        _ if word.name.contains('/') => last_part(&word.name).to_owned(),
        _ => word.name.clone(),
    };
    Choice { shown, word: word.name.clone() }
}

fn last_part(path: &str) -> &str {
    let cut = path.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
    path.get(cut..).filter(|part| !part.is_empty()).unwrap_or(path)
}

fn without(words: Vec<Word>, present: &[String]) -> Vec<Word> {
    words.into_iter().filter(|word| !present.contains(&word.name)).collect()
}

fn literal(names: &[&str]) -> Vec<Word> {
    names.iter().map(|name| Word::new(*name, "", "")).collect()
}

/// What an imported file has.
fn imported(alias: &str, all: &[ImportedName]) -> Vec<Word> {
    let of_it = all.iter().filter(|known| known.alias == alias);
    let name = |known: &ImportedName| {
        Word::new(known.shown.split('(').next().unwrap_or_default(), &known.shown, &known.about)
    };
    of_it.map(name).collect()
}

fn general(typed: &str, vocabulary: &Vocabulary, variables: &[Variable]) -> Vec<Word> {
    // An empty prompt offers what a session begins with, not the whole language.
    if typed.is_empty() {
        return vocabulary.functions();
    }
    let mut words: Vec<_> = variables.iter().map(|known| Word::new(&known.name, &known.of, "")).collect();
    words.extend(vocabulary.functions());
    words.extend(vocabulary.keywords.iter().cloned());
    words.extend(vocabulary.library());
    // The first of a name is what it means here: a variable, else what is documented.
    words.sort_by(|a, b| a.name.cmp(&b.name));
    words.dedup_by(|a, b| a.name == b.name);
    words
}

/// Methods of what stands before the dot; all there are, if its type cannot be told from the text.
fn methods(receiver: &Receiver, vocabulary: &Vocabulary, variables: &[Variable]) -> Vec<Word> {
    if let Receiver::OneOf(function) = receiver
        && let Some(fields) = vocabulary.record(function)
    {
        return fields;
    }
    if let Receiver::Field(_, part) = receiver
        && let Some(members) = vocabulary.members(part)
    {
        return members;
    }
    let of = type_of(receiver, vocabulary, variables);
    let mut words = vocabulary.methods(of.as_deref());
    // What a function gives as one record: `cmdline().`.
    if let (Receiver::Call(None, function), Some("map" | "any")) = (receiver, of.as_deref().or(Some("any"))) {
        words = match vocabulary.record(function) {
            Some(fields) if of.is_none() => fields,
            Some(fields) => fields.into_iter().chain(words).collect(),
            None => words,
        };
    }
    if let Some(of) = of.as_deref() {
        words.extend(vocabulary.properties(of));
    }
    if of.as_deref() == Some("Event") {
        words.extend(vocabulary.fields(None));
        words.sort();
    }
    words
}

fn type_of(receiver: &Receiver, vocabulary: &Vocabulary, variables: &[Variable]) -> Option<String> {
    match receiver {
        Receiver::Unknown | Receiver::OneOf(_) => None,
        Receiver::Probe => Some("Probe".into()),
        Receiver::Literal(of) => Some((*of).into()),
        Receiver::Variable(name) => {
            variables.iter().rev().find(|known| known.name == *name).map(|known| known.of.clone())
        }
        Receiver::Field(template, field) => {
            vocabulary.field_type(template.as_deref(), field).map(str::to_owned)
        }
        Receiver::Call(on, name) => {
            let of = on.as_ref().map(|on| type_of(on, vocabulary, variables));
            // A method of something unknown may be anybody's.
            vocabulary.returns(name, of.flatten().as_deref()).map(str::to_owned)
        }
    }
}

/// What a command knows a probe by: the names of those that are attached, and variables.
fn probes_known(names: Names<'_>, doc: &str) -> Vec<Word> {
    let variables = names.variables.iter().filter(|known| known.of == "Probe").map(|known| &known.name);
    let mut words: Vec<_> =
        names.probes.iter().chain(variables).map(|name| Word::new(name, "", doc)).collect();
    words.sort();
    words.dedup();
    words
}

/// The formats of output, behind these words.
fn formats(behind: &str) -> Vec<Word> {
    let mut words: Vec<_> =
        Format::ALL.iter().map(|format| Word::new(format!("{behind}{}", format.name()), "", "")).collect();
    words.sort();
    words
}

fn settings(typed: &str) -> Vec<Word> {
    match typed.split_once(' ').map(|(name, _)| name) {
        None => literal(&meta::SETTINGS.map(|(name, _)| name)),
        Some("color") => literal(&["color always", "color auto", "color never"]),
        Some("format") => formats("format "),
        Some("events") => literal(&["events off", "events on"]),
        Some("pager") => literal(&["pager off", "pager on"]),
        Some(_) => Vec::new(),
    }
}

fn command_argument(name: &str, typed: &str, vocabulary: &Vocabulary, names: Names<'_>) -> Vec<Word> {
    match meta::argument(name) {
        meta::Argument::None | meta::Argument::Code | meta::Argument::Words => Vec::new(),
        meta::Argument::File => paths(typed),
        meta::Argument::OnOff => literal(&["off", "on"]),
        meta::Argument::Format => formats(""),
        meta::Argument::Setting => settings(typed),
        meta::Argument::Probe => probes_known(names, ""),
        meta::Argument::Events => {
            literal(&["off", "on"]).into_iter().chain(probes_known(names, "its events alone")).collect()
        }
        meta::Argument::Template => vocabulary.templates(),
        meta::Argument::Topic => vocabulary.topics(),
    }
}

/// What lies in the directory that `typed` names.
fn paths(typed: &str) -> Vec<Word> {
    let (directory, begun) =
        typed.rsplit_once('/').map_or(("", typed), |(directory, begun)| (directory, begun));
    let look_in = match (directory, typed.starts_with('/')) {
        ("", true) => Path::new("/"),
        ("", false) => Path::new("."),
        (directory, _) => Path::new(directory),
    };
    let prefix = typed.strip_suffix(begun).unwrap_or_default();
    let Ok(entries) = fs::read_dir(look_in) else { return Vec::new() };
    let mut words: Vec<_> = entries
        .take(ENTRIES)
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // What would need an escape inside quotes is left to the user.
            let plain = !name.contains(|c: char| c.is_control() || matches!(c, '"' | '\\' | '`' | '\''));
            let wanted =
                plain && name.starts_with(begun) && (begun.starts_with('.') || !name.starts_with('.'));
            let slash = if entry.path().is_dir() { "/" } else { "" };
            wanted.then(|| Word::new(format!("{prefix}{name}{slash}"), "", ""))
        })
        .collect();
    words.sort();
    words
}

/// Where cgroups are, unless somebody has put them elsewhere.
const CGROUPS: &str = "/sys/fs/cgroup/";

/// Directories below the one that `typed` names; from nothing, the file system of all cgroups.
fn cgroups(typed: &str) -> Vec<Word> {
    if CGROUPS.starts_with(typed) && typed != CGROUPS {
        return literal(&[CGROUPS]);
    }
    paths(typed).into_iter().filter(|word| word.name.ends_with('/')).collect()
}

/// Names of what runs now.
fn threads() -> Vec<Word> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.take(ENTRIES).flatten().filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
    });
    let names = pids.filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    // What would need an escape inside quotes is left to the user.
    let plain = |name: &String| name.chars().all(|c| !c.is_control() && !matches!(c, '"' | '\\' | '`'));
    let names: BTreeSet<String> =
        names.map(|name| name.trim_end_matches('\n').to_owned()).filter(plain).collect();
    names.into_iter().map(|name| Word::new(name, "", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Catalogue;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(Catalogue::builtin().unwrap())
    }

    fn variables() -> Vec<Variable> {
        let of = |(name, of): (&str, &str)| Variable { name: name.into(), of: of.into() };
        [("web", "Probe"), ("words", "array"), ("text", "string"), ("t", "Timer"), ("e", "Event")]
            .map(of)
            .into()
    }

    fn offered(place: &Place, typed: &str) -> Vec<String> {
        let variables = variables();
        let net =
            ImportedName { alias: "net".into(), shown: "is_private(address)".into(), about: String::new() };
        let names = Names { variables: &variables, probes: &["exec-1".to_owned()], imported: &[net] };
        let choices = choices(place, typed, &vocabulary(), names, 60);
        choices.iter().map(|choice| choice.word.clone()).collect()
    }

    #[test]
    fn templates_params_and_fields_come_from_the_catalogue() {
        assert_eq!(offered(&Place::Template, "exec"), ["exec", "exec_unlink"]);
        let param = Place::Param { template: "file_open".into(), present: vec!["path".into()] };
        assert!(offered(&param, "").contains(&"access".to_owned()));
        assert!(!offered(&param, "").contains(&"path".to_owned()));
        assert_eq!(offered(&Place::Field(Some("exec".into())), "ppi"), ["ppid"]);
        assert_eq!(offered(&Place::Field(None), "ppi"), ["ppid"]);
        let field = Place::FieldName { template: Some("exec".into()), present: vec!["pid".into()] };
        assert_eq!(offered(&field, "pi"), ["pid_ns"]);
        assert_eq!(offered(&field, "argc"), ["argc"]);
        // It is read of an event, and is no field that could be counted by.
        assert_eq!(offered(&Place::Field(Some("exec".into())), "cmdl"), ["cmdline"]);
        assert!(offered(&field, "cmdl").is_empty() && offered(&Place::Field(None), "cmdl").is_empty());
        let flags = Place::ParamValue { template: "file_open".into(), param: "access".into() };
        assert_eq!(offered(&flags, "wr"), ["write"]);
    }

    #[test]
    fn what_is_attached_is_offered_where_a_probe_is_named() {
        for command in ["stats", "explain", "events", "detach"] {
            assert_eq!(offered(&Place::CommandArgument(command.into()), "ex"), ["exec-1"]);
            assert_eq!(offered(&Place::CommandArgument(command.into()), "w"), ["web"]);
        }
        assert_eq!(offered(&Place::CommandArgument("set".into()), "color n"), ["color never"]);
        assert_eq!(offered(&Place::CommandArgument("set".into()), "pa"), ["pager"]);
    }

    #[test]
    fn words_are_functions_keywords_and_variables() {
        assert_eq!(
            offered(&Place::Word, "pro"),
            ["probe", "probe_named", "probes", "process_key", "processes"]
        );
        assert_eq!(offered(&Place::Word, "priv"), ["private"]);
        assert_eq!(offered(&Place::Word, "we"), ["web"]);
        assert_eq!(offered(&Place::Word, "parse_i"), ["parse_int"]);
    }

    #[test]
    fn the_fields_of_facts_are_offered_where_one_is_meant() {
        let typed = |text: &str| {
            let (start, place) = super::super::context::at(text, text.len(), &Default::default());
            offered(&place, &text[start..])
        };
        for one in [
            "for m in mounts() { m.",
            "mounts().find(|m| m.",
            "mounts()[0].",
            "mounts().filter(|m| m.target == \"/\")[0].",
            "mounts().filter(|x| x.id > 1).any(|m| m.",
        ] {
            assert_eq!(typed(&format!("{one}targ")), ["target"], "{one}");
        }
        assert_eq!(typed("for f in files(\"/usr/**\") { if f.setu"), ["setuid"]);
        assert_eq!(typed("file(\"/etc/passwd\").world"), ["world_writable"]);
        assert_eq!(typed("files(\"/usr/**\").fil"), ["filter"]);
        assert_eq!(typed("cmdline().opt"), ["options"]);
        assert_eq!(typed("bpf_programs().filter(|p| p.tar"), ["target"]);
        assert!(typed("mounts().fil").contains(&"filter".to_owned()));
        // An event's fields are still those of events.
        assert_eq!(typed("probe(\"exec\").on_event(|e| e.ppi"), ["ppid"]);
    }

    #[test]
    fn methods_fit_what_stands_before_the_dot() {
        let has = |receiver: Receiver, wanted: &str| {
            offered(&Place::Method(receiver), "").contains(&wanted.to_owned())
        };
        let call = |on: Receiver, name: &str| Receiver::Call(Some(Box::new(on)), name.into());
        let variable = |name: &str| Receiver::Variable(name.into());
        for (receiver, fits, does_not) in [
            (Receiver::Probe, "attach", "to_upper"),
            (variable("web"), "attach", "push"),
            (call(Receiver::Probe, "shadow"), "attach", "to_upper"),
            (call(Receiver::Call(None, "probe".into()), "shadow"), "attach", "to_upper"),
            (call(Receiver::Probe, "stats"), "keys", "attach"),
            (variable("words"), "push", "attach"),
            (variable("text"), "to_upper", "push"),
            (variable("t"), "cancel", "attach"),
            (variable("e"), "pid", "attach"),
            (call(variable("text"), "split"), "push", "to_upper"),
            (Receiver::Literal("map"), "keys", "split"),
            (Receiver::Field(Some("exec".into()), "path".into()), "starts_with", "push"),
            (Receiver::Field(None, "pid".into()), "abs", "to_upper"),
        ] {
            assert!(has(receiver.clone(), fits), "{receiver:?}: {fits}");
            assert!(!has(receiver.clone(), does_not), "{receiver:?}: {does_not}");
        }
        for unknown in [Receiver::Unknown, variable("nobody")] {
            assert!(has(unknown.clone(), "to_upper") && has(unknown, "attach"));
        }
    }

    #[test]
    fn the_languages_own_functions_are_documented() {
        let variables = variables();
        let names = Names { variables: &variables, probes: &[], imported: &[] };
        let told =
            |place: &Place, typed: &str| choices(place, typed, &vocabulary(), names, 200)[0].shown.clone();
        let split = told(&Place::Method(Receiver::Variable("text".into())), "to_up");
        assert_eq!(
            split,
            "to_upper  () -> string  Convert the string to all upper-case and return it as a new string."
        );
        assert_eq!(told(&Place::Word, "wor"), "words  array");
        assert!(
            told(&Place::Word, "timest").contains("Create a timestamp"),
            "{}",
            told(&Place::Word, "timest")
        );
    }

    #[test]
    fn cgroups_are_directories_and_begin_where_the_kernel_has_them() {
        for typed in ["", "/", "/sys/fs"] {
            assert_eq!(offered(&Place::Cgroup, typed), ["/sys/fs/cgroup/"]);
        }
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a.slice")).unwrap();
        fs::write(directory.path().join("cgroup.procs"), "").unwrap();
        let base = directory.path().display();
        assert_eq!(offered(&Place::Cgroup, &format!("{base}/")), [format!("{base}/a.slice/")]);
    }

    #[test]
    fn names_of_threads_are_those_that_run() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        let own = own.trim_end();
        assert!(offered(&Place::Comm, own).contains(&own.to_owned()));
        assert_eq!(offered(&Place::Namespace, "ho"), ["host"]);
    }

    #[test]
    fn a_row_never_exceeds_the_terminal() {
        let all = choices(
            &Place::Template,
            "exec",
            &vocabulary(),
            Names { variables: &[], probes: &[], imported: &[] },
            60,
        );
        assert!(!all.is_empty() && all.iter().all(|choice| choice.shown.chars().count() <= 58));
        assert!(all.iter().any(|choice| choice.shown.starts_with("exec ")));
    }

    #[test]
    fn a_path_is_completed_part_by_part() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/file"), "").unwrap();
        fs::write(directory.path().join(".hidden"), "").unwrap();
        let base = directory.path().display();
        assert_eq!(offered(&Place::Path, &format!("{base}/s")), [format!("{base}/sub/")]);
        assert_eq!(offered(&Place::Path, &format!("{base}/sub/")), [format!("{base}/sub/file")]);
        assert_eq!(offered(&Place::Path, &format!("{base}/")), [format!("{base}/sub/")]);
    }
}
