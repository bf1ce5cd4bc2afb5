//! What a profile allows already, read from its lines; and the same profile with more of them.
//!
//! A profile may have been edited: lines taken out, added, commented, its probes changed. Only its lists and the lines about addresses are
//! read, and only these are added to; every other byte stays as it is.

use std::collections::BTreeMap;

use super::{
    deed::{Deed, Kind, List},
    lines::{ANCHOR, BELOW, FAMILIES, LIKE, Lines, PEER},
};
use crate::{filter::Pattern, raw, values::Network};

/// A profile, as it was read.
#[derive(Debug)]
pub struct Known {
    lines: Vec<String>,
    lists: BTreeMap<String, ListLines>,
    addresses: BTreeMap<Kind, Addresses>,
}

#[derive(Debug, Default)]
struct ListLines {
    texts: Vec<String>,
    patterns: Vec<Pattern>,
    /// Index of the line that ends it.
    end: usize,
}

#[derive(Debug, Default)]
struct Addresses {
    peers: Vec<(Network, u16, u16)>,
    /// Index of the line behind which more may stand.
    end: usize,
}

/// A line of a profile that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnownError {
    #[error(
        "line {line}: {why}\nallowed: a profile that `krsi-sh learn` has made; lines of its lists may be added, taken out and commented"
    )]
    Line { line: usize, why: String },
    #[error(
        "it has no {what}, to which there is something to add: {example}\nfix: learn it anew, or put the empty {what} back"
    )]
    Missing { what: String, example: String },
}

impl Known {
    /// Reads a profile.
    ///
    /// # Errors
    /// If it is none, or a line of its lists cannot be read.
    pub fn read(text: &str) -> Result<Self, KnownError> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut known = Known { lines: Vec::new(), lists: BTreeMap::new(), addresses: BTreeMap::new() };
        let mut open: Option<(String, ListLines)> = None;
        let mut probe = None;
        for (index, line) in lines.iter().enumerate() {
            let wrong = |why: String| KnownError::Line { line: index + 1, why };
            let trimmed = line.trim();
            if let Some((name, mut list)) = open.take() {
                if trimmed == "];" {
                    list.end = index;
                    known.lists.insert(name, list);
                    continue;
                }
                if !trimmed.is_empty() && !trimmed.starts_with("//") {
                    let text = item(trimmed).ok_or_else(|| {
                        wrong(format!("`{trimmed}` is no text in quotes with a comma behind it, as every line of `{name}` is"))
                    })?;
                    if name.ends_with(LIKE) {
                        list.patterns.push(Pattern::regex(&text).map_err(|error| wrong(error.to_string()))?);
                    }
                    list.texts.push(text);
                }
                open = Some((name, list));
                continue;
            }
            if let Some(name) = opened(trimmed) {
                open = Some((name.to_owned(), ListLines::default()));
            } else if let Some(kind) = trimmed.strip_prefix("probe(\"").and_then(|rest| rest.split_once('"'))
            {
                probe = Kind::list(kind.0).ok().and_then(|kinds| kinds.first().copied());
            } else if trimmed == ANCHOR || trimmed.starts_with(PEER) {
                let kind = probe.ok_or_else(|| wrong("it belongs to no probe".to_owned()))?;
                let addresses: &mut Addresses = known.addresses.entry(kind).or_default();
                addresses.end = index;
                if trimmed != ANCHOR {
                    let peer = peer(trimmed).ok_or_else(|| {
                        wrong(format!(
                            "`{trimmed}` is no rule about addresses, such as `|| (e.port == 443 && e.address in cidr(\"10.0.0.0/8\"))`"
                        ))
                    })?;
                    addresses.peers.push(peer);
                }
            }
        }
        if let Some((name, _)) = open {
            return Err(KnownError::Line { line: lines.len(), why: format!("`{name}` has no end: `];`") });
        }
        if known.lists.is_empty() {
            return Err(KnownError::Line { line: 1, why: "this is no profile: it has no list".to_owned() });
        }
        known.lines = lines;
        if let [first, second, ..] = known.lines.as_mut_slice()
            && second.starts_with("// guard:")
        {
            *first = interpreter_line(first);
        }
        Ok(known)
    }

    /// Returns the templates that it has rules of.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        let has = |kind: &Kind| List::of(*kind).iter().any(|list| self.lists.contains_key(&list.variable()));
        Kind::ALL.into_iter().filter(has).collect()
    }

    pub(super) fn allows(&self, deed: &Deed) -> bool {
        match deed {
            Deed::Named { list, path } => {
                let variable = list.variable();
                let has = |suffix: &str, test: &dyn Fn(&ListLines) -> bool| {
                    self.lists.get(&format!("{variable}{suffix}")).is_some_and(test)
                };
                let bytes = raw::bytes(path);
                has("", &|list| list.texts.contains(path))
                    || has(BELOW, &|list| {
                        list.texts.iter().any(|directory| path.starts_with(directory.as_str()))
                    })
                    || has(LIKE, &|list| {
                        list.patterns.iter().any(|pattern| pattern.answer(&bytes, true) == Some(true))
                    })
            }
            Deed::Address { kind, address, port } => self.addresses.get(kind).is_some_and(|addresses| {
                let fits = |(network, first, last): &(Network, u16, u16)| {
                    (first..=last).contains(&port) && network.contains(*address)
                };
                addresses.peers.iter().any(fits)
            }),
            Deed::Family { kind, family } => self
                .lists
                .get(&format!("{}{FAMILIES}", kind.template()))
                .is_some_and(|list| list.texts.contains(family)),
        }
    }

    /// Returns the profile with these lines added to its own.
    ///
    /// # Errors
    /// If it lacks the list that one belongs to.
    pub(super) fn with(&self, more: &Lines) -> Result<String, KnownError> {
        let mut behind: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
        for (name, lines) in more.lists.iter().filter(|(_, lines)| !lines.is_empty()) {
            let list = self.lists.get(name).ok_or_else(|| KnownError::Missing {
                what: format!("list `{name}`"),
                example: lines[0].trim().to_owned(),
            })?;
            behind.entry(list.end.saturating_sub(1)).or_default().extend(lines);
        }
        for (kind, lines) in more.addresses.iter().filter(|(_, lines)| !lines.is_empty()) {
            let addresses = self.addresses.get(kind).ok_or_else(|| KnownError::Missing {
                what: format!("line `{ANCHOR}` in its probe of {}", kind.template()),
                example: lines[0].trim().to_owned(),
            })?;
            behind.entry(addresses.end).or_default().extend(lines);
        }
        let mut text = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            let added = behind.get(&index).into_iter().flatten().map(|line| line.as_str());
            for line in std::iter::once(line.as_str()).chain(added) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(text)
    }
}

