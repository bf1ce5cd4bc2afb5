//! Whether a condition may be in trouble: a number grows too large, something is divided by zero, a text could not be read.
//!
//! Not asked about what is cut: what lies behind may be left open as long as something else decides.

use super::ir::{Bool, Int, Place, Text, Value};

/// Whether it may, but for a text that `asked` is about too, which is then in trouble before.
pub fn may_be_in(of: &Bool, asked: &Text) -> bool {
    let in_text = |text: &Text| {
        let is_other = text.place != asked.place || text.counted != asked.counted;
        match text.note() {
            Some(note) => is_other && asked.note() != Some(note),
            None => is_other && (text.counted.is_some() || matches!(text.place, Place::Path(..))),
        }
    };
    match of {
        Bool::Constant(_) | Bool::Slot(_) | Bool::Within(..) => false,
        Bool::Compare(_, a, b) => computes(a) || computes(b),
        Bool::OneOf(of, _) => computes(of),
        Bool::Text(text, _) | Bool::Among(text, _) | Bool::Asked(text, _) => in_text(text),
        Bool::Any(texts, _) | Bool::Some(texts, _) => {
            texts.unreadable.is_some_and(|note| asked.note() != Some(note))
        }
        Bool::Not(inner) => may_be_in(inner, asked),
        Bool::And(parts) | Bool::Or(parts) | Bool::Either(parts) => {
            parts.iter().any(|part| may_be_in(part, asked))
        }
        Bool::If(a, b, c) => [a, b, c].into_iter().any(|part| may_be_in(part, asked)),
        Bool::Let(binding, body) => {
            let value = match &binding.value {
                Value::Int(value) => computes(value),
                Value::Bool(value) => may_be_in(value, asked),
                Value::Read(text) => in_text(text),
            };
            value || may_be_in(body, asked)
        }
    }
}

/// Whether a number is more than a field or a constant.
fn computes(of: &Int) -> bool {
    !matches!(of, Int::Constant(_) | Int::Field(_) | Int::Slot(_))
}
