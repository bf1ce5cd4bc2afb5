//! Aggregation: what a probe keeps count of in the kernel, and how a script reads it.

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::{Fallible, group, runtime};
use crate::{
    probe::Summary,
    probe::aggregation::{Aggregation, Kind},
    script::{Fault, handle::ProbeHandle, json, summary::ScriptSummary},
};

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
    if items.is_empty() {
        return Err(refuse().into());
    }
    Ok(items.iter().map(name).collect::<Result<_, _>>()?)
}

fn keep(probe: ProbeHandle, kind: Kind, field: Option<&str>, by: Option<&Dynamic>) -> Fallible<ProbeHandle> {
    let by = by.map(names).transpose()?.unwrap_or_default();
    probe.aggregate(kind, field, &by, None)?;
    Ok(probe)
}

/// A number of rows to look at.
fn rows(n: i64) -> Fallible<usize> {
    usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
        Fault::script(format!("`top` needs a number of rows, 1 or more, not {n}")).about(n).into()
    })
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

    /// Counts the events that match, in the kernel. No events are sent then, unless there is an `.on_event(…)` or
    /// `.events(true)`. A `.where_user(…)` comes too late for it.
    #[rhai_fn(return_raw)]
    pub fn count(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Count, None, None)
    }

    /// Counts the events of each group, in the kernel: `.count_by(["comm", "uid"])`, `.count_by("verdict")`. Strings
    /// are told apart by their first 239 bytes; two long ones share that room.
    #[rhai_fn(return_raw)]
    pub fn count_by(probe: ProbeHandle, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Count, None, Some(&by))
    }

    /// Counts the events of each group, and shows the `n` largest groups at the end: `.top(10, ["comm"])`.
    #[rhai_fn(name = "top", return_raw)]
    pub fn top_by(probe: ProbeHandle, n: i64, by: Dynamic) -> Fallible<ProbeHandle> {
        probe.aggregate(Kind::Count, None, &names(&by)?, Some(super::rows(n)?))?;
        Ok(probe)
    }

    /// Sums a field, in the kernel: `.sum("size")`.
    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Sum, Some(field), None)
    }

    /// Sums a field for each group, in the kernel: `.sum("size", ["comm"])`.
    #[rhai_fn(name = "sum", return_raw)]
    pub fn sum_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Sum, Some(field), Some(&by))
    }

    /// Keeps the smallest value of a field, in the kernel: `.min("size")`. Needs Linux 6.1.
    #[rhai_fn(name = "min", return_raw)]
    pub fn min_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Min, Some(field), None)
    }

    /// Keeps the smallest value of a field for each group, in the kernel: `.min("size", ["comm"])`. Needs Linux 6.1.
    #[rhai_fn(name = "min", return_raw)]
    pub fn min_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Min, Some(field), Some(&by))
    }

    /// Keeps the largest value of a field, in the kernel: `.max("size")`. Needs Linux 6.1.
    #[rhai_fn(name = "max", return_raw)]
    pub fn max_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Max, Some(field), None)
    }

    /// Keeps the largest value of a field for each group, in the kernel: `.max("size", ["comm"])`. Needs Linux 6.1.
    #[rhai_fn(name = "max", return_raw)]
    pub fn max_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Max, Some(field), Some(&by))
    }

    /// Averages a field, in the kernel: `.avg("size")`.
    #[rhai_fn(name = "avg", return_raw)]
    pub fn avg_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Avg, Some(field), None)
    }

    /// Averages a field for each group, in the kernel: `.avg("size", ["comm"])`.
    #[rhai_fn(name = "avg", return_raw)]
    pub fn avg_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Avg, Some(field), Some(&by))
    }

    /// Collects a histogram of a field by powers of two, in the kernel: `.hist("size")`.
    #[rhai_fn(name = "hist", return_raw)]
    pub fn hist_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Hist, Some(field), None)
    }

    /// Collects a histogram of a field for each group, by powers of two: `.hist("size", ["comm"])`.
    #[rhai_fn(name = "hist", return_raw)]
    pub fn hist_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Hist, Some(field), Some(&by))
    }

    /// Collects a histogram of a field with buckets of equal width, in the kernel: `.lhist("port", 0, 1024, 64)`. Values
    /// below and above have a bucket each.
    #[rhai_fn(name = "lhist", return_raw)]
    pub fn lhist_of(probe: ProbeHandle, field: &str, min: i64, max: i64, step: i64) -> Fallible<ProbeHandle> {
        let kind = Aggregation::linear(min, max, step).map_err(Fault::from)?;
        keep(probe, kind, Some(field), None)
    }

    /// Collects a histogram with buckets of equal width for each group: `.lhist("port", 0, 1024, 64, ["comm"])`.
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
        keep(probe, kind, Some(field), Some(&by))
    }

    /// Counts the distinct values of a field approximately, in the kernel: `.distinct("path")`. HyperLogLog, standard
    /// error 4.6 %; strings are told apart by their first 255 bytes.
    #[rhai_fn(name = "distinct", return_raw)]
    pub fn distinct_of(probe: ProbeHandle, field: &str) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Distinct, Some(field), None)
    }

    /// Counts the distinct values of a field in each group approximately: `.distinct("path", ["comm"])`.
    #[rhai_fn(name = "distinct", return_raw)]
    pub fn distinct_by(probe: ProbeHandle, field: &str, by: Dynamic) -> Fallible<ProbeHandle> {
        keep(probe, Kind::Distinct, Some(field), Some(&by))
    }

    /// Sets how many groups and buckets the probe's aggregations may keep: `.max_keys(1000)`. The default is 10 240; each
    /// takes kernel memory. Events of a group that finds no room are counted as overflow.
    #[rhai_fn(return_raw)]
    pub fn max_keys(probe: ProbeHandle, keys: i64) -> Fallible<ProbeHandle> {
        probe.set_keys(keys)?;
        Ok(probe)
    }

    /// Sets whether events are sent, also while attached: `.events(true)`. By default they are, unless the probe has an
    /// aggregation and no `.on_event(…)`.
    #[rhai_fn(return_raw)]
    pub fn events(probe: ProbeHandle, wanted: bool) -> Fallible<ProbeHandle> {
        probe.set_events(wanted)?;
        Ok(probe)
    }

    // ---- while it is attached, and after ------------------------------------

    /// Returns what `.count()`, `.count_by(…)` or `.top(…)` has counted: a summary with a row for each group.
    #[rhai_fn(return_raw)]
    pub fn counts(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        let most = probe.most_rows().unwrap_or(usize::MAX);
        pick(&probe, "count").map(|s| ScriptSummary::new((*s).clone().first(most)))
    }

    /// Returns the `n` largest groups counted so far: `every("1s", || p.top(10).show())`.
    #[rhai_fn(return_raw)]
    pub fn top(probe: ProbeHandle, n: i64) -> Fallible<ScriptSummary> {
        let summary = pick(&probe, "count")?;
        Ok(ScriptSummary::new((*summary).clone().first(super::rows(n)?)))
    }

    /// Returns the sums collected by `.sum(…)`.
    #[rhai_fn(return_raw)]
    pub fn sum(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "sum")
    }

    /// Returns the smallest values collected by `.min(…)`.
    #[rhai_fn(return_raw)]
    pub fn min(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "min")
    }

    /// Returns the largest values collected by `.max(…)`.
    #[rhai_fn(return_raw)]
    pub fn max(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "max")
    }

    /// Returns the averages collected by `.avg(…)`.
    #[rhai_fn(return_raw)]
    pub fn avg(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "avg")
    }

    /// Returns the histogram collected by `.hist(…)`: `p.hist().show()` draws it.
    #[rhai_fn(return_raw)]
    pub fn hist(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "hist")
    }

    /// Returns the histogram collected by `.lhist(…)`: `p.lhist().show()` draws it.
    #[rhai_fn(return_raw)]
    pub fn lhist(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "lhist")
    }

    /// Returns the numbers of distinct values collected by `.distinct(…)`.
    #[rhai_fn(return_raw)]
    pub fn distinct(probe: ProbeHandle) -> Fallible<ScriptSummary> {
        pick(&probe, "distinct")
    }

    /// Returns all of the probe's aggregations, as a map of summaries by name: `p.summaries().hist`.
    #[rhai_fn(return_raw)]
    pub fn summaries(probe: ProbeHandle) -> Fallible<Map> {
        Ok(by_kind(probe.summaries()?))
    }

    /// Returns all of the probe's aggregations as `summaries` does, and resets them: for reports by interval,
    /// `every("10s", || p.take().count.show())`. Each event is in one report.
    #[rhai_fn(return_raw)]
    pub fn take(probe: ProbeHandle) -> Fallible<Map> {
        Ok(by_kind(probe.take_summaries()?))
    }

    /// Resets the probe's aggregations.
    #[rhai_fn(return_raw)]
    pub fn clear(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.take_summaries()?;
        Ok(probe)
    }

    // ---- a summary ----------------------------------------------------------

    /// Prints the summary: a table or a drawing, or a line of JSON in that format.
    #[rhai_fn(return_raw)]
    pub fn show(context: NativeCallContext, summary: &mut ScriptSummary) -> Fallible<()> {
        runtime(&context)?.report(|reporter| reporter.summary(summary));
        Ok(())
    }

    /// Returns the first rows of a summary, which are the largest: `p.counts().top(3)`.
    #[rhai_fn(name = "top", return_raw)]
    pub fn top_rows(summary: &mut ScriptSummary, n: i64) -> Fallible<ScriptSummary> {
        Ok(ScriptSummary::new((**summary).clone().first(super::rows(n)?)))
    }

    /// The rows of a summary as an array of maps: the group's fields, and what it has come to.
    #[rhai_fn(get = "rows")]
    pub fn rows(summary: &mut ScriptSummary) -> Array {
        summary.rows().into_iter().map(json::from_json).collect()
    }

    /// Returns the number of rows of a summary.
    pub fn len(summary: &mut ScriptSummary) -> i64 {
        i64::try_from(summary.rows.len()).unwrap_or(i64::MAX)
    }

    /// What the rows of a summary come to together; a float if it is more than a number of a script can be.
    #[rhai_fn(get = "total")]
    pub fn total(summary: &mut ScriptSummary) -> Dynamic {
        let weights = summary.rows.iter().map(|row| row.amount.weight());
        json::from_wide(weights.fold(0, u128::saturating_add))
    }

    /// Events that found no room in the probe's tables.
    #[rhai_fn(get = "overflow")]
    pub fn overflow(summary: &mut ScriptSummary) -> i64 {
        i64::try_from(summary.overflow).unwrap_or(i64::MAX)
    }

    /// Returns the value of one group, 0 if there is no such group: `p.counts().of("cat")`, `.of(["cat", 0])`. More than
    /// 2^63 - 1 is a float.
    #[rhai_fn(return_raw)]
    pub fn of(summary: &mut ScriptSummary, group: Dynamic) -> Fallible<Dynamic> {
        group::amount(summary, &group)
    }

    /// Returns the value of a summary that is not grouped by a field: `p.counts().of()`.
    #[rhai_fn(name = "of", return_raw)]
    pub fn of_all(summary: &mut ScriptSummary) -> Fallible<Dynamic> {
        group::amount(summary, &Array::new().into())
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
        Ok(json::from_json(row.ok_or_else(none)?))
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptSummary>("Summary")
        .register_iterator::<ScriptSummary>()
        .register_global_module(rhai::exported_module!(functions).into());
}
