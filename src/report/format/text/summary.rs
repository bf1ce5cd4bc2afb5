//! What a probe has kept count of, for people: tables and drawn histograms.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::human;
use crate::{
    event,
    probe::{
        aggregation::Kind,
        summary::{Amount, Bucket, Row, Summary},
    },
    raw,
    report::{
        format::{TOO_LARGE, json},
        printable::{printable, quoted},
    },
};

/// Characters of the longest bar.
const BAR: u64 = 40;

/// A heading, and a row for each group, or a drawing of each.
#[must_use]
pub fn text(summary: &Summary) -> Vec<String> {
    let mut lines = vec![heading(summary)];
    if summary.rows.is_empty() {
        lines.push("  nothing yet".into());
    } else if matches!(summary.kind, Kind::Hist | Kind::Lhist { .. }) {
        lines.extend(summary.rows.iter().flat_map(|row| histogram(summary, row)));
    } else {
        lines.extend(table(summary));
    }
    if summary.overflow > 0 {
        lines.push(format!(
            "  {} more found no room: there are more groups than `.max_keys(…)` allows for",
            summary.overflow
        ));
    }
    lines
}

/// `web: hist of size (bytes) by comm`; amounts that have their unit beside them need it not here.
fn heading(summary: &Summary) -> String {
    let mut text = format!("{}: {}", printable(&summary.probe), summary.kind.name());
    if let Some(field) = &summary.field {
        text.push_str(&format!(" of {field}"));
    }
    if let Some(unit) = &summary.unit
        && !summary.rows.iter().all(|row| has_unit(summary, &row.amount))
    {
        text.push_str(&format!(" ({unit})"));
    }
    if !summary.by.is_empty() {
        text.push_str(&format!(" by {}", summary.by.join(", ")));
    }
    text
}

fn table(summary: &Summary) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let titles = summary.by.iter().map(String::as_str);
    table.set_header(titles.chain([summary.kind.name()]));
    for row in &summary.rows {
        let named = summary.by.iter().zip(&row.group);
        table.add_row(named.map(|(name, value)| shown(name, value)).chain([amount(summary, &row.amount)]));
    }
    if let Some(column) = table.column_mut(summary.by.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string().lines().map(|line| format!(" {}", line.trim_end())).collect()
}

fn has_unit(summary: &Summary, amount: &Amount) -> bool {
    matches!(amount, Amount::Number(_) | Amount::Mean(_))
        && human::amount(summary.unit.as_deref(), 0.0).is_some()
}

fn amount(summary: &Summary, amount: &Amount) -> String {
    let human = |number| human::amount(summary.unit.as_deref(), number);
    match amount {
        Amount::Number(n) => human(*n as f64).unwrap_or_else(|| n.to_string()),
        Amount::TooLarge => TOO_LARGE.into(),
        Amount::Mean(mean) => human(*mean).unwrap_or_else(|| format!("{mean:.1}")),
        Amount::About(n) => format!("~{n}"),
        Amount::Histogram(_) => String::new(),
    }
}

/// A group's value as a cell has it.
fn shown(name: &str, value: &event::Value) -> String {
    match value {
        event::Value::Unsigned(number) => human::name(name, *number).unwrap_or_else(|| number.to_string()),
        event::Value::Text(bytes) => quoted(&raw::text(bytes)).into_owned(),
        // A stack, a frame a line.
        event::Value::List(frames) => frames.iter().map(frame).collect::<Vec<_>>().join("\n"),
        other => match json::value(other.clone()) {
            Value::String(text) => quoted(&text).into_owned(),
            // Names of flags.
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        },
    }
}

fn frame(value: &event::Value) -> String {
    match value {
        event::Value::Text(name) => printable(&raw::text(name)).into_owned(),
        other => json::value(other.clone()).to_string(),
    }
}

fn histogram(summary: &Summary, row: &Row) -> Vec<String> {
    let Amount::Histogram(buckets) = &row.amount else { return Vec::new() };
    let mut lines = Vec::new();
    if !summary.by.is_empty() {
        let named = summary.by.iter().zip(&row.group);
        let group: Vec<_> = named.map(|(name, value)| format!("{name}={}", shown(name, value))).collect();
        lines.push(format!("  {}", group.join(" ")));
    }
    let labels: Vec<String> = buckets.iter().map(|b| label(summary.kind, b)).collect();
    let widest = labels.iter().map(String::len).max().unwrap_or_default();
    let most = buckets.iter().map(|b| b.count).max().unwrap_or_default().max(1);
    let digits = most.to_string().len();
    for (bucket, label) in buckets.iter().zip(labels) {
        // Rounded up: what is there at all is to be seen.
        let length = usize::try_from((u128::from(bucket.count) * u128::from(BAR)).div_ceil(u128::from(most)))
            .unwrap_or_default();
        let bar = "@".repeat(length);
        let width = BAR as usize;
        lines.push(format!("  {label:<widest$} {:>digits$} |{bar:<width$}|", bucket.count));
    }
    lines
}

