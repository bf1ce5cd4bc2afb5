//! Records without the secrets that are in what they tell.
//!
//! Everything that a session writes comes through [`without_secrets`], so a format or a sink cannot forget it. Scripts, filters and
//! rules have the texts as they are. `--show-secrets` turns it off.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    format::json,
    printable::Painted,
    record::{Evaluated, Finding, Record},
    secrets::{
        MARKER, is_any_in, is_secret_name, mask_list, redacted, redacted_bytes, redacted_list,
        secrets_are_shown,
    },
};
use crate::{
    check::Finished,
    event::{self, Event},
    probe::Summary,
};

/// Hands a record on as it may be written.
pub(super) fn without_secrets<R>(record: Record<'_>, then: impl FnOnce(Record<'_>) -> R) -> R {
    if secrets_are_shown() {
        return then(record);
    }
    match record {
        Record::Event(event) => then(Record::Event(self::event(event).as_ref().unwrap_or(event))),
        Record::Alert { at, severity, text, event, rule } => {
            let other = event.and_then(self::event);
            let event = other.as_ref().or(event);
            then(Record::Alert { at, severity, text: &redacted(text), event, rule })
        }
        Record::Check(finished) => then(Record::Check(check(finished).as_ref().unwrap_or(finished))),
        Record::Emit(fields) => then(Record::Emit(object(fields).as_ref().unwrap_or(fields))),
        Record::Summary(summary) => then(Record::Summary(self::summary(summary).as_ref().unwrap_or(summary))),
        Record::Value(Evaluated { text, raw, is_rows, events }) => {
            let others: Vec<Option<Event>> = events.iter().map(|event| self::event(event)).collect();
            let events: Vec<&Event> =
                others.iter().zip(events).map(|(other, event)| other.as_ref().unwrap_or(event)).collect();
            let other = value(raw);
            let raw = other.as_ref().unwrap_or(raw);
            then(Record::Value(Evaluated { text: &redacted(text), raw, is_rows, events: &events }))
        }
        Record::Print(text) => then(Record::Print(&redacted(text))),
        Record::Note(text) => then(Record::Note(&redacted(text))),
        Record::Log(text) => then(Record::Log(&redacted(text))),
        Record::Diagnostic(finding) => then(Record::Diagnostic(&Covered(finding))),
        // What they tell is this program's own, and names that the script gives.
        Record::WouldSignal { .. }
        | Record::Hunted(_)
        | Record::Help(_)
        | Record::Books(_)
        | Record::Stats(_) => then(record),
    }
}

/// Returns a text as it may be written.
#[must_use]
pub fn hidden(text: &str) -> Cow<'_, str> {
    if secrets_are_shown() { Cow::Borrowed(text) } else { redacted(text) }
}

/// Returns what was counted as it may be written.
#[must_use]
pub fn hidden_summaries(summaries: &[Summary]) -> Vec<Summary> {
    let other = |known: &Summary| (!secrets_are_shown()).then(|| summary(known)).flatten();
    summaries.iter().map(|known| other(known).unwrap_or_else(|| known.clone())).collect()
}

/// Returns a record that no session has, of this type, as a line.
#[must_use]
pub fn line_json(kind: &str, fields: &Map<String, Value>) -> String {
    let other = if secrets_are_shown() { None } else { object(fields) };
    json::line_of(kind, other.as_ref().unwrap_or(fields))
}

/// Returns an event as a line of NDJSON, as it may be written.
#[must_use]
pub fn event_line(event: &Event) -> String {
    let other = if secrets_are_shown() { None } else { self::event(event) };
    json::line_of("event", &json::event(other.as_ref().unwrap_or(event)))
}

/// Returns an event's record with its secrets written over, each text as long as before; `None` if it has none, or if secrets are
/// shown.
#[must_use]
pub fn masked_record(event: &Event) -> Option<Vec<u8>> {
    if secrets_are_shown() || !is_any_in(event.record()) {
        return None;
    }
    let mut record = event.record().to_vec();
    let mut is_changed = false;
    for (_, places) in event.texts() {
        let mut texts: Vec<Vec<u8>> = places.iter().map(|place| record[place.clone()].to_vec()).collect();
        if mask_list(&mut texts.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>()) {
            is_changed = true;
            places.into_iter().zip(texts).for_each(|(place, text)| record[place].copy_from_slice(&text));
        }
    }
    is_changed.then_some(record)
}