/// The interpreter line that a script's first line was, before it was read as a comment.
fn interpreter_line(comment: &str) -> String {
    match comment.strip_prefix("//") {
        Some(rest) if rest.starts_with(" /") => format!("#!{rest}"),
        Some(rest) => format!("#!/{}", rest.trim_start_matches(' ')),
        None => comment.to_owned(),
    }
}

/// The name of the list that a line begins, if it begins one of a profile.
fn opened(line: &str) -> Option<&str> {
    let name = line.strip_prefix("let ")?.strip_suffix(" = [")?;
    let stem = name.strip_suffix(BELOW).or_else(|| name.strip_suffix(LIKE)).unwrap_or(name);
    let families = |kind: &Kind| format!("{}{FAMILIES}", kind.template()) == stem;
    let is_list = |kind: &Kind| List::of(*kind).iter().any(|list| list.variable() == stem);
    Kind::ALL.iter().any(|kind| families(kind) || is_list(kind)).then_some(name)
}

/// Reads `"text", // whatever`.
fn item(line: &str) -> Option<String> {
    let (text, rest) = quoted(line)?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    (rest.is_empty() || rest.starts_with("//")).then_some(text)
}

/// Reads a text as a script has it; gives what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped && quote == '"';
        ends
    })?;
    let end = end.0 + quote.len_utf8();
    let value = rhai::Engine::new_raw().eval_expression::<String>(&text[..end]).ok()?;
    Some((value, &text[end..]))
}

