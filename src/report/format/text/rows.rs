//! A list of records as a table: what an array of maps is at the prompt.
//!
//! In: the records as JSON, and how many columns the terminal has. Out: lines of which
//! none is wider; what is longer than its cell goes on below, cut between characters as
//! people count them (a letter and its combining marks are one, a CJK letter takes two
//! columns). Titles are never cut: where they do not fit beside each other there is no table.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use super::human;
use crate::report::printable::printable;

/// Blanks on the left and right of a cell.
const PADDING: u16 = 2;

/// The table, its titles on the first line; `None` if this is no list of records, or if
/// the titles alone are wider than the terminal. Without a width nothing is cut.
pub(super) fn table(records: &Value, width: Option<u16>) -> Option<Vec<String>> {
    let records: Vec<&Map<String, Value>> =
        records.as_array()?.iter().map(Value::as_object).collect::<Option<_>>()?;
    let titles = titles(&records);
    if titles.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let shown: Vec<String> = titles.iter().map(|title| printable(title).into_owned()).collect();
    if let Some(width) = width {
        let least = shown.iter().map(|title| room(title)).fold(0, u16::saturating_add);
        if least > width {
            return None;
        }
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(&shown);
    for record in &records {
        table.add_row(
            titles
                .iter()
                .map(|title| record.get(*title).map_or_else(String::new, |value| cell(title, value))),
        );
    }
    for ((column, title), shown) in table.column_iter_mut().zip(&titles).zip(&shown) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(room(shown))));
        let is_amount = |value: &Value| {
            value.is_number() && value.as_u64().is_none_or(|n| human::name(title, n).is_none())
        };
        if records.iter().filter_map(|record| record.get(*title)).all(is_amount) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Some(table.to_string().lines().map(|line| line.trim_end().to_owned()).collect())
}

/// Each name once, in the order in which the records have them.
fn titles<'r>(records: &[&'r Map<String, Value>]) -> Vec<&'r str> {
    let mut titles: Vec<&str> = Vec::new();
    for name in records.iter().flat_map(|record| record.keys()) {
        if !titles.contains(&name.as_str()) {
            titles.push(name);
        }
    }
    titles
}

/// The columns that a title takes.
fn room(title: &str) -> u16 {
    u16::try_from(title.width()).unwrap_or(u16::MAX).saturating_add(PADDING)
}

/// A value as a cell has it: a text without its quotes, nothing for nothing.
fn cell(title: &str, value: &Value) -> String {
    if let Some(name) = value.as_u64().and_then(|number| human::name(title, number)) {
        return name;
    }
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text).into_owned(),
        other => printable(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn names_are_titles_and_numbers_stand_on_the_right() {
        let records = json!([{ "comm": "cat", "pid": 7 }, { "comm": "sh", "pid": 1234, "tags": ["a", 1] }]);
        let lines = table(&records, Some(80)).unwrap();
        assert_eq!(lines, [" comm   pid  tags", " cat      7", " sh    1234  [\"a\",1]"]);
    }

    #[test]
    fn a_user_has_a_name_and_stands_on_the_left() {
        let lines =
            table(&json!([{ "uid": 0, "pid": 1 }, { "uid": 4294967288_u32, "pid": 20 }]), None).unwrap();
        assert_eq!(lines, [" uid         pid", " 0(root)       1", " 4294967288   20"]);
    }

    #[test]
    fn a_wide_character_takes_two_columns_and_a_combining_one_none() {
        let records = json!([{ "a": "日本", "b": 1 }, { "a": "e\u{301}", "b": 2 }, { "a": "abcd", "b": 3 }]);
        let lines = table(&records, None).unwrap();
        assert_eq!(lines, [" a     b", " 日本  1", " e\u{301}     2", " abcd  3"]);
    }

    #[test]
    fn what_is_hostile_breaks_no_line_and_colours_nothing() {
        let lines = table(&json!([{ "a\u{1b}[1m": "x\ny\u{1b}[31m" }]), None).unwrap();
        assert_eq!(lines, [" a\\u{1b}[1m", " x\\ny\\u{1b}[31m"]);
    }

    #[test]
    fn titles_that_do_not_fit_make_no_table() {
        let records = json!([{ "one": 1, "two": 2 }]);
        assert!(table(&records, Some(9)).is_none());
        assert!(table(&records, Some(10)).is_some());
        for none in [json!([]), json!([{}]), json!([{ "a": 1 }, 2]), json!(7)] {
            assert!(table(&none, None).is_none(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal_and_nothing_is_lost(
            cells in prop::collection::vec("([a-z]|日|語|e\u{301}|👩\u{200d}💻){0,40}", 1..6),
            width in 12_u16..60,
        ) {
            let records: Value = cells.iter().map(|cell| json!({ "a": cell, "b": "x" })).collect();
            let lines = table(&records, Some(width)).unwrap();
            for line in &lines {
                prop_assert!(line.width() <= usize::from(width), "{line:?} in {width}");
                prop_assert!(!line.trim_start().starts_with('\u{301}'), "{line:?}");
            }
            let shown: String = lines[1..].concat().chars().filter(|c| !matches!(c, ' ' | 'x')).collect();
            prop_assert_eq!(shown, cells.concat().replace('x', ""));
        }
    }
}
