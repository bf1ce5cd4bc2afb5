//! Aggregation: what a probe keeps count of in the kernel, and how a script reads it.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::{Fallible, group, runtime};
use crate::{
    event::Summary,
    probe::aggregation::{Aggregation, Kind},
    report::summary as report,
    script::{Fault, handle::ProbeHandle, value},
};

/// A summary that a script holds.
#[derive(Debug, Clone)]
pub struct ScriptSummary(Rc<Summary>);

impl ScriptSummary {
    fn new(summary: Summary) -> Self {
        ScriptSummary(Rc::new(summary))
    }

    /// As JSON has it: an array of its rows.
    pub fn rows(&self) -> Vec<serde_json::Value> {
        self.0.rows.iter().map(|row| report::row(&self.0, row).into()).collect()
    }

    /// As a person reads it.
    pub fn describe(&self) -> String {
        report::text(&self.0).join("\n")
    }
}

/// Names of fields: one, or an array of them.
fn names(by: &Dynamic) -> Fallible<Vec<String>> {
    let refuse = || {
        let text = "what is grouped by is the name of a field, or an array of them: `.count_by([\"comm\", \"uid\"])`";
        Fault::script(text)
    };
    if let Ok(name) = by.as_immutable_string_ref() {
        return Ok(vec![name.to_string()]);
    }
    let items = by.as_array_ref().map_err(|_| refuse())?;
    let name = |item: &Dynamic| item.as_immutable_string_ref().map(|t| t.to_string()).map_err(|_| refuse());
    Ok(items.iter().map(name).collect::<Result<_, _>>()?)
}

fn keep(probe: ProbeHandle, kind: Kind, field: Option<&str>, by: &Dynamic) -> Fallible<ProbeHandle> {
    let by = if by.is_unit() { Vec::new() } else { names(by)? };
    probe.aggregate(kind, field, &by, None)?;
    Ok(probe)
}

fn pick(probe: &ProbeHandle, kind: &str) -> Fallible<ScriptSummary> {
    let all = probe.summaries()?;
    let known = all.iter().map(|s| s.kind.name()).collect::<Vec<_>>().join(", ");
    let found = all.into_iter().find(|s| s.kind.name() == kind);
    let missing = || {
        Fault::script(format!("probe `{}` keeps no `{kind}`; it keeps: {known}", probe.name())).about(kind)
    };
    Ok(ScriptSummary::new(found.ok_or_else(missing)?))
}

fn by_kind(summaries: Vec<Summary>) -> Map {
    let named = |s: Summary| (s.kind.name().into(), Dynamic::from(ScriptSummary::new(s)));
    summaries.into_iter().map(named).collect()
}

#[export_module]
mod functions {
    // ---- before the attach --------------------------------------------------

