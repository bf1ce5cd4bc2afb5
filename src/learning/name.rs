//! What stays of a path at the next run.
//!
//! In: a path, and the ids of processes that were seen. Out: its segments, each as it is or as a pattern: ids of processes, hashes,
//! times and what mkstemp(3) and its like make up are others at each run.
//!
//! A single sample has to be enough, or two runs of one thing would have two profiles. So a part is taken for random by its form
//! alone, and by where it stands: what would be a word elsewhere is none below /tmp.

use std::collections::HashSet;

/// Directories in which programs make names up.
const SCRATCH: [&str; 6] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/run/lock/", "/private/tmp/"];
/// Digits and letters of one hash, at least.
const HASH: usize = 8;
/// Digits of a time or a date, at least.
const TIME: usize = 8;
/// Letters that mkstemp makes up.
const MADE_UP: usize = 6;
/// Ids of processes that are remembered.
const MOST_PIDS: usize = 65_536;

/// Ids of processes that were seen.
#[derive(Debug, Default)]
pub struct Pids(HashSet<u32>);

impl Pids {
    pub fn saw(&mut self, pid: u32) {
        if pid > 1 && self.0.len() < MOST_PIDS {
            self.0.insert(pid);
        }
    }

    fn has(&self, digits: &str) -> bool {
        !digits.starts_with('0') && digits.parse().is_ok_and(|pid| self.0.contains(&pid))
    }
}

/// One part of a path, between slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    Exact(String),
    /// A regular expression, without its ends.
    Like(String),
}

/// A path whose random parts are patterns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub Vec<Segment>);

impl Name {
    /// Recognises the random parts of a path. A program's name is taken as it is, but for a process's id and what stands in a place
    /// for scratch files: a program that is as good as another has to be seen itself.
    pub fn of(path: &str, is_program: bool, pids: &Pids) -> Self {
        let scratch = SCRATCH.iter().any(|directory| path.starts_with(directory));
        let numbered = path.starts_with("/proc/") || path.starts_with("/dev/pts/");
        // A byte that is no character's has no place in a pattern.
        let plain = crate::raw::is_plain(path);
        let place = Place { scratch, numbered, takes_hashes: plain && (!is_program || scratch), plain };
        Name(path.split('/').map(|segment| segment_of(segment, place, pids)).collect())
    }

    /// Returns it as one text if it has no random part.
    pub fn exact(&self) -> Option<String> {
        let parts = self.0.iter().map(|segment| match segment {
            Segment::Exact(text) => Some(text.as_str()),
            Segment::Like(_) => None,
        });
        parts.collect::<Option<Vec<_>>>().map(|parts| parts.join("/"))
    }

    /// Returns it as a regular expression, without its end.
    pub fn pattern(&self) -> String {
        let parts = self.0.iter().map(|segment| match segment {
            Segment::Exact(text) => escaped(text),
            Segment::Like(pattern) => pattern.clone(),
        });
        format!("^{}", parts.collect::<Vec<_>>().join("/"))
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Programs make names up here.
    scratch: bool,
    /// A number is a process, a descriptor or a terminal here.
    numbered: bool,
    takes_hashes: bool,
    plain: bool,
}

/// Writes a text so that a regular expression has it as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn segment_of(segment: &str, place: Place, pids: &Pids) -> Segment {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let all_digits = digits(segment);
    if place.numbered && all_digits {
        return Segment::Like("[0-9]+".to_owned());
    }
    if !place.plain {
        return Segment::Exact(segment.to_owned());
    }
    // A file that has no name (O_TMPFILE) is told by its inode's number.
    if place.takes_hashes && segment.strip_prefix('#').is_some_and(digits) {
        return Segment::Like("#[0-9]+".to_owned());
    }
    let mut pattern = String::new();
    let mut is_random = false;
    for part in parts(segment, place) {
        let random = match part {
            Part::Uuid => Some("[0-9a-f-]{36}".to_owned()),
            Part::Run(run) => random(run, place, pids),
            Part::Between(_) => None,
        };
        is_random |= random.is_some();
        pattern.push_str(&random.unwrap_or_else(|| match part {
            Part::Run(text) | Part::Between(text) => escaped(text),
            Part::Uuid => String::new(),
        }));
    }
    if is_random { Segment::Like(pattern) } else { Segment::Exact(segment.to_owned()) }
}

/// A stretch of a segment.
#[derive(Debug, Clone, Copy)]
enum Part<'s> {
    Uuid,
    /// Letters and digits.
    Run(&'s str),
    Between(&'s str),
}

/// Where mkstemp makes a name up, `_` may be one of its letters.
fn is_of_run(byte: u8, place: Place) -> bool {
    byte.is_ascii_alphanumeric() || place.scratch && byte == b'_'
}

fn parts(segment: &str, place: Place) -> Vec<Part<'_>> {
    let bytes = segment.as_bytes();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if is_uuid(&bytes[at..]) {
            parts.push(Part::Uuid);
            at += 36;
            continue;
        }
        let in_run = is_of_run(bytes[at], place);
        let same = bytes[at..].iter().take_while(|byte| is_of_run(**byte, place) == in_run).count();
        // A character's bytes are none of letters and digits, and so stay together.
        let text = &segment[at..at + same];
        parts.push(if in_run { Part::Run(text) } else { Part::Between(text) });
        at += same;
    }
    parts
}

