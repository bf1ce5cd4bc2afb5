//! Many names of one directory, said as the directory.
//!
//! In: names, each with what was seen of it. Out: rules: a name, a directory with all that is below it, or a pattern of either. A
//! directory takes the place of its names if there are many and none of what a profile is to protect can be among those that were not
//! seen: never `/etc`, a home, or what programs are executed from.

use std::collections::BTreeMap;

use super::{
    deed::List,
    name::{Name, Segment},
    seen::Seen,
};
use crate::{filter::Pattern, raw};

/// So many names of a directory are the directory; the less, the more names a list has.
const MANY: [usize; 3] = [8, 4, 2];
/// Bytes of a list's names with which the kernel's automaton for them is still small enough.
const LONGEST: usize = 14 << 10;

/// Directories that are never meant as a whole: one new file in them may be just what is to be refused.
const NEVER: [&str; 33] = [
    "/bin",
    "/boot",
    "/dev",
    "/dev/pts",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/run/user",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/dev/shm",
];
/// Nor what is below these, whatever is done there.
const NEVER_BELOW: [&str; 3] = ["/proc/", "/dev/", "/root/."];
/// Nor, if it is written to or removed, what is below these.
const NEVER_CHANGED: [&str; 9] =
    ["/bin/", "/boot/", "/etc/", "/lib/", "/lib64/", "/opt/", "/sbin/", "/sys/", "/usr/"];
/// Where keys and tokens are.
const SECRET: [&str; 8] = [".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", "private"];

/// What one line of a list allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Exact(String),
    /// Ends with a slash.
    Below(String),
    /// A regular expression.
    Like(String),
}

/// Makes rules of a list's names.
pub fn rules(list: List, names: &BTreeMap<Name, Seen>) -> Vec<(Rule, Seen)> {
    let mut root = Node::default();
    for (name, seen) in names {
        root.add(&name.0, seen);
    }
    let mut found = Vec::new();
    for many in MANY {
        found.clear();
        let mut root = root.clone();
        if list.takes_directories() {
            root.fold(list, many, &mut Vec::new());
        }
        root.gather(&mut Vec::new(), &mut found);
        if found.iter().map(|(rule, _)| rule.text().len()).sum::<usize>() <= LONGEST {
            break;
        }
    }
    let mut merged: BTreeMap<Rule, Seen> = BTreeMap::new();
    for (rule, seen) in found {
        merged.entry(rule).or_default().add(&seen);
    }
    absorb(&mut merged);
    merged.into_iter().collect()
}

/// Takes a name into the pattern that matches it: of the names that mkstemp makes up, one in a hundred looks like a word.
fn absorb(rules: &mut BTreeMap<Rule, Seen>) {
    let patterns: Vec<_> = rules
        .keys()
        .filter_map(|rule| match rule {
            Rule::Like(text) => Some((rule.clone(), Pattern::regex(text).ok()?)),
            _ => None,
        })
        .collect();
    if patterns.is_empty() {
        return;
    }
    let names: Vec<_> = rules.keys().filter(|rule| matches!(rule, Rule::Exact(_))).cloned().collect();
    for name in names {
        let bytes = raw::bytes(name.text());
        let Some((pattern, _)) =
            patterns.iter().find(|(_, pattern)| pattern.answer(&bytes, true) == Some(true))
        else {
            continue;
        };
        if let Some(seen) = rules.remove(&name) {
            rules.entry(pattern.clone()).or_default().add(&seen);
        }
    }
}

impl Rule {
    pub fn text(&self) -> &str {
        match self {
            Rule::Exact(text) | Rule::Below(text) | Rule::Like(text) => text,
        }
    }
}

impl List {
    /// A program has to be seen itself, and a socket's name is whose it is.
    fn takes_directories(self) -> bool {
        !matches!(self, List::Programs | List::Sockets(_))
    }

    fn changes(self) -> bool {
        matches!(self, List::Written | List::Made | List::Removed)
    }
}

/// A directory, or what is in one.
#[derive(Debug, Clone, Default)]
struct Node {
    /// It is a name itself, or stands for all below.
    seen: Option<Seen>,
    is_whole: bool,
    children: BTreeMap<Segment, Node>,
}

impl Node {
    fn add(&mut self, segments: &[Segment], seen: &Seen) {
        match segments.split_first() {
            None => self.seen.get_or_insert_default().add(seen),
            Some((first, rest)) => self.children.entry(first.clone()).or_default().add(rest, seen),
        }
    }

    /// Takes directories for their names, the deepest first.
    fn fold(&mut self, list: List, many: usize, path: &mut Vec<Segment>) {
        for (segment, child) in &mut self.children {
            path.push(segment.clone());
            child.fold(list, many, path);
            path.pop();
        }
        if self.children.len() < many || !may_be_whole(list, path) {
            return;
        }
        let mut all = Seen::default();
        self.take(&mut all);
        *self = Node { seen: Some(all), is_whole: true, children: BTreeMap::new() };
    }

    fn take(&mut self, all: &mut Seen) {
        if let Some(seen) = self.seen.take() {
            all.add(&seen);
        }
        for child in self.children.values_mut() {
            child.take(all);
        }
    }