/// `[1K, 2K)`, as bpftrace's users know it; powers of two are told in powers of 1024.
fn label(kind: Kind, bucket: &Bucket) -> String {
    let number = |n: u64| if kind == Kind::Hist { binary(n) } else { n.to_string() };
    match (kind, bucket.from, bucket.to) {
        (Kind::Hist, 0, _) => "[0]".into(),
        (Kind::Hist, 1, _) => "[1]".into(),
        (Kind::Lhist { first, .. }, 0, Some(to)) if to == first => format!("(..., {first})"),
        (_, from, Some(to)) => format!("[{}, {})", number(from), number(to)),
        (_, from, None) => format!("[{}, ...)", number(from)),
    }
}

fn binary(mut n: u64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    while n >= 1024 && n.is_multiple_of(1024) {
        n /= 1024;
        unit += 1;
    }
    format!("{n}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::summary_of_sizes as summary;

    #[test]
    fn a_histogram_is_drawn_and_what_is_hostile_is_not() {
        let buckets = vec![
            Bucket { from: 0, to: Some(1), count: 1 },
            Bucket { from: 1 << 10, to: Some(1 << 11), count: 80 },
            Bucket { from: 1 << 63, to: None, count: 1 },
        ];
        let row =
            Row { group: vec![event::Value::Text(b"\x1b[31m".to_vec())], amount: Amount::Histogram(buckets) };
        let lines = text(&summary(Kind::Hist, vec![row]));
        assert_eq!(lines[0], "p: hist of size (bytes) by comm");
        assert_eq!(lines[1], r"  comm=$'\x1b[31m'");
        assert_eq!(lines[2].trim_end(), format!("  [0]        1 |@{}|", " ".repeat(39)));
        assert_eq!(lines[3], format!("  [1K, 2K)  80 |{}|", "@".repeat(40)));
        assert!(lines[4].starts_with("  [8E, ...)  1 |@"), "{:?}", lines[4]);
    }

    #[test]
    fn people_read_names_and_sizes() {
        let row = |uid, amount| Row { group: vec![event::Value::Unsigned(uid)], amount };
        let nobody = u64::from(u32::MAX - 7);
        let rows = vec![row(0, Amount::Number(4200)), row(nobody, Amount::Number(12))];
        let summary = Summary { by: vec!["uid".into()], ..summary(Kind::Sum, rows) };
        assert_eq!(
            text(&summary),
            [
                "p: sum of size by uid",
                "  uid             sum",
                "  0(root)     4.1 KiB",
                "  4294967288     12 B"
            ]
        );
        let summary = Summary { rows: vec![row(0, Amount::Mean(1536.0))], ..summary };
        assert_eq!(text(&summary)[2], "  0(root)  1.5 KiB");
    }

    #[test]
    fn rows_that_differ_in_a_byte_differ() {
        let row =
            |path: &[u8]| Row { group: vec![event::Value::Text(path.to_vec())], amount: Amount::Number(1) };
        let rows = vec![row(b"/a\xff"), row(b"/a\xfe"), row(br"/a\xff"), row(b"/a b")];
        let summary =
            Summary { by: vec!["path".into()], field: None, unit: None, ..summary(Kind::Count, rows) };
        let expected = [
            "p: count by path",
            "  path       count",
            r"  $'/a\xff'      1",
            r"  $'/a\xfe'      1",
            r"  '/a\xff'       1",
            "  '/a b'         1",
        ];
        assert_eq!(text(&summary), expected);
    }

    #[test]
    fn sums_beyond_64_bits_are_told() {
        let sum = 3 * u128::from(i64::MAX.cast_unsigned());
        let row = |amount| Row { group: vec![event::Value::Text(b"cat".to_vec())], amount };
        let lines = text(&summary(Kind::Sum, vec![row(Amount::Number(sum)), row(Amount::TooLarge)]));
        assert!(lines[2].ends_with("24.0 EiB") && lines[3].ends_with("too large"), "{lines:?}");
    }
}
