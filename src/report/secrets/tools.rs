//! Secrets behind short options of programs that are known: `mysql -pX`, `curl -u name:X`.

use std::ops::Range;

use super::{
    Spans,
    hit::{Announces, Hit},
    quotes::Quotes,
};

/// A program, or all whose names begin so.
pub struct Tool {
    pub name: &'static str,
    /// Whether the name may go on.
    begins: bool,
    options: &'static [Opt],
    /// Options count behind this word alone.
    behind: Option<&'static str>,
}

/// An option with a secret.
struct Opt {
    name: &'static str,
    takes: Takes,
    /// What of its value is none: up to this.
    behind: Option<u8>,
}

#[derive(PartialEq, Eq)]
enum Takes {
    /// `-pX`
    Attached,
    /// `-p X` and `-pX`
    Both,
    /// `--user X`, and `--user=X`
    Long,
}

const fn attached(name: &'static str) -> Opt {
    Opt { name, takes: Takes::Attached, behind: None }
}

const fn both(name: &'static str) -> Opt {
    Opt { name, takes: Takes::Both, behind: None }
}

const fn pair(name: &'static str, takes: Takes, between: u8) -> Opt {
    Opt { name, takes, behind: Some(between) }
}

const fn tool(name: &'static str, begins: bool, options: &'static [Opt]) -> Tool {
    Tool { name, begins, options, behind: None }
}

pub const TOOLS: &[Tool] = &[
    tool("mysql", true, &[attached("-p")]),
    tool("mariadb", true, &[attached("-p")]),
    tool("sshpass", false, &[both("-p")]),
    tool("redis-cli", false, &[both("-a")]),
    tool(
        "curl",
        false,
        &[
            pair("-u", Takes::Both, b':'),
            pair("-U", Takes::Both, b':'),
            pair("--user", Takes::Long, b':'),
            pair("--proxy-user", Takes::Long, b':'),
            both("-b"),
        ],
    ),
    tool("ldap", true, &[both("-w")]),
    tool("smbclient", false, &[pair("-U", Takes::Both, b'%'), pair("--user", Takes::Long, b'%')]),
    tool("rpcclient", false, &[pair("-U", Takes::Both, b'%'), pair("--user", Takes::Long, b'%')]),
    Tool { name: "docker", begins: false, options: &[both("-p")], behind: Some("login") },
    Tool { name: "podman", begins: false, options: &[both("-p")], behind: Some("login") },
    Tool { name: "skopeo", begins: false, options: &[both("-p")], behind: Some("login") },
    Tool { name: "helm", begins: false, options: &[both("-p")], behind: Some("login") },
    tool("useradd", false, &[both("-p")]),
    tool("usermod", false, &[both("-p")]),
    tool("zip", false, &[both("-P")]),
    tool("unzip", false, &[both("-P")]),
    tool("7z", true, &[attached("-p")]),
    tool("openssl", false, &[both("-k"), both("-K")]),
    tool("mongo", true, &[both("-p")]),
    tool("cqlsh", false, &[both("-p")]),
    tool("sqlcmd", false, &[both("-P")]),
    tool("xfreerdp", true, &[attached("/p:")]),
    tool("ipmitool", false, &[both("-P")]),
    tool("snmp", true, &[both("-A"), both("-X"), both("-c")]),
];

impl Tool {
    fn is(&self, name: &[u8]) -> bool {
        let own = self.name.as_bytes();
        if !self.begins {
            return name == own;
        }
        let rest = name.strip_prefix(own);
        rest.is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte)))
    }

    /// Where the secrets stand in the words behind its name: which word, and where in it.
    fn secrets(&self, words: &[&[u8]]) -> Vec<(usize, Range<usize>)> {
        let mut found = Vec::new();
        let first = match self.behind {
            None => Some(0),
            Some(behind) => words.iter().position(|word| *word == behind.as_bytes()),
        };
        for at in first.into_iter().flat_map(|first| first..words.len()) {
            for option in self.options {
                let Some(rest) = words[at].strip_prefix(option.name.as_bytes()) else { continue };
                let begin = option.name.len();
                let (word, value) = match (rest.first(), &option.takes) {
                    (None, Takes::Attached) => continue,
                    (None, _) if at + 1 < words.len() => (at + 1, 0),
                    (None, _) => continue,
                    (Some(b'='), Takes::Long) => (at, begin + 1),
                    (Some(_), Takes::Long) => continue,
                    (Some(_), _) => (at, begin),
                };
                let (inner, length) = unquoted(words[word], value);
                let whole = &words[word][inner..inner + length];
                let skipped = match option.behind {
                    None => 0,
                    Some(between) => match whole.iter().position(|byte| *byte == between) {
                        Some(at) => at + 1,
                        None => continue,
                    },
                };
                if skipped < length {
                    found.push((word, inner + skipped..inner + length));
                }
                break;
            }
        }
        found
    }
}