    /// Counts the events in the kernel. An aggregation is in place of events: they are sent as well if there is an
    /// `.on_event(…)`, or with `.events(true)`. It counts what matched; a `.where_user(…)` comes too late for it.
    #[rhai_fn(return_raw)]
    pub fn count(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Count, None, &Dynamic::UNIT)
    }

    /// Counts the events of each group in the kernel: `.count_by(["comm", "uid"])`, `.count_by("verdict")`. A text
    /// is told apart by its first 239 bytes; two long ones share that room.
    #[rhai_fn(return_raw)]
    pub fn count_by(probe: ProbeHandle, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Count, None, &by)
    }

    /// As `count_by`, and only the `n` largest groups are shown at the end: `.top(10, ["comm"])`.
    #[rhai_fn(name = "top", return_raw)]
    pub fn top_by(probe: ProbeHandle, n: i64, by: Dynamic) -> Fallible<ProbeHandle> {
        probe.aggregate(Kind::Count, None, &names(&by)?, Some(usize::try_from(n).unwrap_or_default()))?;
        Ok(probe)
    }

    /// Adds a field up, in the kernel: `.sum("size")`.
    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Sum, Some(field), &Dynamic::UNIT)
    }

    /// Adds a field up for each group: `.sum("size", ["comm"])`.
    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Sum, Some(field), &by)
    }

    /// Keeps the least value of a field, in the kernel; from Linux 6.1 on.
    #[rhai_fn(name = "min", return_raw)]
    pub fn min_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Min, Some(field), &Dynamic::UNIT)
    }

    /// Keeps the least value of a field for each group; from Linux 6.1 on.
    #[rhai_fn(name = "min", return_raw)]
    pub fn min_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Min, Some(field), &by)
    }

    /// Keeps the greatest value of a field, in the kernel; from Linux 6.1 on.
    #[rhai_fn(name = "max", return_raw)]
    pub fn max_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Max, Some(field), &Dynamic::UNIT)
    }

    /// Keeps the greatest value of a field for each group; from Linux 6.1 on.
    #[rhai_fn(name = "max", return_raw)]
    pub fn max_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Max, Some(field), &by)
    }

    /// Keeps the mean of a field, in the kernel.
    #[rhai_fn(name = "avg", return_raw)]
    pub fn avg_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Avg, Some(field), &Dynamic::UNIT)
    }

    /// Keeps the mean of a field for each group.
    #[rhai_fn(name = "avg", return_raw)]
    pub fn avg_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Avg, Some(field), &by)
    }

    /// Keeps a histogram of a field in the kernel, by powers of two: `.hist("size")`.
    #[rhai_fn(name = "hist", return_raw)]
    pub fn hist_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Hist, Some(field), &Dynamic::UNIT)
    }

    /// Keeps a histogram for each group, by powers of two: `.hist("size", ["comm"])`.
    #[rhai_fn(name = "hist", return_raw)]
    pub fn hist_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Hist, Some(field), &by)
    }

    /// Keeps a histogram with buckets of equal width in the kernel: `.lhist("port", 0, 1024, 64)`. What is
    /// below or above has a bucket of its own.
    #[rhai_fn(name = "lhist", return_raw)]
    pub fn lhist_of(probe: ProbeHandle, field: &str, min: i64, max: i64, step: i64) -> Fallible<ProbeHandle> {
        let kind = Aggregation::linear(min, max, step).map_err(Fault::from)?;
        keep(probe, kind, Some(field), &Dynamic::UNIT)
    }

    /// The same for each group: `.lhist("port", 0, 1024, 64, ["comm"])`.
    #[rhai_fn(name = "lhist", return_raw)]
    pub fn lhist_by(
        probe: ProbeHandle,
        field: &str,
        min: i64,
        max: i64,
        step: i64,
        by: Dynamic,
    ) -> Fallible<ProbeHandle> {
        let kind = Aggregation::linear(min, max, step).map_err(Fault::from)?;
        keep(probe, kind, Some(field), &by)
    }

    /// Counts how many values of a field there are, in the kernel and about: HyperLogLog, whose standard error
    /// is 4.6 %. A text is told apart by its first 255 bytes.
    #[rhai_fn(name = "distinct", return_raw)]
    pub fn distinct_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Distinct, Some(field), &Dynamic::UNIT)
    }

    /// How many values of a field there are in each group, about: `.distinct("path", ["comm"])`.
    #[rhai_fn(name = "distinct", return_raw)]
    pub fn distinct_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Distinct, Some(field), &by)
    }

    /// How many groups (and buckets) the probe's aggregations may keep, 10 240 unless said; each takes
    /// kernel memory. Events of a group that finds no room are counted as overflow.
    #[rhai_fn(return_raw)]
    pub fn max_keys(probe: ProbeHandle, keys: i64) -> Fallible<ProbeHandle> {
        probe.set_keys(keys)?;
        Ok(probe)
    }

    /// Whether events are sent, also while attached. By default they are, unless the probe has an aggregation
    /// and no `.on_event(…)`.
    #[rhai_fn(return_raw)]
    pub fn events(probe: ProbeHandle, wanted: bool) -> Fallible<ProbeHandle> {
        probe.set_events(wanted)?;
        Ok(probe)
    }

    // ---- while it is attached, and after ------------------------------------

    /// What `.count()`, `.count_by(…)` or `.top(…)` has come to: a summary with a row for each group.
    #[rhai_fn(return_raw)]
    pub fn counts(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        let most = probe.most_rows().unwrap_or(usize::MAX);
        pick(&probe, "count").map(|s| ScriptSummary::new((*s.0).clone().first(most)))
    }

    /// The `n` largest groups of what is counted: `every("1s", || p.top(10).show())`.
    #[rhai_fn(return_raw)]
    pub fn top(probe: ProbeHandle, n: i64) -> Fallible<ScriptSummary> {
        let summary = pick(&probe, "count")?;
        Ok(ScriptSummary::new((*summary.0).clone().first(usize::try_from(n).unwrap_or_default())))
    }

    /// What `.sum(…)` has come to.
    #[rhai_fn(return_raw)]
    pub fn sum(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "sum")
    }

    /// What `.min(…)` has come to.
    #[rhai_fn(return_raw)]
    pub fn min(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "min")
    }

    /// What `.max(…)` has come to.
    #[rhai_fn(return_raw)]
    pub fn max(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "max")
    }

    /// What `.avg(…)` has come to.
    #[rhai_fn(return_raw)]
    pub fn avg(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "avg")
    }

    /// What `.hist(…)` has come to; `.hist().show()` draws it.
    #[rhai_fn(return_raw)]
    pub fn hist(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "hist")
    }

    /// What `.lhist(…)` has come to; `.lhist().show()` draws it.
    #[rhai_fn(return_raw)]
    pub fn lhist(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "lhist")
    }

    /// What `.distinct(…)` has come to.
    #[rhai_fn(return_raw)]
    pub fn distinct(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "distinct")
    }

    /// All the probe's aggregations, as a map of summaries by name: `p.summaries().hist`.
    #[rhai_fn(return_raw)]
    pub fn summaries(probe: ProbeHandle) -> Fallible<Map> {
        Ok(by_kind(probe.summaries()?))
    }

    /// The same, and they begin anew: no event is in both or in neither. For reports by interval:
    /// `every("10s", || p.take().count.show())`.
    #[rhai_fn(return_raw)]
    pub fn take(probe: ProbeHandle) -> Fallible<Map> {
        Ok(by_kind(probe.take_summaries()?))
    }

    /// Forgets what the probe's aggregations have come to.
    #[rhai_fn(return_raw)]
    pub fn clear(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.take_summaries()?;
        Ok(probe)
    }

    // ---- a summary ----------------------------------------------------------

    /// Prints the summary: a table or a drawing, or a line of JSON in that format.
    #[rhai_fn(return_raw)]
    pub fn show(context: NativeCallContext, summary: &mut ScriptSummary) -> Fallible<()> {
        runtime(&context)?.report(|reporter| reporter.summary(&summary.0));
        Ok(())
    }

    /// The first rows of a summary, which are the largest.
    #[rhai_fn(name = "top")]
    pub fn top_rows(summary: &mut ScriptSummary, n: i64) -> ScriptSummary {
        ScriptSummary::new((*summary.0).clone().first(usize::try_from(n).unwrap_or_default()))
    }

    /// The rows of a summary as an array of maps: the group's fields, and what it has come to.
    #[rhai_fn(get = "rows")]
    pub fn rows(summary: &mut ScriptSummary) -> Array {
        summary.rows().into_iter().map(value::from_json).collect()
    }

    /// How many rows a summary has.
    pub fn len(summary: &mut ScriptSummary) -> i64 {
        i64::try_from(summary.0.rows.len()).unwrap_or(i64::MAX)
    }

    /// What the rows of a summary come to together; a float if it is more than a number of a script can be.
    #[rhai_fn(get = "total")]
    pub fn total(summary: &mut ScriptSummary) -> Dynamic {
        let weights = summary.0.rows.iter().map(|row| row.amount.weight());
        value::from_wide(weights.fold(0, u128::saturating_add))
    }

    /// Events that found no room in the probe's tables.
    #[rhai_fn(get = "overflow")]
    pub fn overflow(summary: &mut ScriptSummary) -> i64 {
        i64::try_from(summary.0.overflow).unwrap_or(i64::MAX)
    }

    /// What one group has come to, 0 if there is no such group: `p.counts().of("cat")`, `.of(["cat", 0])`. More than
    /// 2^63 - 1 is a float.
    #[rhai_fn(return_raw)]
    pub fn of(summary: &mut ScriptSummary, group: Dynamic) -> Fallible<Dynamic> {
        group::amount(&summary.0, &group)
    }

    /// What everything has come to, where nothing is grouped by a field: `p.counts().of()`.
    #[rhai_fn(name = "of", return_raw)]
    pub fn of_all(summary: &mut ScriptSummary) -> Fallible<Dynamic> {
        group::amount(&summary.0, &Array::new().into())
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(summary: &mut ScriptSummary) -> String {
        summary.describe()
    }

    /// A row of a summary, by its number.
    #[rhai_fn(index_get, return_raw)]
    pub fn row(summary: &mut ScriptSummary, number: i64) -> Fallible<Dynamic> {
        let rows = summary.rows();
        let row = usize::try_from(number).ok().and_then(|n| rows.get(n).cloned());
        let none = || Fault::script(format!("this summary has {} rows, and no number {number}", rows.len()));
        Ok(value::from_json(row.ok_or_else(none)?))
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptSummary>("Summary")
        .register_iterator::<ScriptSummary>()
        .register_global_module(rhai::exported_module!(functions).into());
}

impl IntoIterator for ScriptSummary {
    type Item = Dynamic;
    type IntoIter = std::vec::IntoIter<Dynamic>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows().into_iter().map(value::from_json).collect::<Vec<_>>().into_iter()
    }
}
