//! A script's value as a key: what events have in common, and what was seen before.

use rhai::Dynamic;

use super::{docs, value};
use crate::correlation::Key;

/// Bytes of a key: two of the longest paths.
const LONGEST: usize = 8 << 10;

/// A value as a key; `None` for `()`, which is none.
///
/// # Errors
/// A sentence, if it cannot be one.
pub fn of(value: &Dynamic) -> Result<Option<Key>, String> {
    if value.is_unit() {
        return Ok(None);
    }
    if !is_plain(value) {
        let found = docs::plain_types(value.type_name());
        return Err(format!(
            "a key is a string, a whole number, true or false, or an array or map of these, and not of type {found}"
        ));
    }
    if value::weight(value) > LONGEST {
        return Err(format!("a key is at most {LONGEST} bytes long, and this one is longer"));
    }
    Ok(Some(value::to_json(value).to_string().into()))
}

fn is_plain(value: &Dynamic) -> bool {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().all(is_plain);
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().all(is_plain);
    }
    value.is_int() || value.is_string() || value.is_bool() || value.is_char()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_if_they_look_the_same_to_a_script() {
        let engine = rhai::Engine::new();
        let of = |code: &str| super::of(&engine.eval::<Dynamic>(code).unwrap());
        assert_eq!(of("[1, \"a\"]"), of("let x = [1]; x.push(\"a\"); x"));
        assert_eq!(of("#{ a: 1, b: true }"), of("#{ b: true, a: 1 }"));
        assert_ne!(of("1"), of("\"1\""));
        assert_eq!(of("()"), Ok(None));
        for wrong in ["1.5", "|| 1", "[()]", "timestamp()"] {
            of(wrong).unwrap_err();
        }
        let long = "let x = \"\"; x.pad(8193, 'x'); x";
        assert!(of(long).unwrap_err().contains("longer"));
    }
}
