//! Which of the event's fields a filter asks about: what nobody asks about need not be gathered for it.

use super::ir::{Bool, Decision, Filter, Int, Place, Text, Value};

/// Whether the filter asks about one of these fields.
#[must_use]
pub fn any_of(filter: &Filter, names: &[&str]) -> bool {
    decision_uses(&filter.body, names)
}

fn decision_uses(of: &Decision, names: &[&str]) -> bool {
    match of {
        Decision::Answer(_) => false,
        Decision::If(condition, then, otherwise) => {
            bool_uses(condition, names) || decision_uses(then, names) || decision_uses(otherwise, names)
        }
        Decision::Let(binding, body) => value_uses(&binding.value, names) || decision_uses(body, names),
    }
}

fn value_uses(of: &Value, names: &[&str]) -> bool {
    match of {
        Value::Int(value) => int_uses(value, names),
        Value::Bool(value) => bool_uses(value, names),
        Value::Read(text) => text_uses(text, names),
    }
}

fn bool_uses(of: &Bool, names: &[&str]) -> bool {
    match of {
        Bool::Constant(_) | Bool::Slot(_) => false,
        Bool::Compare(_, a, b) => int_uses(a, names) || int_uses(b, names),
        Bool::OneOf(of, _) => int_uses(of, names),
        Bool::Text(text, _) | Bool::Among(text, _) | Bool::Asked(text, _) => text_uses(text, names),
        Bool::Any(texts, _) | Bool::Some(texts, _) => names.contains(&texts.name.as_str()),
        Bool::Within(address, _) => names.contains(&address.name.as_str()),
        Bool::Not(inner) => bool_uses(inner, names),
        Bool::And(parts) | Bool::Or(parts) | Bool::Either(parts) => {
            parts.iter().any(|part| bool_uses(part, names))
        }
        Bool::If(a, b, c) => [a, b, c].into_iter().any(|part| bool_uses(part, names)),
        Bool::Let(binding, body) => value_uses(&binding.value, names) || bool_uses(body, names),
    }
}

fn int_uses(of: &Int, names: &[&str]) -> bool {
    match of {
        Int::Constant(_) | Int::Slot(_) => false,
        Int::Field(number) => names.contains(&number.name.as_str()),
        Int::Item { number, count, .. } => {
            names.contains(&number.name.as_str()) || names.contains(&count.name.as_str())
        }
        Int::Characters(text) => text_uses(text, names),
        Int::Elements(texts) => names.contains(&texts.name.as_str()),
        Int::Negate(inner) => int_uses(inner, names),
        Int::Binary(_, a, b) => int_uses(a, names) || int_uses(b, names),
        Int::If(condition, a, b) => bool_uses(condition, names) || int_uses(a, names) || int_uses(b, names),
        Int::Let(binding, body) => value_uses(&binding.value, names) || int_uses(body, names),
    }
}

fn text_uses(of: &Text, names: &[&str]) -> bool {
    if of.counted.as_ref().is_some_and(|counted| names.contains(&counted.count.name.as_str())) {
        return true;
    }
    match &of.place {
        Place::Element(texts, _) | Place::Joined(texts) => names.contains(&texts.name.as_str()),
        _ => names.contains(&of.name.as_str()),
    }
}
