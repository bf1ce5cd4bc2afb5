//! Lines that are too long for a terminal, broken between words.
//!
//! What goes on below is as far in as the last column of the line it belongs to: an explanation stays beside the name that it
//! explains. A word that is too long for a row alone is left to the terminal, so that it can be copied whole.

use std::borrow::Cow;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, core::display_width};

/// The rows of a line on so many columns; without a width the line as it is.
#[must_use]
pub fn wrapped(line: &str, width: Option<u16>) -> Vec<Cow<'_, str>> {
    let Some(width) = width.map(usize::from).filter(|width| *width < display_width(line)) else {
        return vec![line.into()];
    };
    let margin = " ".repeat(hanging(line, width / 2));
    let options = Options::new(width)
        .subsequent_indent(&margin)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(line, options)
}

/// Where the last column begins that leaves room enough: behind the line's own margin, or two spaces or more.
fn hanging(line: &str, most: usize) -> usize {
    let columns = line.char_indices().filter(|(at, c)| {
        let before = &line[..*at];
        *c != ' ' && (before.ends_with("  ") || before.trim_start_matches(' ').is_empty())
    });
    columns.map(|(at, _)| display_width(&line[..at])).take_while(|column| *column <= most).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_goes_on_stays_in_its_column() {
        let line = "  uid   u32  Real user id, in the initial user namespace.";
        let rows =
            ["  uid   u32  Real user id, in", "             the initial user", "             namespace."];
        assert_eq!(wrapped(line, Some(30)), rows);
        assert_eq!(wrapped(line, None), [line]);
        assert_eq!(wrapped(line, Some(200)), [line]);
        assert_eq!(wrapped("    a word", Some(8)), ["    a", "    word"]);
    }

    #[test]
    fn wide_characters_count_as_two_columns_and_long_words_stay_whole() {
        assert_eq!(wrapped("日本 日本", Some(6)), ["日本", "日本"]);
        assert_eq!(wrapped("see /usr/share/doc/x", Some(8)), ["see", "/usr/share/doc/x"]);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_each_row_fits(
            line in "( {0,4}[a-z日é]{1,9}){1,12}",
            width in 1_u16..60,
        ) {
            let rows = wrapped(&line, Some(width));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&line), words(&rows.join(" ")));
            for row in &rows {
                prop_assert!(
                    display_width(row) <= usize::from(width) || row.split_whitespace().count() == 1,
                    "{row:?} in {width}"
                );
            }
        }
    }
}