/// Whether this begins with 8-4-4-4-12 hexadecimal digits (RFC 9562).
fn is_uuid(bytes: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..36) else { return false };
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase(),
    };
    bytes.iter().enumerate().all(fits)
}

/// Returns the pattern of a stretch that is random.
fn random(run: &str, place: Place, pids: &Pids) -> Option<String> {
    let length = run.len();
    let has = |class: fn(&u8) -> bool| run.as_bytes().iter().any(class);
    let (digits, lower, upper) =
        (has(u8::is_ascii_digit), has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    if digits && !lower && !upper && !run.contains('_') {
        if pids.has(run) {
            return Some("[0-9]+".to_owned());
        }
        return (place.takes_hashes && length >= TIME).then(|| format!("[0-9]{{{length}}}"));
    }
    if !place.takes_hashes {
        return None;
    }
    let is_hash = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if length >= HASH && digits && run.bytes().all(is_hash) {
        return Some(format!("[0-9a-f]{{{length}}}"));
    }
    if !place.scratch {
        return None;
    }
    let (before, rest) = run.strip_prefix("tmp").map_or(("", run), |rest| ("tmp", rest));
    let is_word = run.bytes().skip(1).all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let looks_made_up = digits && (lower || upper) || lower && upper && !is_word;
    // Python's tempfile has eight letters behind `tmp`, and they need not have a digit.
    let is_pythons = before == "tmp" && rest.len() == 8;
    (rest.len() >= MADE_UP && (looks_made_up || is_pythons))
        .then(|| format!("{before}[0-9A-Za-z_]{{{}}}", rest.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::Pattern;

    fn pattern(path: &str) -> Option<String> {
        let mut pids = Pids::default();
        pids.saw(4711);
        let name = Name::of(path, false, &pids);
        name.exact().is_none().then(|| name.pattern())
    }

    #[test]
    fn what_is_another_at_each_run_is_recognised() {
        for (path, wanted) in [
            ("/proc/123/status", "^/proc/[0-9]+/status"),
            ("/proc/123/task/124/comm", "^/proc/[0-9]+/task/[0-9]+/comm"),
            ("/dev/pts/3", "^/dev/pts/[0-9]+"),
            ("/run/app.4711.pid", "^/run/app\\.[0-9]+\\.pid"),
            ("/tmp/npm-4711-0a1b2c3d/x", "^/tmp/npm-[0-9]+-[0-9a-f]{8}/x"),
            ("/tmp/tmp.Xk29LmQq0a", "^/tmp/tmp\\.[0-9A-Za-z_]{10}"),
            ("/tmp/tmpab_cdefg/f", "^/tmp/tmp[0-9A-Za-z_]{8}/f"),
            ("/tmp/#62", "^/tmp/#[0-9]+"),
            ("/var/lib/x/#4026531", "^/var/lib/x/#[0-9]+"),
            ("/tmp/ccQx7Yab.o", "^/tmp/[0-9A-Za-z_]{8}\\.o"),
            ("/var/cache/0123456789abcdef0123456789abcdef.gz", "^/var/cache/[0-9a-f]{32}\\.gz"),
            ("/var/lib/x/6f1c7a3e-9b1d-4c52-8d2e-0123456789ab", "^/var/lib/x/[0-9a-f-]{36}"),
            ("/var/log/app-20261130.log", "^/var/log/app-[0-9]{8}\\.log"),
        ] {
            assert_eq!(pattern(path).as_deref(), Some(wanted), "{path}");
        }
    }

    #[test]
    fn what_is_a_name_stays_one() {
        for path in [
            "/usr/bin/python3.11",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/etc/passwd",
            "/tmp/README",
            "/tmp/#",
            "/tmp/#notes#",
            "/tmp/build_output/Makefile",
            "/tmp/node_modules/left-pad/index.js",
            "/opt/app/port4712",
            "/home/Documents/Photo2.jpeg",
            "/var/log/nginx/access.log",
            "@/tmp/.X11-unix/X0",
            "",
        ] {
            assert_eq!(pattern(path), None, "{path}");
        }
    }

    #[test]
    fn a_program_is_known_by_its_name() {
        let pids = Pids::default();
        let exact = |path| Name::of(path, true, &pids).exact();
        let path = "/opt/0123456789abcdef/bin/app";
        assert_eq!(exact(path).as_deref(), Some(path));
        assert_eq!(exact("/tmp/tmp.Xk29LmQq0a/configure"), None);
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_was_made_of(path in "(/(proc|tmp|var|[a-zA-Z0-9._é+*-]{0,40})){0,6}") {
            let mut pids = Pids::default();
            pids.saw(77);
            let name = Name::of(&path, false, &pids);
            match name.exact() {
                Some(exact) => prop_assert_eq!(exact, path),
                None => {
                    let pattern = Pattern::regex(&format!("{}$", name.pattern())).unwrap();
                    prop_assert_eq!(pattern.answer(path.as_bytes(), true), Some(true), "{}", name.pattern());
                }
            }
        }
    }
}
