//! Which of the event's fields a filter asks about: what nobody asks about need not be gathered for it.

use super::ir::{Bool, Decision, Filter, Int, Place, Text, Value};

/// Whether the filter asks about one of these fields.
#[must_use]
pub fn asks(filter: &Filter, names: &[&str]) -> bool {
    decision_asks(&filter.body, names)
}

fn decision_asks(of: &Decision, names: &[&str]) -> bool {
    match of {
        Decision::Answer(_) => false,
        Decision::If(condition, then, otherwise) => {
            bool_asks(condition, names) || decision_asks(then, names) || decision_asks(otherwise, names)
        }
        Decision::Let(binding, body) => value_asks(&binding.value, names) || decision_asks(body, names),
    }
}

fn value_asks(of: &Value, names: &[&str]) -> bool {
    match of {
        Value::Int(value) => int_asks(value, names),
        Value::Bool(value) => bool_asks(value, names),
        Value::Read(text) => text_asks(text, names),
    }
}

fn bool_asks(of: &Bool, names: &[&str]) -> bool {
    match of {
        Bool::Constant(_) | Bool::Slot(_) => false,
        Bool::Compare(_, a, b) => int_asks(a, names) || int_asks(b, names),
        Bool::OneOf(of, _) => int_asks(of, names),
        Bool::Text(text, _) | Bool::Among(text, _) => text_asks(text, names),
        Bool::Any(texts, ..) => names.contains(&texts.name.as_str()),
        Bool::Within(address, _) => names.contains(&address.name.as_str()),
        Bool::Not(inner) => bool_asks(inner, names),
        Bool::And(parts) | Bool::Or(parts) => parts.iter().any(|part| bool_asks(part, names)),
        Bool::If(a, b, c) => [a, b, c].into_iter().any(|part| bool_asks(part, names)),
        Bool::Let(binding, body) => value_asks(&binding.value, names) || bool_asks(body, names),
    }
}

fn int_asks(of: &Int, names: &[&str]) -> bool {
    match of {
        Int::Constant(_) | Int::Slot(_) => false,
        Int::Field(number) => names.contains(&number.name.as_str()),
        Int::Item { number, count, .. } => {
            names.contains(&number.name.as_str()) || names.contains(&count.name.as_str())
        }
        Int::Characters(text) => text_asks(text, names),
        Int::Elements(texts) => names.contains(&texts.name.as_str()),
        Int::Negate(inner) => int_asks(inner, names),
        Int::Binary(_, a, b) => int_asks(a, names) || int_asks(b, names),
        Int::If(condition, a, b) => bool_asks(condition, names) || int_asks(a, names) || int_asks(b, names),
        Int::Let(binding, body) => value_asks(&binding.value, names) || int_asks(body, names),
    }
}

fn text_asks(of: &Text, names: &[&str]) -> bool {
    match &of.place {
        Place::Element(texts, _) => names.contains(&texts.name.as_str()),
        _ => names.contains(&of.name.as_str()),
    }
}