/// An event that tells no secrets; `None` if it is one already.
fn event(event: &Event) -> Option<Event> {
    if !is_any_in(event.record()) {
        return None;
    }
    let mut instead = Vec::new();
    for (field, places) in event.texts() {
        let texts: Vec<&[u8]> = places.into_iter().map(|place| &event.record()[place]).collect();
        let Some(texts) = redacted_list(&texts) else { continue };
        let mut texts = texts.into_iter().map(event::Value::Text);
        let value = match event.get(&field.name) {
            Some(event::Value::List(_)) => event::Value::List(texts.collect()),
            _ => texts.next()?,
        };
        instead.push((field.name.clone(), value));
    }
    (!instead.is_empty()).then(|| event.with_instead(instead))
}

fn summary(summary: &Summary) -> Option<Summary> {
    let mut other = summary.clone();
    let mut is_changed = owned(&summary.probe).map(|name| other.probe = name).is_some();
    for value in other.rows.iter_mut().flat_map(|row| &mut row.group) {
        if let Some(without) = field(value) {
            (*value, is_changed) = (without, true);
        }
    }
    is_changed.then_some(other)
}

/// A field's value without its secrets.
fn field(value: &event::Value) -> Option<event::Value> {
    match value {
        event::Value::Text(text) => match redacted_bytes(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(event::Value::Text(text)),
        },
        event::Value::List(items) => {
            let text = |item: &event::Value| match item {
                event::Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            let texts: Vec<Vec<u8>> = items.iter().map(text).collect::<Option<_>>()?;
            let texts = redacted_list(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            Some(event::Value::List(texts.into_iter().map(event::Value::Text).collect()))
        }
        _ => None,
    }
}

fn check(finished: &Finished) -> Option<Finished> {
    let mut other = finished.clone();
    let about = &mut other.check;
    let words = [&mut about.remedy, &mut about.about, &mut about.why];
    let texts = [&mut other.reason, &mut other.expected].into_iter().chain(words).flatten();
    let texts = texts.chain(std::iter::once(&mut about.title));
    let mut is_changed = false;
    for text in texts {
        if let Some(without) = owned(text) {
            (*text, is_changed) = (without, true);
        }
    }
    for known in other.found.iter_mut().chain(&mut other.evidence) {
        if let Some(without) = value(known) {
            (*known, is_changed) = (without, true);
        }
    }
    is_changed.then_some(other)
}

/// A text without its secrets, if it has any.
fn owned(text: &str) -> Option<String> {
    match redacted(text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    }
}

/// A value without its secrets: in its texts, in its lists as in a program's arguments, and where a name says so.
fn value(known: &Value) -> Option<Value> {
    match known {
        Value::String(text) => owned(text).map(Value::String),
        Value::Object(fields) => object(fields).map(Value::Object),
        Value::Array(items) => {
            if let Some(texts) = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                let texts = redacted_list(&texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>())?;
                let text = |text: Vec<u8>| Value::String(String::from_utf8_lossy(&text).into_owned());
                return Some(texts.into_iter().map(text).collect());
            }
            let others: Vec<Option<Value>> = items.iter().map(value).collect();
            let is_changed = others.iter().any(Option::is_some);
            let all =
                others.into_iter().zip(items).map(|(other, item)| other.unwrap_or_else(|| item.clone()));
            is_changed.then(|| all.collect())
        }
        _ => None,
    }
}

fn object(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let without = |(name, known): (&String, &Value)| match known {
        Value::String(text) if is_secret_name(name, text) => Some(Value::String(MARKER.to_owned())),
        known => value(known),
    };
    let others: Vec<Option<Value>> = fields.iter().map(without).collect();
    let names: Vec<Cow<'_, str>> = fields.keys().map(|name| redacted(name)).collect();
    let is_changed =
        others.iter().any(Option::is_some) || names.iter().any(|name| matches!(name, Cow::Owned(_)));
    let all = names.into_iter().zip(others).zip(fields.values());
    is_changed.then(|| {
        all.map(|((name, other), known)| (name.into_owned(), other.unwrap_or_else(|| known.clone())))
            .collect()
    })
}

/// What is wrong with a script, its secrets written over: carets stay where they are.
struct Covered<'f>(&'f dyn Finding);

impl Finding for Covered<'_> {
    fn laid_out(&self, color: bool, columns: Option<u16>) -> Painted {
        let painted = self.0.laid_out(color, columns);
        let mut text = painted.as_str().as_bytes().to_vec();
        if !mask_list(&mut [&mut text]) {
            return painted;
        }
        Painted::laid_out(String::from_utf8_lossy(&text).into_owned())
    }
}
