//! Reads the collections: one file each, in which a blank line ends a rule.
//!
//! A rule is `name: value` lines, of which `lacks` may be repeated, and its script, indented below `script:`. What is
//! indented below `lists:` stands before every script of the file.

use std::{fmt, fs};

/// The files of `rules/`, in the order of the table.
pub const COLLECTIONS: [&str; 6] = ["falco", "tetragon", "tracee", "kunai", "bpftrace", "bcc"];

/// Why a rule cannot be said, or not in full: there are no other reasons.
pub const REASONS: &[(&str, &str)] = &[
    (
        "the container's image, name or labels",
        "The container's id is told; its image, name and labels only the runtime knows.",
    ),
    (
        "capabilities that the task has",
        "Which it has now is told, and not which it had when it was executed.",
    ),
    ("the path as the task wrote it", "A path is told as it is resolved, without `..` and links."),
    (
        "what fails, and how it ends",
        "A hook is asked before the operation, and not at all where it has failed already.",
    ),
    ("names of hosts", "Addresses are told, and no names."),
    (
        "what is in files",
        "A probe does not look at the content of a file; a callback can, a moment later (`file(…).format`).",
    ),
    ("signatures of modules", "Whether a module is signed is not told."),
    ("the name that prctl sets", "It is in the task's memory, which the hook does not read."),
    ("whether a mapped file has a name", "The path of a mapped file is told as it was."),
    (
        "reads and writes of open files",
        "The catalogue has opens; each read and write would be asked too often.",
    ),
    ("packets, and states of TCP", "They have no task, and no LSM hook that could answer for one."),
    ("what is sent and received", "The content of messages is not looked at."),
    ("functions in user space", "Nothing is attached to programs."),
    ("every system call or kernel function", "Probes are about operations that have an LSM hook."),
    (
        "a hook that no kernel has",
        "dup, setns, unloading a module and credentials that are borrowed have no LSM hook.",
    ),
    ("a hook that the catalogue lacks", "The kernel has the hook, and there is no template for it."),
    ("measurements of performance", "Latencies, queues and caches are not about security."),
    ("the integrity of the kernel's tables", "That is a scan of memory, and no operation."),
];

/// What can be said of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    Said,
    Partly,
    Cannot,
}

#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub name: String,
    pub collection: String,
    pub behaviour: String,
    pub attack: Vec<String>,
    pub operation: String,
    pub needs: Vec<String>,
    pub lacks: Vec<String>,
    /// The script of the library that finds it, if one does: `hunts/exec-memfd`.
    pub shipped: Option<String>,
    /// Empty: there is none.
    pub script: String,
}

impl Rule {
    /// What can be said of it.
    pub fn share(&self) -> Share {
        match (self.script.is_empty(), self.lacks.is_empty()) {
            (false, true) => Share::Said,
            (false, false) => Share::Partly,
            (true, _) => Share::Cannot,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.collection, self.name)
    }
}

pub struct Collection {
    pub name: &'static str,
    /// What stands before each script.
    pub lists: String,
    pub rules: Vec<Rule>,
}

/// Reads all of them; fails where a file is not well-formed.
pub fn collections() -> Vec<Collection> {
    COLLECTIONS.iter().map(|name| collection(name)).collect()
}

fn collection(name: &'static str) -> Collection {
    let path = format!("tests/corpora/rules/{name}.rules");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut collection = Collection { name, lists: String::new(), rules: vec![] };
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    for block in text.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        if let Some(lists) = block.strip_prefix("lists:\n") {
            collection.lists = script(lists.lines());
        } else {
            collection.rules.push(rule(block).unwrap_or_else(|error| panic!("{path}: {error}\n{block}")));
        }
    }
    collection
}

fn rule(block: &str) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        if line == "script:" {
            rule.script = script(lines.by_ref());
            break;
        }
        let (key, value) = line.split_once(": ").ok_or_else(|| format!("no `name: value` is `{line}`"))?;
        let value = value.trim().to_owned();
        let words = |by: &str| value.split(by).map(|word| word.trim().to_owned()).collect();
        match key {
            "rule" => rule.name = value,
            "collection" => rule.collection = value,
            "behaviour" => rule.behaviour = value,
            "attack" => rule.attack = words(" "),
            "operation" => rule.operation = value,
            "needs" => rule.needs = words(";"),
            "lacks" => rule.lacks.push(value),
            "shipped" => rule.shipped = Some(value),
            _ => return Err(format!("a rule has no `{key}`")),
        }
    }
    Ok(rule)
}

/// Lines without their indentation.
fn script<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn every_rule_has_a_script_or_reasons() {
    let known = |reason: &String| REASONS.iter().any(|(known, _)| known == reason);
    let attack = |id: &String| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        id.strip_prefix("TA").or_else(|| id.strip_prefix('T')).is_some_and(digits)
    };
    let mut used = Vec::new();
    for rule in collections().into_iter().flat_map(|collection| collection.rules) {
        for (what, text) in
            [("name", &rule.name), ("collection", &rule.collection), ("behaviour", &rule.behaviour)]
        {
            assert!(!text.is_empty(), "{rule} has no {what}");
        }
        assert!(!rule.operation.is_empty(), "{rule}: nobody knows what it looks at");
        assert!(!rule.script.is_empty() || !rule.lacks.is_empty(), "{rule} has neither script nor reason");
        assert!(rule.lacks.iter().all(known), "{rule} lacks what nobody has heard of: {:?}", rule.lacks);
        assert!(rule.attack.iter().all(attack), "{rule}: {:?}", rule.attack);
        assert!(rule.needs.iter().all(|need| !need.is_empty()), "{rule}: {:?}", rule.needs);
        used.extend(rule.lacks);
    }
    for (reason, _) in REASONS {
        assert!(used.iter().any(|lack| lack == reason), "nothing is held back by: {reason}");
    }
}

/// Rules of each collection that a shipped script finds, as its case in the lab shows. They may only rise.
const SHIPPED: [(&str, usize); 3] = [("falco", 23), ("tetragon", 22), ("tracee", 29)];

#[test]
fn what_a_shipped_script_finds_is_of_the_library() {
    for collection in collections() {
        let shipped: Vec<_> = collection.rules.iter().filter_map(|rule| rule.shipped.as_ref()).collect();
        for name in &shipped {
            let path = format!("scripts/{name}.rhai");
            assert!(fs::exists(&path).unwrap(), "{}: there is no {path}", collection.name);
        }
        let least = SHIPPED.iter().find(|(name, _)| *name == collection.name).map_or(0, |(_, least)| *least);
        assert!(
            shipped.len() >= least,
            "{}: {} rules, and there were {least}",
            collection.name,
            shipped.len()
        );
    }
}

#[test]
fn no_rule_is_there_twice() {
    let mut names: Vec<_> =
        collections().iter().flat_map(|collection| collection.rules.iter().map(Rule::to_string)).collect();
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
