//! Text that may say anything, made harmless for a terminal and a log.
//!
//! Names of files and tasks are chosen by whoever made them. What could move the
//! cursor, colour the screen, break a line or reverse the reading order is
//! written out as `\u{…}`, and a byte that is not UTF-8 ([`raw`]) as `\xff`; everything else stays as it is.
//!
//! Where a text stands beside others, it must not be taken for one of them: there it is a word as a shell would
//! read it ([`quoted`]).

use std::{borrow::Cow, fmt::Write as _};

use crate::raw;

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
            // All that are hostile are of the first plane.
            c if hostile(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Bytes that are not UTF-8, control characters (C0, DEL, C1), Unicode's own line breaks, and whatever changes
/// the direction of the text around it (Unicode TR 36, "bidirectional text spoofing").
pub(super) fn hostile(c: char) -> bool {
    c.is_control()
        || raw::byte(c).is_some()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
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
        ];
        for (text, word) in cases {
            assert_eq!(quoted(text), word, "{text:?}");
        }
    }

    /// Bash itself, in a locale of UTF-8.
    #[test]
    fn bash_reads_the_bytes_back() {
        let names: [&[u8]; 6] = [
            b"a\xff",
            br"a\xff",
            b"it's \"x\"; $(y)\t\x01",
            "\u{202e}ä\u{9b}".as_bytes(),
            b"\xc3(",
            b"-n\n\n",
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
    fn printed_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(printable_lines("a\n\tb\r\x07"), "a\n\tb\\r\\u{7}");
    }
}
