//! One group of a summary, as a script names it: a value of each field that it is grouped by.
//!
//! A value that no group could ever have (a text where there are numbers) is an error, and not a group with nothing in it.

use rhai::{Array, Dynamic};

use super::Fallible;
use crate::{
    probe::summary::{Amount, Summary},
    raw,
    script::{Fault, event::from_event, json, value},
    template::FieldKind,
    values::nearest,
};

/// Returns what a group has come to; 0 if it has nothing, and infinity if a sum is too large to be known: it compares as such.
///
/// # Errors
/// If there can be no such group.
pub fn amount(summary: &Summary, group: &Dynamic) -> Fallible<Dynamic> {
    let wanted = values(summary, group);
    if wanted.len() != summary.by.len() {
        return Err(number(summary, wanted.len()).into());
    }
    for ((name, kind), value) in summary.by.iter().zip(&summary.kinds).zip(&wanted) {
        check(name, kind, value)?;
    }
    let wanted: Vec<_> = wanted.iter().map(value::to_json).collect();
    let is_it = |group: &[crate::event::Value]| {
        group.iter().zip(&wanted).all(|(own, wanted)| value::to_json(&from_event(own.clone())) == *wanted)
    };
    let row = summary.rows.iter().find(|row| is_it(&row.group));
    Ok(row.map_or(Dynamic::from(0_i64), |row| shown(summary, row)))
}

fn shown(summary: &Summary, row: &crate::probe::summary::Row) -> Dynamic {
    match &row.amount {
        Amount::Number(n) => json::from_wide(*n),
        Amount::About(n) => json::from_wide((*n).into()),
        Amount::TooLarge => f64::INFINITY.into(),
        Amount::Mean(mean) => (*mean).into(),
        Amount::Histogram(_) => {
            let row = crate::report::summary_row(summary, row);
            row.get("buckets").cloned().map_or(Dynamic::UNIT, json::from_json)
        }
    }
}

/// One value of each field: an array of them, or the only one.
fn values(summary: &Summary, group: &Dynamic) -> Array {
    let Ok(items) = group.as_array_ref() else { return vec![group.clone()] };
    let is_list = matches!(summary.kinds[..], [FieldKind::Flags(_) | FieldKind::List { .. }]);
    if is_list && !items.iter().any(Dynamic::is_array) {
        // The names of one group's flags.
        return vec![group.clone()];
    }
    items.clone()
}

fn number(summary: &Summary, given: usize) -> Fault {
    let by = summary.by.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let fix = match summary.by.as_slice() {
        [] => "`.of()`".to_owned(),
        [one] => format!("`.of({one})`"),
        many => format!("`.of([{}])`", many.join(", ")),
    };
    let has = match summary.by.len() {
        0 => "is not grouped: it has one amount for everything".to_owned(),
        1 => format!("is grouped by {by}"),
        n => format!("is grouped by {n} fields: {by}"),
    };
    let values = if given == 1 { "1 value".to_owned() } else { format!("{given} values") };
    Fault::script(format!("this summary {has}; `of` was given {values}\nfix: {fix}"))
}

/// Whether a field can have the value at all.
fn check(name: &str, kind: &FieldKind, value: &Dynamic) -> Fallible<()> {
    let (fits, takes) = match kind {
        FieldKind::Unsigned | FieldKind::Signed => (value.is_int(), "a number, such as 0".to_owned()),
        FieldKind::Bool => (value.is_bool(), "true or false".to_owned()),
        FieldKind::Flags(_) | FieldKind::List { .. } | FieldKind::Texts { .. } | FieldKind::Stack(_) => {
            (value.is_array(), "an array".to_owned())
        }
        FieldKind::Enum(known) => match value.as_immutable_string_ref() {
            Ok(text) if known.iter().any(|known| known.name == *text) => (true, String::new()),
            // A number without a name is shown as such.
            Ok(text) if text.parse::<u64>().is_ok() => (true, String::new()),
            Ok(text) => {
                let names = || known.iter().map(|known| known.name.as_str());
                let near = nearest(&text, names())
                    .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                let allowed = names().collect::<Vec<_>>().join(", ");
                let text = format!("`{name}` is never {}{near}; allowed: {allowed}", raw::literal(&text));
                return Err(Fault::script(text).about(name).into());
            }
            Err(_) => (false, "a text".to_owned()),
        },
        FieldKind::Text | FieldKind::Device | FieldKind::Address => (value.is_string(), "a text".to_owned()),
    };
    if fits {
        return Ok(());
    }
    let shown = super::shown(value);
    Err(Fault::script(format!("`of`: `{name}` is {takes}; {shown} is none")).about(shown).into())
}
