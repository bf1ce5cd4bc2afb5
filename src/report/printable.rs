//! Text that may say anything, made harmless for a terminal and a log.
//!
//! Names of files and tasks are chosen by whoever made them. What could move the
//! cursor, colour the screen, break a line or reverse the reading order is
//! written out as `\u{…}`; everything else stays as it is.

use std::borrow::Cow;

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
    // Of what is hostile beyond ASCII the first byte is one of three: C2 (C1 controls), D8 and E2, EF (direction).
    let suspicious = |byte: u8| matches!(byte, 0..=8 | 11..=31 | 127 | 0xc2 | 0xd8 | 0xe2 | 0xef);
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
            c => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// Control characters (C0, DEL, C1), Unicode's own line breaks, and whatever changes
/// the direction of the text around it (Unicode TR 36, "bidirectional text spoofing").
pub(super) fn hostile(c: char) -> bool {
    c.is_control()
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
