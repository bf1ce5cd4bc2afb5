//! A script's values in other forms: as JSON, as text.

use rhai::Dynamic;
use serde_json::{Map, Value};

use super::{
    correlation::{SequenceHandle, StateHandle, ThresholdHandle},
    docs,
    event::ScriptEvent,
    file::ScriptFile,
    handle::ProbeHandle,
    origin::{ScriptAncestor, ScriptRelative},
    pin::PinHandle,
    set::SetHandle,
    summary::ScriptSummary,
    timers::TimerHandle,
};
use crate::{filter::Answer, values::Networks};

/// A script's value as JSON; what JSON has no form for becomes its text: a range is `8000..9000`.
pub fn to_json(value: &Dynamic) -> Value {
    if value.is_unit() {
        Value::Null
    } else if let Some(event) = value.read_lock::<ScriptEvent>() {
        crate::report::event_json(event.inner()).into()
    } else if let Some(part) = value.read_lock::<ScriptRelative>() {
        Value::Object(to_object(&part.members()))
    } else if let Some(ancestor) = value.read_lock::<ScriptAncestor>() {
        Value::Object(to_object(&ancestor.members()))
    } else if let Some(summary) = value.read_lock::<ScriptSummary>() {
        summary.rows().into()
    } else if let Some(set) = value.read_lock::<SetHandle>() {
        set.values()
    } else if let Some(probe) = value.read_lock::<ProbeHandle>() {
        serde_json::json!({
            "probe": probe.name(),
            "template": probe.template(),
            "mode": probe.mode().to_string(),
            "attached": probe.attached(),
        })
    } else if let Some(pin) = value.read_lock::<PinHandle>() {
        pin.told()
    } else if let Some(file) = value.read_lock::<ScriptFile>() {
        file.describe()
    } else if let Ok(b) = value.as_bool() {
        b.into()
    } else if let Ok(n) = value.as_int() {
        n.into()
    } else if let Ok(x) = value.as_float() {
        x.into()
    } else if let Ok(text) = value.as_immutable_string_ref() {
        text.as_str().into()
    } else if let Ok(items) = value.as_array_ref() {
        items.iter().map(to_json).collect()
    } else if let Ok(map) = value.as_map_ref() {
        Value::Object(map.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect())
    } else if let Ok(bytes) = value.as_blob_ref() {
        bytes.iter().copied().collect()
    } else {
        text(value).into()
    }
}

/// Whether a value only says something: no probe, no function, no state of anything.
pub fn is_plain(value: &Dynamic) -> bool {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().all(is_plain);
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().all(is_plain);
    }
    value.is_int()
        || value.is_float()
        || value.is_bool()
        || value.is_char()
        || value.is_string()
        || value.is_blob()
        || value.is::<std::ops::Range<i64>>()
        || value.is::<std::ops::RangeInclusive<i64>>()
        || value.is::<Networks>()
}

/// Returns about how many bytes a value has as text: much more than it takes in memory if it holds one text many times.
pub fn weight(value: &Dynamic) -> usize {
    if let Ok(text) = value.as_immutable_string_ref() {
        text.len()
    } else if let Ok(items) = value.as_array_ref() {
        items.iter().fold(2, |sum: usize, item| sum.saturating_add(weight(item)).saturating_add(2))
    } else if let Ok(map) = value.as_map_ref() {
        map.iter()
            .fold(2, |sum: usize, (key, item)| sum.saturating_add(weight(item)).saturating_add(key.len() + 6))
    } else {
        16
    }
}

/// A value that is no text, number, list or map, as a person reads it.
pub fn text(value: &Dynamic) -> String {
    if let Some(timer) = value.read_lock::<TimerHandle>() {
        timer.describe()
    } else if let Some(probe) = value.read_lock::<ProbeHandle>() {
        probe.describe()
    } else if let Some(answer) = value.read_lock::<Answer>() {
        answer.to_string()
    } else if let Some(sequence) = value.read_lock::<SequenceHandle>() {
        sequence.describe()
    } else if let Some(threshold) = value.read_lock::<ThresholdHandle>() {
        threshold.describe()
    } else if let Some(pin) = value.read_lock::<PinHandle>() {
        pin.describe()
    } else if let Some(set) = value.read_lock::<SetHandle>() {
        set.describe()
    } else if let Some(state) = value.read_lock::<StateHandle>() {
        state.describe()
    } else if let Some(networks) = value.read_lock::<Networks>() {
        networks.to_string()
    } else if let Some(error) = value.read_lock::<super::Fault>() {
        error.text.clone()
    } else if value.is_fnptr() {
        "function".into()
    } else {
        let text = value.to_string();
        // Rhai writes the type of what it has no text for, as Rust knows it.
        if text == value.type_name() || text.contains("::") {
            docs::plain_types(value.type_name())
        } else {
            text
        }
    }
}

/// Whether a value is an array of maps and nothing else, which a table shows best.
pub fn is_rows(value: &Dynamic) -> bool {
    value.as_array_ref().is_ok_and(|items| !items.is_empty() && items.iter().all(Dynamic::is_map))
}

/// The events of an array of events and nothing else.
pub fn events(value: &Dynamic) -> Option<Vec<ScriptEvent>> {
    let items = value.as_array_ref().ok().filter(|items| !items.is_empty())?;
    items.iter().map(|item| item.read_lock::<ScriptEvent>().map(|event| event.clone())).collect()
}

/// A map's entries as JSON.
pub fn to_object(map: &rhai::Map) -> Map<String, Value> {
    map.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect()
}
