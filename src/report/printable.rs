//! Text that may say anything, made harmless for a terminal and a log.
//!
//! Names of files and tasks are chosen by whoever made them. What could move the
//! cursor, colour the screen, break a line, reverse the reading order or stand there unseen is
//! written out as `\u{…}`, and a byte that is not UTF-8 ([`raw`]) as `\xff`; everything else stays as it is.
//!
//! Where a text stands beside others, it must not be taken for one of them: there it is a word as a shell would
//! read it ([`quoted`]).

use std::{borrow::Cow, fmt::Write as _};

use crate::raw;

/// Text whose colours are its author's own, and of which everything else has been made printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Painted(String);

impl Painted {
    /// Takes what was laid out with colours; the parts that came from elsewhere have to be made [`printable`] before.
    #[must_use]
    pub fn laid_out(text: String) -> Self {
        Painted(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One line's worth: no control character at all is left.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Text of several lines, such as what a script prints: newlines and tabs stay.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// What may go to a stream as it is: newlines, tabs, and colour (`ESC [ … m`), which the reporter itself puts there.
/// Everything on its way out passes through here, so that nobody has to think of it.
#[must_use]
pub fn screened(text: &str) -> Cow<'_, str> {
    // The first bytes of what is hostile beyond ASCII.
    let suspicious =
        |byte: u8| matches!(byte, 0..=8 | 11..=31 | 127 | 0xc2 | 0xd8 | 0xe1 | 0xe2 | 0xee | 0xef | 0xf3);
    if !text.bytes().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let (before, after) = rest.split_at(at);
        out.push_str(&printable_lines(before));
        let color = after
            .strip_prefix("\x1b[")
            .map(|codes| codes.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
        rest = match color.and_then(|end| end.strip_prefix('m')) {
            Some(end) => {
                out.push_str(&after[..after.len() - end.len()]);
                end
            }
            None => {
                out.push_str(&printable("\x1b"));
                &after[1..]
            }
        };
    }
    out.push_str(&printable_lines(rest));
    Cow::Owned(out)
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| hostile(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !hostile(c) || keep(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if let Some(byte) = raw::byte(c) => drop(write!(out, "\\x{byte:02x}")),
            c => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// Returns a text as one word of a shell's: a plain one as it is, every other in quotes.
///
/// What a shell gives a meaning is quoted, and what would look like another field of the line: blanks of any kind,
/// commas, and a beginning like `name=`. A word in `$'…'` is one of bash, zsh and ksh; in it a backslash is always doubled,
/// so `\xff` is the byte.
#[must_use]
pub fn quoted(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| hostile(c) || c == '\'') {
        return Cow::Owned(escaped_word(text));
    }
    let plain =
        |c: char| c.is_alphanumeric() || "_-./:@%+=^".contains(c) || (!c.is_ascii() && !c.is_whitespace());
    if !text.is_empty() && text.chars().all(plain) && !is_like_a_field(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{text}'"))
}

/// `name=…`, where the name could be one of an event's.
fn is_like_a_field(text: &str) -> bool {
    let name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    text.split_once('=').is_some_and(|(before, _)| name(before))
}

fn escaped_word(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str("$'");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\'' | '\\' => out.extend(['\\', c]),
            _ if let Some(byte) = raw::byte(c) => drop(write!(out, "\\x{byte:02x}")),
            c if c.is_ascii_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c if hostile(c) && u32::from(c) > 0xffff => drop(write!(out, "\\U{:08x}", u32::from(c))),
            c if hostile(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Bytes that are not UTF-8, control characters (C0, DEL, C1), Unicode's own line breaks, whatever changes
/// the direction of the text around it (Unicode TR 36, "bidirectional text spoofing"), and what is not seen at all but for the
/// joiners, which some scripts and emoji need.
pub(super) fn hostile(c: char) -> bool {
    c.is_control()
        || raw::byte(c).is_some()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_is_written_out() {
        assert_eq!(printable("a\x1b[2J\nb\u{202e}c\u{9b}"), "a\\u{1b}[2J\\nb\\u{202e}c\\u{9b}");
        assert_eq!(printable("plain ünïcode \u{fffd}"), "plain ünïcode \u{fffd}");
        assert_eq!(printable("/tmp/a\u{efff}"), r"/tmp/a\xff");
    }

    #[test]
    fn a_word_is_what_a_shell_reads_back() {
        let plain =
            ["ls", "-l", "--color=auto", "/usr/bin/x_1.so", "kworker/0:1", "@abstract", "LANG=C", "ä日本"];
        for word in plain {
            assert_eq!(quoted(word), word);
        }
        let cases = [
            ("", "''"),
            ("a b", "'a b'"),
            ("a,b", "'a,b'"),
            ("a\u{a0}b", "'a\u{a0}b'"),
            ("cwd=/root", "'cwd=/root'"),
            ("=", "'='"),
            ("x notes=guarded", "'x notes=guarded'"),
            ("$HOME", "'$HOME'"),
            (r"a\xff", r"'a\xff'"),
            ("a\u{efff}", r"$'a\xff'"),
            ("\\\u{efff}", r"$'\\\xff'"),
            ("it's", r"$'it\'s'"),
            ("\x1b[31m\n", r"$'\x1b[31m\n'"),
            ("a\u{202e}\u{9b}", r"$'a\u202e\u009b'"),
            ("a\u{200b}\u{e0041}", r"$'a\u200b\U000e0041'"),
        ];
        for (text, word) in cases {
            assert_eq!(quoted(text), word, "{text:?}");
        }
    }

    /// Bash itself, in a locale of UTF-8.
    #[test]
    fn bash_reads_the_bytes_back() {
        let names: [&[u8]; 7] = [
            b"a\xff",
            br"a\xff",
            b"it's \"x\"; $(y)\t\x01",
            "\u{202e}ä\u{9b}".as_bytes(),
            b"\xc3(",
            b"-n\n\n",
            "\u{200b}\u{e0041}\u{ad}".as_bytes(),
        ];
        for name in names {
            let script = format!("printf %s {}", quoted(&raw::text(name)));
            let bash =
                std::process::Command::new("bash").args(["-c", &script]).env("LC_ALL", "C.UTF-8").output();
            let Ok(bash) = bash else { return println!("skipped: there is no bash here") };
            assert_eq!(bash.stdout, name, "{script}");
        }
    }

    #[test]
    fn only_colour_passes_the_way_out() {
        let painted = "\x1b[1;31mred\x1b[0m\n\tplain ünïcode";
        assert_eq!(screened(painted), painted);
        assert_eq!(
            screened("a\x1b]0;title\x07b\x1b[2Jc\x1b[31"),
            "a\\u{1b}]0;title\\u{7}b\\u{1b}[2Jc\\u{1b}[31"
        );
        assert_eq!(screened("\u{9b}31m\u{202e}\r"), "\\u{9b}31m\\u{202e}\\r");
    }

    #[test]
    fn printed_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(printable_lines("a\n\tb\r\x07"), "a\n\tb\\r\\u{7}");
    }
}