/// Where the text in a word begins from `from` on, without its quotes, and how long it is.
fn unquoted(word: &[u8], from: usize) -> (usize, usize) {
    match &word[from..] {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last => (from + 1, inner.len()),
        rest => (from, rest.len()),
    }
}

/// Finds the secrets of command lines in a text.
pub fn find(text: &[u8], hits: &[Hit], spans: &mut Spans) {
    // Each tool looks at a command once, however often it is named there.
    let mut looked = [0; TOOLS.len()];
    let mut quotes = Quotes::default();
    for hit in hits {
        let Announces::Tool(number) = hit.announces else { continue };
        if hit.start < looked[number] {
            continue;
        }
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-".contains(byte);
        let begin = text[..hit.start].iter().rposition(|byte| !is_of_name(byte)).map_or(0, |at| at + 1);
        let length = text[hit.start..].iter().position(|byte| !is_of_name(byte));
        let end = length.map_or(text.len(), |length| hit.start + length);
        let Some(tool) = named(&text[begin..end]).filter(|tool| tool.name == TOOLS[number].name) else {
            continue;
        };
        let quote = begin.checked_sub(1).map(|before| text[before]).filter(|byte| b"\"'".contains(byte));
        let (ranges, over) = words(text, end, quote, &mut quotes);
        looked[number] = over;
        let words: Vec<&[u8]> = ranges.iter().map(|range| &text[range.clone()]).collect();
        for (word, secret) in tool.secrets(&words) {
            let begin = ranges[word].start;
            spans.push(begin + secret.start..begin + secret.end);
        }
    }
}

/// Finds those of a list of arguments.
pub fn find_in_list(texts: &[&[u8]]) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        // Behind the first word it may be anything's name, but not one of all programs and their data.
        if at > 8 {
            break;
        }
        if let Some(tool) = named(text) {
            let secrets = tool.secrets(&texts[at + 1..]);
            found.extend(secrets.into_iter().map(|(word, secret)| (at + 1 + word, secret)));
        }
    }
    found
}

/// The program that a word names: by itself, or by a path to where programs are.
fn named(word: &[u8]) -> Option<&'static Tool> {
    let slash = word.iter().rposition(|byte| *byte == b'/');
    let (directory, name) = word.split_at(slash.map_or(0, |slash| slash + 1));
    let is_of_programs = directory.is_empty() || directory.ends_with(b"bin/") || directory == b"./";
    if !is_of_programs {
        return None;
    }
    TOOLS.iter().find(|tool| tool.is(name))
}

/// The words of a command, as a shell or a list shows them, from `from` on, and where it is over.
fn words(text: &[u8], from: usize, quote: Option<u8>, quotes: &mut Quotes) -> (Vec<Range<usize>>, usize) {
    let mut words = Vec::new();
    let mut at = from;
    // The name itself was quoted, and so is each word.
    let is_list = quote.is_some() && text.get(at).copied() == quote;
    if is_list {
        at += 1;
    }
    loop {
        while text.get(at).is_some_and(|byte| byte.is_ascii_whitespace() && *byte != b'\n' || *byte == b',') {
            at += 1;
        }
        let begin = at;
        let mut ended = false;
        while let Some(&byte) = text.get(at) {
            match byte {
                byte if byte.is_ascii_whitespace() => break,
                b';' | b'|' | b'&' if at == begin => ended = true,
                b';' if !is_list && text.get(at + 1).is_none_or(u8::is_ascii_whitespace) => ended = true,
                b',' | b']' if is_list && at > begin && Some(text[at - 1]) == quote => break,
                // The whole command was quoted.
                byte if !is_list && Some(byte) == quote => ended = true,
                b'"' | b'\'' => {
                    if let Some(closing) = quotes.closing(text, at + 1, byte) {
                        at = closing;
                    }
                }
                _ => {}
            }
            if ended {
                break;
            }
            at += 1;
        }
        if at > begin {
            // In a list each word has its quotes.
            let (inner, length) = unquoted(&text[..at], begin);
            words.push(inner..inner + length);
        }
        if ended || text.get(at).is_none_or(|byte| *byte == b'\n') {
            return (words, at.max(from + 1));
        }
    }
}