    fn gather(self, path: &mut Vec<Segment>, rules: &mut Vec<(Rule, Seen)>) {
        if let Some(seen) = self.seen {
            let mut name = Name(path.clone());
            if self.is_whole {
                name.0.push(Segment::Exact(String::new()));
            }
            let rule = match (name.exact(), self.is_whole) {
                (Some(path), false) => Rule::Exact(path),
                (Some(path), true) => Rule::Below(path),
                (None, false) => Rule::Like(format!("{}$", name.pattern())),
                (None, true) => Rule::Like(name.pattern()),
            };
            rules.push((rule, seen));
        }
        for (segment, child) in self.children {
            path.push(segment);
            child.gather(path, rules);
            path.pop();
        }
    }
}

/// Whether a directory may stand for all that is in it.
fn may_be_whole(list: List, path: &[Segment]) -> bool {
    // The first segment is what stands before the first slash: nothing.
    let absolute = matches!(path.first(), Some(Segment::Exact(before)) if before.is_empty());
    if !absolute || path.len() < 3 {
        return false;
    }
    let parts = path.iter().map(|segment| match segment {
        Segment::Exact(text) | Segment::Like(text) => text.as_str(),
    });
    let parts: Vec<_> = parts.collect();
    let whole = parts.join("/");
    let below = format!("{whole}/");
    let is_home = parts[1] == "home" && parts.len() < 4 || parts[1] == "root" && parts.len() < 3;
    let scratch = below.starts_with("/dev/shm/");
    let is_below = |these: &[&str]| these.iter().any(|never| below.starts_with(never));
    let is_never = is_home
        || NEVER.contains(&whole.as_str())
        || parts.iter().any(|part| SECRET.contains(part))
        || is_below(&NEVER_BELOW) && !scratch
        || is_below(&NEVER_CHANGED) && list.changes();
    !is_never
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::name::Pids;

    fn rules_of(list: List, paths: &[String]) -> Vec<Rule> {
        let pids = Pids::default();
        let mut names: BTreeMap<Name, Seen> = BTreeMap::new();
        for path in paths {
            names.entry(Name::of(path, list == List::Programs, &pids)).or_default().once("/bin/sh");
        }
        rules(list, &names).into_iter().map(|(rule, _)| rule).collect()
    }

    fn many(directory: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{directory}/f{n}.txt")).collect()
    }

    #[test]
    fn many_files_are_their_directory_and_a_few_are_not() {
        assert_eq!(rules_of(List::Read, &many("/srv/www/html", 8)), [Rule::Below("/srv/www/html/".into())]);
        assert_eq!(rules_of(List::Read, &many("/srv/www/html", 7)).len(), 7);
        let tree: Vec<_> = (0..9).flat_map(|n| many(&format!("/work/node_modules/p{n}"), 3)).collect();
        assert_eq!(rules_of(List::Read, &tree), [Rule::Below("/work/node_modules/".into())]);
    }

    #[test]
    fn a_directory_that_guards_secrets_or_programs_is_never_meant_as_a_whole() {
        for directory in [
            "/etc",
            "/root",
            "/home/u",
            "/home/u/.ssh",
            "/home/u/.aws/sso",
            "/proc/1",
            "/tmp",
            "/usr/bin",
            "/dev",
        ] {
            let rules = rules_of(List::Read, &many(directory, 20));
            assert!(rules.iter().all(|rule| !matches!(rule, Rule::Below(_))), "{directory}: {rules:?}");
        }
        let rules = rules_of(List::Programs, &many("/srv/app/bin", 20));
        assert_eq!(rules.len(), 20);
        assert_eq!(
            rules_of(List::Read, &many("/etc/ssl/certs", 20)),
            [Rule::Below("/etc/ssl/certs/".into())]
        );
        assert_eq!(rules_of(List::Written, &many("/etc/ssl/certs", 20)).len(), 20);
    }

    #[test]
    fn random_parts_stay_patterns_above_and_below() {
        let paths: Vec<_> = (0..9).map(|n| format!("/tmp/npm-0a1b2c3{n}/f{n}.js")).collect();
        // One name with a random part, nine times something else in it.
        assert_eq!(rules_of(List::Written, &paths), [Rule::Like("^/tmp/npm-[0-9a-f]{8}/".into())]);
        let paths: Vec<_> = (0..9).map(|n| format!("/tmp/npm-0a1b2c3{n}/same.js")).collect();
        assert_eq!(rules_of(List::Written, &paths), [Rule::Like("^/tmp/npm-[0-9a-f]{8}/same\\.js$".into())]);
    }

    #[test]
    fn a_long_list_is_folded_further() {
        let paths: Vec<_> =
            (0..2000).map(|n| format!("/srv/data/part{}/file-with-a-long-name-{n}", n / 4)).collect();
        let rules = rules_of(List::Read, &paths);
        assert!(rules.len() <= 500, "{}", rules.len());
        assert_eq!(rules_of(List::Read, &paths), rules);
    }
}
