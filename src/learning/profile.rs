//! A profile: a script that lets happen what was learned, and refuses or tells all else.
//!
//! Two runs of one thing have one profile: it has no date and no host, and how often something was seen is said by its order of
//! magnitude.

use std::fmt::Write as _;

use super::{
    deed::{Kind, List},
    directories::{self, Rule},
    known::{Known, KnownError},
    learner::{Learned, denials},
    lines::{ANCHOR, BELOW, FAMILIES, LIKE, Lines, peer_line},
    networks,
    seen::Seen,
};
use crate::raw;

/// Whom a profile is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The process that the script is given, by `-c` or `-p`, and all that it starts.
    Target,
    /// A scope, as a script writes it.
    Scope(String),
}

impl Whom {
    /// Returns it as a script writes it.
    #[must_use]
    pub fn expression(&self) -> &str {
        match self {
            Whom::Target => "target",
            Whom::Scope(text) => text,
        }
    }
}

/// What a new profile says of itself.
#[derive(Debug)]
pub struct Profile<'p> {
    /// What was watched, in a word: a command's path, `process 12`.
    pub of: &'p str,
    pub whom: &'p Whom,
    pub kinds: &'p [Kind],
    /// Why it may lack something, a sentence each.
    pub doubts: &'p [String],
}

impl Learned {
    /// Returns the profile that this makes.
    #[must_use]
    pub fn profile(&self, profile: &Profile<'_>) -> String {
        let mut lines = self.lines();
        if *profile.whom == Whom::Target && profile.kinds.contains(&Kind::FileOpen) {
            let line =
                format!("    {}, // what is refused is told there: $KRSI_DENIALS", raw::literal(&denials()));
            lines.lists.entry(format!("{}{BELOW}", List::Read.variable())).or_default().insert(0, line);
        }
        profile.text(&lines)
    }

    /// Returns a profile with what it does not allow yet.
    ///
    /// # Errors
    /// If it lacks the list that something belongs to.
    pub fn refined(&self, known: &Known) -> Result<String, KnownError> {
        known.with(&self.lines())
    }

    /// Returns how many rules come of it.
    #[must_use]
    pub fn rules(&self) -> usize {
        let lines = self.lines();
        let addresses = lines.addresses.values().map(Vec::len).sum::<usize>();
        lines.lists.values().map(Vec::len).sum::<usize>() + addresses
    }

    fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        for (list, names) in &self.names {
            let variable = list.variable();
            for (rule, seen) in directories::rules(*list, names) {
                let (suffix, text) = match &rule {
                    Rule::Exact(text) => ("", text),
                    Rule::Below(text) => (BELOW, text),
                    Rule::Like(text) => (LIKE, text),
                };
                let line = item(text, &seen);
                lines.lists.entry(format!("{variable}{suffix}")).or_default().push(line);
            }
        }
        for (kind, families) in &self.families {
            let items = families.iter().map(|(family, seen)| item(family, seen)).collect();
            lines.lists.insert(format!("{}{FAMILIES}", kind.template()), items);
        }
        for (kind, addresses) in &self.addresses {
            let line =
                |(peers, seen): (networks::Peers, Seen)| format!("        {} // {}", peer_line(&peers), seen);
            lines.addresses.insert(*kind, networks::peers(addresses).into_iter().map(line).collect());
        }
        lines
    }
}

fn item(text: &str, seen: &Seen) -> String {
    format!("    {}, // {}", raw::literal(text), seen)
}

