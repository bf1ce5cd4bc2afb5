//! What `:top` shows: a row for each probe, and below them what the probes count most of.
//!
//! In: a [`Glance`] of each probe a second. Out: lines that fit the screen, whatever its size: columns are
//! left out, the least important first, and the last line tells what found no row. Names may say anything; they are made
//! printable before they are measured.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use owo_colors::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    probe::Counters,
    report::{hidden_summaries, printable, summary_text},
    script::Glance,
};

/// Groups shown of each aggregation.
pub const GROUPS: usize = 10;
/// Seconds that a sparkline goes back.
const REMEMBERED: usize = 60;
/// A sparkline shorter than this tells nothing.
const SHORTEST_LINE: usize = 8;
/// Columns between two columns.
const GAP: usize = 2;
const NAME: usize = 24;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Everything seen so far of what is attached.
pub struct Page {
    color: bool,
    shown: Vec<Glance>,
    history: HashMap<String, History>,
}

struct History {
    counters: Counters,
    at: Instant,
    seen_rate: f64,
    /// Matches a second; the newest is the last.
    rates: VecDeque<f64>,
}

impl Page {
    #[must_use]
    pub fn new(color: bool) -> Self {
        Page { color, shown: Vec::new(), history: HashMap::new() }
    }

    /// Takes in what was seen at this moment.
    pub fn add(&mut self, seen: Vec<Glance>, now: Instant) {
        self.history.retain(|name, _| seen.iter().any(|glance| glance.name == *name));
        for glance in &seen {
            match self.history.get_mut(&glance.name) {
                Some(history) => history.add(glance.counters, now),
                None => {
                    let (counters, rates) = (glance.counters, VecDeque::new());
                    let history = History { counters, at: now, seen_rate: 0.0, rates };
                    self.history.insert(glance.name.clone(), history);
                }
            }
        }
        self.shown = seen;
    }

    /// The whole screen of so many columns and rows.
    #[must_use]
    pub fn lines(&self, (columns, rows): (u16, u16)) -> Vec<String> {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let mut lines = vec![self.line(&self.heading(), Style::new().bold(), columns)];
        if self.shown.is_empty() {
            lines.push(cut("no probe is attached", columns));
        } else {
            lines.extend(self.table(columns));
        }
        for summary in self.shown.iter().flat_map(|glance| hidden_summaries(&glance.summaries)) {
            lines.push(String::new());
            lines.extend(summary_text(&summary).iter().map(|line| cut(line, columns)));
        }
        if lines.len() > rows {
            let unseen = lines.len() - rows + 1;
            lines.truncate(rows.saturating_sub(1));
            lines.push(self.line(&format!("{unseen} more lines"), Style::new().dimmed(), columns));
        }
        lines.truncate(rows);
        lines
    }

    fn heading(&self) -> String {
        let count = self.shown.len();
        format!("{count} probe{}, each second; q leaves", if count == 1 { "" } else { "s" })
    }

    fn line(&self, text: &str, style: Style, columns: usize) -> String {
        let text = cut(text, columns);
        if self.color && !text.is_empty() { style.style(text).to_string() } else { text }
    }

    fn table(&self, columns: usize) -> Vec<String> {
        let mut table: Vec<Column> = self.columns();
        while table.len() > 1 && width(&table) > columns {
            let least =
                table.iter().enumerate().min_by_key(|(_, column)| column.worth).map_or(0, |(at, _)| at);
            table.remove(least);
        }
        let left = columns.saturating_sub(width(&table) + GAP).min(REMEMBERED);
        let drawn = left >= SHORTEST_LINE;
        let mut heading: String = table.iter().map(|column| column.cell(&column.title)).collect();
        if drawn {
            heading.push_str(&format!("last {left} s"));
        }
        let mut lines = vec![self.line(heading.trim_end(), Style::new().dimmed(), columns)];
        for (row, glance) in self.shown.iter().enumerate() {
            let mut line: String = table.iter().map(|column| column.cell(&column.cells[row])).collect();
            if drawn && let Some(history) = self.history.get(&glance.name) {
                line.push_str(&sparkline(&history.rates, left));
            }
            let armed = glance.mode.enforces() && !glance.lapsed && !glance.tripped;
            let style = if armed { Style::new().red() } else { Style::new() };
            lines.push(self.line(line.trim_end(), style, columns));
        }
        lines
    }

    /// All that could be shown, and what each is worth where there is no room for all.
    fn columns(&self) -> Vec<Column> {
        let column = |title: &str, worth, of: &dyn Fn(&Glance) -> String| Column {
            title: title.to_owned(),
            worth,
            cells: self.shown.iter().map(of).collect(),
            right: true,
        };
        let rate = |of: fn(&History) -> f64| {
            move |glance: &Glance| {
                self.history
                    .get(&glance.name)
                    .filter(|h| !h.rates.is_empty())
                    .map_or("-".into(), |h| short(of(h)))
            }
        };
        let count = |of: fn(&Counters) -> u64| move |glance: &Glance| short(of(&glance.counters) as f64);
        let mut columns = vec![
            column("probe", 100, &|glance| cut(&printable(&glance.name), NAME)),
            column("mode", 90, &mode),
            column("seen/s", 30, &rate(|history| history.seen_rate)),
            column("matched/s", 80, &rate(|history| history.rates.back().copied().unwrap_or_default())),
            column("allow", 40, &count(|counters| counters.allow)),
            column("would-deny", 50, &count(|counters| counters.would_deny)),
            column("deny", 70, &count(|counters| counters.deny)),
            column("kill", 60, &count(|counters| counters.kill)),
            column("lost", 20, &count(|counters| counters.lost_ring + counters.lost_queue)),
        ];
        columns[0].right = false;
        columns[1].right = false;
        columns
    }
}

