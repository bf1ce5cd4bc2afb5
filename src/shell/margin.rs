//! The continuation prompt.
//!
//! The line editor knows one prompt, for the first line of its buffer; and what
//! is painted must be as wide as what is in the buffer. So the room for the
//! continuation prompt is in the buffer: each further line begins with a margin
//! of figure spaces, over which the highlighter paints `....> `. Whatever leaves
//! the editor (to the engine, into the history) has lost its margins; so a
//! string of several lines is what was typed, to the byte.

use std::borrow::Cow;

/// As wide as the shortest prompt, `krsi> `.
pub const PROMPT: &str = "....> ";

/// A figure space: one column, white space, and in nobody's script.
pub const FILL: char = '\u{2007}';

/// How many bytes a margin takes.
pub const BYTES: usize = PROMPT.len() * FILL.len_utf8();

/// A new line with its margin.
#[must_use]
pub fn newline() -> String {
    format!("\n{}", FILL.to_string().repeat(PROMPT.len()))
}

/// The text as it was meant. Margins that were cut into while editing go as well.
#[must_use]
pub fn strip(buffer: &str) -> String {
    let mut lines = buffer.split('\n');
    let mut text = lines.next().unwrap_or_default().replace(FILL, " ");
    for line in lines {
        text.push('\n');
        text.push_str(&line.trim_start_matches(FILL).replace(FILL, " "));
    }
    text
}

/// A text of several lines as the editor shows it.
#[must_use]
pub fn add(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { Cow::Owned(text.replace('\n', &newline())) } else { Cow::Borrowed(text) }
}

/// Whether a whole margin stands right before `position`.
#[must_use]
pub fn ends_at(buffer: &str, position: usize) -> bool {
    buffer.get(..position).is_some_and(|before| before.ends_with(&newline()))
}

/// Parts a line of the buffer into whether it begins with a whole margin, and
/// the rest as it can be shown: not every terminal's font has figure spaces.
#[must_use]
pub fn part(line: &str) -> (bool, Cow<'_, str>) {
    let (whole, rest) = match line.char_indices().nth(PROMPT.len()) {
        _ if !line.starts_with(FILL) => (false, line),
        Some((at, _)) if at == BYTES => (true, &line[at..]),
        None if line.len() == BYTES => (true, ""),
        _ => (false, line),
    };
    (whole, if rest.contains(FILL) { Cow::Owned(rest.replace(FILL, " ")) } else { Cow::Borrowed(rest) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_margin_is_as_wide_as_what_is_painted_over_it() {
        let margin = newline();
        assert_eq!(margin.chars().count(), 1 + PROMPT.chars().count());
        assert_eq!(margin.len(), 1 + BYTES);
        assert_eq!(part(&format!("{}  y", &margin[1..])), (true, "  y".into()));
        assert_eq!(part(&margin[1..]), (true, "".into()));
    }

    #[test]
    fn half_a_margin_is_white_space_and_nothing_more() {
        assert_eq!(strip("a\n\u{2007}\u{2007} b"), "a\n b");
        assert_eq!(part("\u{2007}b"), (false, " b".into()));
        assert_eq!(part("      b"), (false, "      b".into()));
    }

    proptest! {
        #[test]
        fn a_text_of_many_lines_comes_back_as_it_was(text in "[ -~\n]{0,80}") {
            prop_assert_eq!(strip(&add(&text)), text);
        }
    }
}