impl Profile<'_> {
    fn text(&self, lines: &Lines) -> String {
        let Profile { of, whom, kinds, doubts } = self;
        let mut text = String::new();
        let words = |of: fn(Kind) -> &'static str| {
            let mut words: Vec<_> = kinds.iter().map(|kind| of(*kind)).collect();
            words.dedup();
            words.join(", ")
        };
        // A title is one line, whatever a file is called.
        let of = raw::literal(of);
        let of = of.trim_matches('"');
        let run = match whom {
            Whom::Target => {
                "It is about one command, or the process of -p: krsi-sh run PROFILE -- COMMAND; within a jail: krsi-sh run jail --profile PROFILE -- COMMAND."
            }
            Whom::Scope(_) => "It is about `scope`, below.",
        };
        _ = writeln!(text, "#!/usr/bin/env krsi-sh\n// guard: Nothing but what {of} has been seen to do");
        _ = writeln!(
            text,
            "// about: A profile that krsi-sh learn has made: everything else is told, and refused with --shadow=false. {run}"
        );
        _ = writeln!(text, "// attack: {}", words(attack));
        _ = writeln!(text, "// severity: medium\n// needs: {}", words(Kind::template));
        if **whom == Whom::Target {
            _ = writeln!(text, "// target: command");
        }
        _ = writeln!(
            text,
            "// false positives: What it does seldom, and did not do while it was watched: krsi-sh learn --refine adds to the lists."
        );
        let sample = kinds.first().map_or("", |kind| does(*kind)).replace("${e.path}", "/usr/bin/id");
        _ = writeln!(
            text,
            "// sample:\n//   12:00:00.000 alert medium: {sample} (sh[100] uid=0(root), parent sh) [{}]",
            kinds.first().map_or("", |kind| attack(*kind))
        );
        for doubt in *doubts {
            // Names of a recording's probes were chosen by another person: they stay in its comment.
            let doubt = raw::literal(doubt);
            _ = writeln!(text, "\n// Not whole: {}.", doubt.trim_matches('"'));
        }
        text.push_str(
            "\nlet p = params(#{\n    shadow: #{ kind: \"flag\", value: true, about: \"Refuse nothing, and tell what would be refused; --shadow=false refuses it\" },\n});\n",
        );
        _ = writeln!(text, "let scope = {};", whom.expression());
        _ = writeln!(
            text,
            "let advice = \"it was not seen to do so when its profile was learned; to allow it: krsi-sh learn --refine\";"
        );
        for kind in *kinds {
            self.section(*kind, lines, &mut text);
        }
        text
    }

    fn section(&self, kind: Kind, lines: &Lines, text: &mut String) {
        for list in List::of(kind) {
            let variable = list.variable();
            for (suffix, what) in [
                ("", meant(*list).to_owned()),
                (BELOW, "The same, with all that is below these directories.".to_owned()),
                (
                    LIKE,
                    "The same, by regular expressions: where a part of a name is another at each run."
                        .to_owned(),
                ),
            ] {
                write_list(text, &format!("{variable}{suffix}"), &what, lines);
            }
        }
        if kind.is_of_network() {
            let name = format!("{}{FAMILIES}", kind.template());
            write_list(text, &name, "Other address families.", lines);
            let no_lines = Vec::new();
            let addresses = lines.addresses.get(&kind).unwrap_or(&no_lines);
            let sockets = allowed(List::Sockets(kind));
            _ = writeln!(
                text,
                "\nprobe(\"{0}\").name(\"{0}\").scope(scope)\n    .when(|e| !(e.family in {name}\n        || (e.family == \"unix\" && ({sockets}))\n        {ANCHOR}",
                kind.template()
            );
            for line in addresses {
                _ = writeln!(text, "{line}");
            }
            _ = writeln!(text, "    ))");
            armed(text, kind);
            return;
        }
        for list in List::of(kind) {
            let (name, condition) = match list {
                List::Read => ("read", format!("{NOT_WRITING}\n        && !({})", allowed(*list))),
                List::Written => ("written", format!("!({NOT_WRITING})\n        && !({})", allowed(*list))),
                _ => (kind.template(), format!("!({})", allowed(*list))),
            };
            _ = writeln!(
                text,
                "\nprobe(\"{}\").name(\"{name}\").scope(scope)\n    .when(|e| {condition})",
                kind.template()
            );
            armed(text, kind);
        }
    }
}

const NOT_WRITING: &str =
    r#"!("write" in e.access || "append" in e.access || "create" in e.access || "truncate" in e.access)"#;

fn write_list(text: &mut String, name: &str, what: &str, lines: &Lines) {
    _ = writeln!(text, "\n// {what}\nlet {name} = [");
    for line in lines.lists.get(name).into_iter().flatten() {
        _ = writeln!(text, "{line}");
    }
    _ = writeln!(text, "];");
}

/// The condition under which a list allows a path.
fn allowed(list: List) -> String {
    let name = list.variable();
    format!(
        "e.path in {name} || {name}{BELOW}.any(|directory| e.path.starts_with(directory)) || {name}{LIKE}.any(|pattern| e.path.matches(pattern))"
    )
}

fn armed(text: &mut String, kind: Kind) {
    _ = writeln!(
        text,
        "    .armed(p, \"{}\").on_event(|e| {{ found(`{}`, e); advise(advice); }}).attach();",
        if kind == Kind::Connect { "ECONNREFUSED" } else { "EACCES" },
        does(kind)
    );
}

/// What a finding of this template says.
fn does(kind: Kind) -> &'static str {
    match kind {
        Kind::Exec => "${e.path} is executed",
        Kind::FileOpen => "${e.path} is opened to ${e.access}",
        Kind::Create => "${e.path} is made",
        Kind::Unlink => "${e.path} is removed",
        Kind::Connect => "a connection to ${e.address} ${e.port} ${e.path}",
        Kind::Sendto => "a datagram to ${e.address} ${e.port} ${e.path}",
        Kind::Bind => "${e.address} ${e.port} ${e.path} is bound",
    }
}

fn meant(list: List) -> &'static str {
    match list {
        List::Programs => "What may be executed.",
        List::Read => "What may be opened to be read, or executed.",
        List::Written => "What may be opened to be written to, or made by that.",
        List::Made => "What may be made.",
        List::Removed => "What may be removed.",
        List::Sockets(_) => "Names of unix sockets.",
    }
}

/// What of ATT&CK it may be if something else is done.
fn attack(kind: Kind) -> &'static str {
    match kind {
        Kind::Exec => "T1059",
        Kind::FileOpen => "T1005",
        Kind::Create | Kind::Unlink => "T1565",
        Kind::Connect | Kind::Sendto => "T1071",
        Kind::Bind => "T1571",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::name::{Name, Pids};

    #[test]
    fn whatever_names_say_is_in_a_comment_or_in_quotes() {
        let mut learned = Learned::default();
        let path = "/tmp/a\n\"; print(1); //";
        let name = Name::of(path, true, &Pids::default());
        learned.names.entry(List::Programs).or_default().entry(name).or_default().once(path);
        let text = learned.profile(&Profile {
            of: "a\nprint(1)",
            whom: &Whom::Target,
            kinds: &[Kind::Exec],
            doubts: &["the recording has only what `b\nprint(1)` selected".to_owned()],
        });
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        assert!(
            code.filter(|line| line.contains("print(1)")).all(|line| line.contains("\\\"; print(1)")),
            "{text}"
        );
        assert!(Known::read(&text).unwrap().kinds() == [Kind::Exec], "{text}");
    }
}
