//! Completion: the words that fit the place at the cursor.
//!
//! In: a [`Place`]. Out: candidates, each showing its signature and a line of
//! documentation. It reads folders for paths; beyond that it touches nothing
//! and runs nothing.

use std::{fs, path::Path};

use rustyline::completion::Candidate;

use super::{
    context::Place,
    meta,
    vocabulary::{Vocabulary, Word},
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
/// More entries of a folder than these are not looked at.
const ENTRIES: usize = 4096;

/// What this session has given names to.
#[derive(Debug, Clone, Copy)]
pub struct Names<'n> {
    pub variables: &'n [String],
    /// Of what is attached.
    pub probes: &'n [String],
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
        Place::CommandArgument(name) => command_argument(name, typed, vocabulary, names.probes),
        Place::Template => vocabulary.templates(),
        Place::Param { template, present } => without(vocabulary.params(template), present),
        Place::ParamValue { template, param } => {
            vocabulary.flags(template, param).unwrap_or_else(|| paths(typed))
        }
        Place::ScopeKey { present } => without(vocabulary.scope.clone(), present),
        Place::Field(template) => {
            let mut words = vocabulary.fields(template.as_deref());
            words.extend(vocabulary.methods(Some("Event")));
            words
        }
        Place::Method { probe, after } => {
            let probe = *probe && after.as_ref().is_none_or(|method| vocabulary.gives_probe(method));
            vocabulary.methods(probe.then_some("Probe"))
        }
        Place::Errno => vocabulary.errnos.clone(),
        Place::Signal => vocabulary.signals.clone(),
        Place::OnError => literal(&["allow", "deny"]),
        Place::Severity => literal(&["info", "low", "medium", "high", "critical"]),
        Place::Topic => vocabulary.topics(),
        Place::Path => paths(typed),
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
        // A folder's entry is shown by its last part.
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

fn general(typed: &str, vocabulary: &Vocabulary, variables: &[String]) -> Vec<Word> {
    let mut words: Vec<_> = variables.iter().map(|name| Word::new(name, "", "")).collect();
    words.extend(vocabulary.functions());
    words.extend(vocabulary.keywords.iter().cloned());
    words.extend(vocabulary.library());
    // A name that is documented stands before the same name that is not.
    words.sort_by(|a, b| (&a.name, a.doc.is_empty()).cmp(&(&b.name, b.doc.is_empty())));
    words.dedup_by(|a, b| a.name == b.name);
    // An empty prompt offers what a session begins with, not the whole language.
    if typed.is_empty() { words.into_iter().filter(|word| !word.doc.is_empty()).collect() } else { words }
}

fn command_argument(name: &str, typed: &str, vocabulary: &Vocabulary, probes: &[String]) -> Vec<Word> {
    match meta::argument(name) {
        meta::Argument::None | meta::Argument::Code => Vec::new(),
        meta::Argument::File => paths(typed),
        meta::Argument::OnOff => literal(&["off", "on"]),
        meta::Argument::Format => literal(&["json", "text"]),
        meta::Argument::Setting => literal(&meta::SETTINGS.map(|(name, _)| name)),
        meta::Argument::Probe => probes.iter().map(|name| Word::new(name, "", "")).collect(),
        meta::Argument::Events => {
            let probes = probes.iter().map(|name| Word::new(name, "", "its events alone"));
            literal(&["off", "on"]).into_iter().chain(probes).collect()
        }
        meta::Argument::Template => vocabulary.templates(),
        meta::Argument::Topic => vocabulary.topics(),
    }
}

/// What lies in the folder that `typed` names.
fn paths(typed: &str) -> Vec<Word> {
    let (folder, begun) = typed.rsplit_once('/').map_or(("", typed), |(folder, begun)| (folder, begun));
    let look_in = match (folder, typed.starts_with('/')) {
        ("", true) => Path::new("/"),
        ("", false) => Path::new("."),
        (folder, _) => Path::new(folder),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Catalogue;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(Catalogue::builtin().unwrap())
    }

    fn offered(place: &Place, typed: &str) -> Vec<String> {
        let variables = ["web".to_owned()];
        let names = Names { variables: &variables, probes: &["exec-1".to_owned()] };
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
        let flags = Place::ParamValue { template: "file_open".into(), param: "access".into() };
        assert_eq!(offered(&flags, "wr"), ["write"]);
    }

    #[test]
    fn what_is_attached_is_offered_where_a_probe_is_named() {
        for command in ["stats", "explain", "events"] {
            assert_eq!(offered(&Place::CommandArgument(command.into()), "ex"), ["exec-1"]);
        }
        assert_eq!(offered(&Place::CommandArgument("set".into()), "pa"), ["pager"]);
    }

    #[test]
    fn words_are_functions_keywords_and_variables() {
        assert_eq!(offered(&Place::Word, "pro"), ["probe", "probes"]);
        assert_eq!(offered(&Place::Word, "priv"), ["private"]);
        assert_eq!(offered(&Place::Word, "we"), ["web"]);
        assert_eq!(offered(&Place::Word, "parse_i"), ["parse_int"]);
    }

    #[test]
    fn methods_fit_what_stands_before_the_dot() {
        let method = |probe, after: Option<&str>| Place::Method { probe, after: after.map(str::to_owned) };
        assert!(offered(&method(true, None), "").contains(&"attach".to_owned()));
        assert!(offered(&method(true, Some("shadow")), "at").contains(&"attach".to_owned()));
        assert!(!offered(&method(true, None), "").contains(&"to_upper".to_owned()));
        assert!(offered(&method(true, Some("stats")), "").contains(&"keys".to_owned()));
        assert!(offered(&method(false, None), "").contains(&"to_upper".to_owned()));
    }

    #[test]
    fn a_row_never_exceeds_the_terminal() {
        let all = choices(&Place::Template, "", &vocabulary(), Names { variables: &[], probes: &[] }, 60);
        assert!(!all.is_empty() && all.iter().all(|choice| choice.shown.chars().count() <= 58));
        assert!(all.iter().any(|choice| choice.shown.starts_with("exec ")));
    }

    #[test]
    fn a_path_is_completed_part_by_part() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/file"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "").unwrap();
        let base = folder.path().display();
        assert_eq!(offered(&Place::Path, &format!("{base}/s")), [format!("{base}/sub/")]);
        assert_eq!(offered(&Place::Path, &format!("{base}/sub/")), [format!("{base}/sub/file")]);
        assert_eq!(offered(&Place::Path, &format!("{base}/")), [format!("{base}/sub/")]);
    }
}
