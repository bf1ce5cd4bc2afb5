//! What a check expects of a value: a condition that can say what it asks for.

use rhai::{Array, Dynamic, FnPtr, NativeCallContext};
use serde_json::Value;

use super::{
    fault::{Fallible, Fault},
    value,
};
use crate::filter::Glob;

/// A condition on a value.
#[derive(Debug, Clone)]
pub enum Matcher {
    Is(Value),
    OneOf(Vec<Value>),
    AtLeast(Value),
    AtMost(Value),
    /// From the first to the second, both included.
    Between(Value, Value),
    /// An array, map or text with nothing in it.
    Empty,
    /// An item of an array, a key of a map, a part of a text.
    Includes(Value),
    Like {
        pattern: String,
        glob: Glob,
    },
    /// `()`.
    Missing,
    /// No bit of a mode beyond these.
    ModeWithin(i64),
    Each(Box<Matcher>),
    Not(Box<Matcher>),
    /// The function, and how it is to be called in words.
    Holds(FnPtr),
}

impl Matcher {
    /// Makes one of what stands in the place of a matcher: a function is asked, any other value is to be equal.
    pub fn of(given: &Dynamic) -> Self {
        if let Some(matcher) = given.read_lock::<Matcher>() {
            return matcher.clone();
        }
        match given.read_lock::<FnPtr>() {
            Some(function) => Matcher::Holds(function.clone()),
            None => Matcher::Is(value::to_json(given)),
        }
    }

    /// Makes one of an array of values that are allowed.
    pub fn one_of(values: &Array) -> Self {
        Matcher::OneOf(values.iter().map(value::to_json).collect())
    }

    /// Says what it asks for.
    pub fn describe(&self) -> String {
        self.in_words(false)
    }

    fn in_words(&self, negated: bool) -> String {
        let not = if negated { "not " } else { "" };
        match self {
            Matcher::Is(value) => format!("{not}{}", quoted(value)),
            Matcher::OneOf(values) => {
                format!("{}one of {}", if negated { "none but " } else { "" }, listed(values))
            }
            Matcher::AtLeast(value) if negated => format!("less than {}", quoted(value)),
            Matcher::AtLeast(value) => format!("at least {}", quoted(value)),
            Matcher::AtMost(value) if negated => format!("more than {}", quoted(value)),
            Matcher::AtMost(value) => format!("at most {}", quoted(value)),
            Matcher::Between(least, most) => format!("{not}from {} to {}", quoted(least), quoted(most)),
            Matcher::Empty => format!("{not}empty"),
            Matcher::Includes(value) if negated => format!("without {}", quoted(value)),
            Matcher::Includes(value) => format!("with {} in it", quoted(value)),
            Matcher::Like { pattern, .. } => format!("{not}like \"{pattern}\""),
            Matcher::Missing if negated => "something".into(),
            Matcher::Missing => "nothing".into(),
            Matcher::ModeWithin(mode) => format!("{not}a mode of at most {mode:#o}"),
            Matcher::Each(each) => format!("{not}each: {}", each.describe()),
            Matcher::Not(inner) => inner.in_words(!negated),
            Matcher::Holds(_) => format!("{not}what the function given to `expect` asks for"),
        }
    }

    /// Returns what was found, in the form in which this speaks of it.
    pub fn shown(&self, value: &Dynamic) -> Value {
        match (self, value.as_int()) {
            (Matcher::ModeWithin(_), Ok(mode)) => format!("{:#o}", mode & 0o7777).into(),
            (Matcher::Not(inner), _) => inner.shown(value),
            _ => value::to_json(value),
        }
    }

    /// Whether the value is as it asks for. What cannot be asked of a value (whether nothing is less than 5, whether a number is
    /// without a word in it) does not hold, and neither does its opposite.
    ///
    /// # Errors
    /// What a function of the script's fails with; or that it gave neither true nor false.
    pub fn holds(&self, context: &NativeCallContext, value: &Dynamic) -> Fallible<bool> {
        Ok(self.verdict(context, value)?.unwrap_or(false))
    }

    /// The same; `None` if that cannot be asked of the value.
    fn verdict(&self, context: &NativeCallContext, value: &Dynamic) -> Fallible<Option<bool>> {
        match self {
            Matcher::Not(inner) => Ok(inner.verdict(context, value)?.map(|holds| !holds)),
            Matcher::Holds(function) => {
                let said: Dynamic = function.call_within_context(context, (value.clone(),))?;
                said.as_bool().map(Some).map_err(|_| {
                    let text = "the function given to `expect` must return true or false".to_owned();
                    Fault::script(text).about("expect").into()
                })
            }
            Matcher::Each(each) => {
                let Ok(items) = value.as_array_ref() else { return Ok(None) };
                for item in items.iter() {
                    match each.verdict(context, item)? {
                        Some(true) => {}
                        other => return Ok(other),
                    }
                }
                Ok(Some(true))
            }
            Matcher::ModeWithin(mode) => Ok(value.as_int().ok().map(|found| found & 0o7777 & !mode == 0)),
            Matcher::Missing => Ok(Some(value.is_unit())),
            _ => Ok(self.verdict_of(&value::to_json(value))),
        }
    }

    fn verdict_of(&self, found: &Value) -> Option<bool> {
        match self {
            Matcher::Is(value) => Some(same(value, found)),
            Matcher::OneOf(values) => Some(values.iter().any(|value| same(value, found))),
            Matcher::AtLeast(least) => order(found, least).map(|order| order.is_ge()),
            Matcher::AtMost(most) => order(found, most).map(|order| order.is_le()),
            Matcher::Between(least, most) => {
                Some(order(found, least)?.is_ge() && order(found, most)?.is_le())
            }
            Matcher::Empty => match found {
                Value::Array(items) => Some(items.is_empty()),
                Value::Object(entries) => Some(entries.is_empty()),
                Value::String(text) => Some(text.is_empty()),
                _ => None,
            },
            Matcher::Includes(part) => match (found, part) {
                (Value::Array(items), _) => Some(items.iter().any(|item| same(item, part))),
                (Value::Object(entries), Value::String(key)) => Some(entries.contains_key(key)),
                (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
                _ => None,
            },
            Matcher::Like { glob, .. } => found.as_str().map(|text| glob.matches(text)),
            // Asked before the value became JSON.
            Matcher::Missing
            | Matcher::ModeWithin(_)
            | Matcher::Each(_)
            | Matcher::Not(_)
            | Matcher::Holds(_) => None,
        }
    }
}

/// Equal as a script means it: 2 and 2.0 are, 2 and "2" are not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => order(a, b).is_some_and(|order| order.is_eq()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b,
    }
}

/// Which is the larger, of two numbers or two texts.
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => Some(x.cmp(&y)),
            _ => x.as_f64()?.partial_cmp(&y.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        other => other.to_string(),
    }
}

fn listed(values: &[Value]) -> String {
    values.iter().map(quoted).collect::<Vec<_>>().join(", ")
}
