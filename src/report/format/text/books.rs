//! The accounting of probes as a table, and what is worth a sentence besides.

use comfy_table::{CellAlignment, Table, presets};
use owo_colors::Style;

use super::Paint;
use crate::{
    backend::Door,
    probe::Counters,
    report::{printable::printable, record::Books},
};

/// The columns of numbers. Those that no probe has anything in are left out, but for the few that
/// one looks for first.
const COLUMNS: [(&str, Shown, Count); 15] = [
    ("seen", Shown::Always, |c| c.seen),
    ("out of scope", Shown::IfAny, |c| c.out_of_scope),
    ("filtered", Shown::IfAny, |c| c.filtered),
    ("matched", Shown::Always, |c| c.matched),
    ("allow", Shown::IfAny, |c| c.allow),
    ("would-deny", Shown::IfAny, |c| c.would_deny),
    ("deny", Shown::IfAny, |c| c.deny),
    ("kill", Shown::IfAny, |c| c.kill),
    ("would-ask", Shown::IfAny, |c| c.would_ask),
    ("asked", Shown::IfAny, |c| c.asked),
    ("answered", Shown::IfAny, |c| c.answered),
    ("timed-out", Shown::IfAny, |c| c.timed_out),
    ("held", Shown::IfAny, |c| c.held),
    ("events", Shown::Always, |c| c.delivered),
    ("lost", Shown::Always, |c| c.lost_ring + c.lost_queue),
];

type Count = fn(&Counters) -> u64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    IfAny,
}

/// When books are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing changes any more.
    Closing,
    /// Decisions are under way, and may be in one column and not yet in another.
    Meanwhile,
}

/// A table: one row a probe, in the order of their attach.
pub(super) fn table(all: &[Books], when: When, paint: Paint) -> Vec<String> {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|(_, shown, count)| *shown == Shown::Always || all.iter().any(|b| count(&b.counters) > 0))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let titles = columns.iter().map(|(title, ..)| *title);
    table.set_header(["probe", "mode"].into_iter().chain(titles).chain(["accounting"]));
    for books in all {
        // At the end all of them are.
        let detached = when == When::Meanwhile && !books.attached;
        let marks = [
            (books.lease_over && !books.tripped, " lapsed"),
            (books.tripped, " tripped"),
            (books.audit_only(), ", audit-only"),
            (books.door == Some(Door::FmodRet), ", by fmod_ret"),
            (detached, ", detached"),
        ];
        let mut mode = books.mode.clone();
        marks.iter().filter(|(holds, _)| *holds).for_each(|(_, mark)| mode.push_str(mark));
        let mut row = vec![printable(&books.probe).into_owned(), mode];
        row.extend(columns.iter().map(|(.., count)| count(&books.counters).to_string()));
        row.push(match (books.counters.balanced(), when) {
            (true, _) => "ok".into(),
            (false, When::Closing) => "MISMATCH".into(),
            (false, When::Meanwhile) => "under way".into(),
        });
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2).take(columns.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let mut lines: Vec<String> = text.lines().map(|l| l.trim_end().to_owned()).collect();
    if let Some(header) = lines.first_mut() {
        *header = paint.with(Style::new().bold(), header);
    }
    lines.extend(all.iter().flat_map(remarks));
    lines
}

/// What is worth a sentence besides the table.
fn remarks(books: &Books) -> Vec<String> {
    let c = &books.counters;
    let said = [
        (
            books.altered,
            "times another process changed something of it, in the kernel or of what holds it there",
        ),
        (c.errors, "could not be looked at whole (a path that could not be read); `.on_error` decides those"),
        (c.lapsed, "would have been enforced, had the lease not run out, or the breaker tripped"),
        (c.guarded, "would have been enforced, had the task not been this shell or an ancestor of it"),
        (
            c.withdrawn,
            "were asked about and not answered: they were asked about again, or their process ended or did something else",
        ),
        (c.otherwise, "could not be asked about, and were dealt with as `otherwise` says"),
        (c.suppressed.saturating_sub(c.withheld()), "were only counted (no event sent)"),
        (c.limited, "were decided and counted, and not told: more than `.limit(…)` lets be sent"),
        (c.sampled_out, "were decided and counted, and not told: `.sample(…)` sends one of several"),
        (
            c.missed,
            "passed unasked: the kernel asks no probe there while another task on the processor is being asked",
        ),
    ];
    said.iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{}: {count} {what}", printable(&books.probe)))
        .collect()
}