impl History {
    fn add(&mut self, counters: Counters, now: Instant) {
        let seconds = now.duration_since(self.at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        self.seen_rate = rate(counters.seen, self.counters.seen);
        self.rates.push_back(rate(counters.matched, self.counters.matched));
        if self.rates.len() > REMEMBERED {
            self.rates.pop_front();
        }
        (self.counters, self.at) = (counters, now);
    }
}

struct Column {
    title: String,
    worth: u8,
    cells: Vec<String>,
    /// Numbers stand on the right.
    right: bool,
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| cell.width()).max().unwrap_or_default().max(self.title.width())
    }

    /// A cell, and the gap behind it.
    fn cell(&self, text: &str) -> String {
        let blank = " ".repeat(self.width().saturating_sub(text.width()));
        let gap = " ".repeat(GAP);
        if self.right { format!("{blank}{text}{gap}") } else { format!("{text}{blank}{gap}") }
    }
}

fn width(table: &[Column]) -> usize {
    table.iter().map(Column::width).sum::<usize>() + GAP * table.len().saturating_sub(1)
}

fn mode(glance: &Glance) -> String {
    let lapsed = match (glance.lapsed, glance.tripped) {
        (_, true) => ", tripped",
        (true, false) => ", lapsed",
        (false, false) => "",
    };
    format!("{}{lapsed}", glance.mode)
}

/// A number in four digits or so: `950`, `12.3k`, `4.6M`.
fn short(number: f64) -> String {
    match number {
        n if n > 0.0 && n < 9.95 && n.fract() != 0.0 => format!("{n:.1}"),
        n if n < 9_999.5 => format!("{n:.0}"),
        n if n < 999_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999_950_000.0 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

/// The last `length` values, the newest on the right, as bars up to the largest of them. A second
/// without any is the lowest bar.
fn sparkline(rates: &VecDeque<f64>, length: usize) -> String {
    let shown: Vec<f64> = rates.iter().rev().take(length).rev().copied().collect();
    let most = shown.iter().copied().fold(0.0, f64::max);
    let bar = |rate: f64| {
        let level = if most > 0.0 { (rate / most * 7.0).ceil() } else { 0.0 };
        BARS[(level as usize).min(BARS.len() - 1)]
    };
    let drawn: String = shown.iter().map(|rate| bar(*rate)).collect();
    format!("{}{drawn}", " ".repeat(length - shown.len()))
}

/// The beginning of a text that fits so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let width = c.width().unwrap_or_default();
        if width > room {
            break;
        }
        room -= width;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::Mode;
    use crate::values::Errno;

    fn glance(name: &str, mode: Mode, matched: u64) -> Glance {
        let counters = Counters { seen: 2 * matched, matched, allow: matched, ..Counters::default() };
        Glance { name: name.into(), mode, lapsed: false, tripped: false, counters, summaries: Vec::new() }
    }

    fn page(names: &[&str]) -> Page {
        let mut page = Page::new(false);
        let begun = Instant::now();
        for second in 0..5_u64 {
            let seen = |name: &&str| glance(name, Mode::Deny(Errno::EPERM), second * second * 1000);
            page.add(names.iter().map(seen).collect(), begun + Duration::from_secs(second));
        }
        page
    }

    #[test]
    fn rates_are_those_of_the_last_second_and_the_line_goes_back() {
        let lines = page(&["web"]).lines((120, 20));
        assert_eq!(lines[0], "1 probe, each second; q leaves");
        assert_eq!(
            lines[1].split_whitespace().take(4).collect::<Vec<_>>(),
            ["probe", "mode", "seen/s", "matched/s"]
        );
        let cells: Vec<_> = lines[2].split_whitespace().collect();
        assert_eq!(cells[..5], ["web", "deny(EPERM)", "14.0k", "7000", "16.0k"], "{}", lines[2]);
        assert_eq!(cells.last(), Some(&"▂▄▆█"), "{}", lines[2]);
    }

    #[test]
    fn every_size_of_screen_holds_what_is_shown() {
        let page =
            page(&["web", "日本語のプローブ\u{1b}[31m", "a-name-that-is-far-too-long-to-be-shown-whole"]);
        for columns in 0..130 {
            for rows in 0..12 {
                let lines = page.lines((columns, rows));
                assert!(lines.len() <= usize::from(rows), "{columns}x{rows}: {lines:?}");
                for line in lines {
                    assert!(line.width() <= usize::from(columns), "{columns}x{rows}: {line:?}");
                    assert!(!line.contains('\u{1b}'), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn where_it_is_narrow_the_probe_its_mode_and_rate_stay() {
        let lines = page(&["web"]).lines((36, 20));
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["probe", "mode", "matched/s", "deny"]);
        let lines = page(&["web"]).lines((24, 3));
        assert_eq!(lines[2], "web    deny(EPERM)");
    }

    #[test]
    fn what_is_detached_is_forgotten() {
        let mut page = page(&["web", "ssh"]);
        page.add(vec![glance("ssh", Mode::Observe, 5)], Instant::now() + Duration::from_secs(9));
        assert_eq!(page.history.len(), 1);
        page.add(Vec::new(), Instant::now() + Duration::from_secs(10));
        assert_eq!(page.lines((80, 24))[1], "no probe is attached");
    }

    #[test]
    fn large_numbers_are_short() {
        let cases =
            [(0.0, "0"), (0.5, "0.5"), (42.0, "42"), (9_999.0, "9999"), (12_345.0, "12.3k"), (4.6e6, "4.6M")];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }
}
