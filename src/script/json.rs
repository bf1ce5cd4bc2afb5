//! JSON as a script's values.

use rhai::Dynamic;
use serde_json::Value;

/// A number that may be beyond Rhai's own: then it is a float, which keeps its size.
pub fn from_wide(number: u128) -> Dynamic {
    i64::try_from(number).map_or_else(|_| Dynamic::from(number as f64), Dynamic::from)
}

/// JSON as a script's value.
pub fn from_json(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(b) => b.into(),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => n.into(),
            (None, Some(n)) => from_wide(n.into()),
            (None, None) => n.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.into_iter().map(from_json).collect::<Vec<_>>().into(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key.into(), from_json(value))).collect::<rhai::Map>().into()
        }
    }
}