/// Reads `|| (e.port == 443 && e.address in cidr("10.0.0.0/8"))`, or the same with `e.port in 1..=9`.
fn peer(line: &str) -> Option<(Network, u16, u16)> {
    let rest = line.strip_prefix(PEER)?;
    let (ports, rest) = rest.split_once(" && e.address in cidr(")?;
    let (first, last) = match ports.strip_prefix("in ") {
        Some(range) => {
            let (first, last) = range.split_once("..=")?;
            (first.parse().ok()?, last.parse().ok()?)
        }
        None => {
            let port = ports.strip_prefix("== ")?.parse().ok()?;
            (port, port)
        }
    };
    let (network, rest) = quoted(rest)?;
    let rest = rest.strip_prefix("))")?.trim_start();
    (rest.is_empty() || rest.starts_with("//")).then_some(())?;
    Some((Network::parse(&network).ok()?, first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "// usr/bin/env krsi-sh\n// guard: x\nlet programs = [\n    // Ours.\n    \"/bin/a\\\"b\", // once\n    `/bin/c`,\n];\n\
                           let programs_below = [\n    \"/opt/x/\"\n];\nlet programs_like = [\n    \"^/tmp/[0-9]{8}$\",\n];\n\
                           let connect_families = [\n    \"netlink\",\n];\nprobe(\"connect\").when(|e| !(false\n        // Addresses and ports.\n\
                           \x20       || (e.port == 443 && e.address in cidr(\"10.0.0.0/8\")) // mine\n\
                           \x20       || (e.port in 8000..=8010 && e.address in cidr(\"::1\"))\n    ))\n";

    fn program(path: &str) -> Deed {
        Deed::Named { list: List::Programs, path: path.to_owned() }
    }

    fn address(address: &str, port: u16) -> Deed {
        Deed::Address { kind: Kind::Connect, address: address.parse().unwrap(), port }
    }

    #[test]
    fn what_a_profile_allows_is_read_from_its_lines() {
        let known = Known::read(PROFILE).unwrap();
        for path in ["/bin/a\"b", "/bin/c", "/opt/x/y", "/tmp/12345678"] {
            assert!(known.allows(&program(path)), "{path}");
        }
        for path in ["/bin/a", "/opt/x", "/tmp/123456789", "/tmp/1234567x"] {
            assert!(!known.allows(&program(path)), "{path}");
        }
        assert!(known.allows(&address("10.1.2.3", 443)) && known.allows(&address("::1", 8010)));
        assert!(!known.allows(&address("10.1.2.3", 444)) && !known.allows(&address("::1", 8011)));
        assert!(known.allows(&Deed::Family { kind: Kind::Connect, family: "netlink".into() }));
        assert!(!known.allows(&Deed::Named { list: List::Read, path: "/bin/c".into() }));
    }

    #[test]
    fn what_is_added_stands_in_its_place_and_all_else_stays() {
        let known = Known::read(PROFILE).unwrap();
        let mut more = Lines::default();
        more.lists.insert("programs".into(), vec!["    \"/bin/d\", // once".into()]);
        more.addresses
            .insert(Kind::Connect, vec!["        || (e.port == 1 && e.address in cidr(\"::1\"))".into()]);
        let text = known.with(&more).unwrap();
        let added: Vec<_> = text.lines().filter(|line| !PROFILE.contains(*line)).collect();
        assert_eq!(
            added,
            [
                "#!/usr/bin/env krsi-sh",
                more.lists["programs"][0].as_str(),
                more.addresses[&Kind::Connect][0].as_str()
            ]
        );
        assert!(Known::read(&text).unwrap().allows(&program("/bin/d")));
        more.lists.insert("made".into(), vec!["    \"/x\",".into()]);
        assert!(known.with(&more).unwrap_err().to_string().contains("no list `made`"));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let refused = |from: &str, to: &str| Known::read(&PROFILE.replace(from, to)).unwrap_err().to_string();
        assert!(refused("`/bin/c`,", "/bin/c,").starts_with("line 6: `/bin/c,` is no text in quotes"));
        assert!(refused("{8}", "{8").contains("line 12: this is no regular expression"));
        assert!(refused("== 443", "== 99999").contains("is no rule about addresses"));
        assert!(Known::read("print(1)").unwrap_err().to_string().contains("this is no profile"));
        assert!(Known::read("let programs = [\n\"a\",").unwrap_err().to_string().contains("has no end"));
    }
}
