//! What docs/bypasses.md says of a way: the page is part of the program, and is told from here alone.

use std::sync::LazyLock;

const PAGE: &str = include_str!("../../docs/bypasses.md");

/// A row of one of the page's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The heading that it stands under.
    pub section: &'static str,
    pub way: &'static str,
    /// stopped, gap, out of reach, not tried.
    pub outcome: &'static str,
    /// By what it is stopped, or why it is not.
    pub why: &'static str,
    /// The claims that show it, as the page has them.
    pub seen: &'static str,
}

/// Returns every row of the page.
#[must_use]
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let mut section = "";
        PAGE.lines()
            .filter_map(|line| {
                if let Some(heading) = line.strip_prefix("## ") {
                    section = heading;
                }
                let cells: Vec<&'static str> =
                    line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|').map(str::trim).collect();
                let [way, outcome, why, seen] = cells[..] else { return None };
                let is_row = way != "way" && !way.starts_with("---");
                is_row.then_some(Row { section, way, outcome, why, seen })
            })
            .collect()
    });
    &ROWS
}

/// Returns what the page says of a way.
#[must_use]
pub fn row(way: &str) -> Option<&'static Row> {
    rows().iter().find(|row| row.way == way)
}
