//! What Rhai's own library does without a bound, or without a word, done with one.
//!
//! Each of these stands in the place of the library's function of the same name and types, whose documentation holds:
//! it asks for room before it makes something large, looks for signals while it works, and passes on what a function
//! that it calls fails with.

use std::cmp::Ordering;

use rhai::{Array, Blob, Engine, FnPtr, ImmutableString, Map, plugin::*};

use super::{Fallible, runtime};
use crate::script::{Fault, value};

/// Items between two looks at signals and memory.
const ITEMS_A_LOOK: usize = 4096;
/// What an item of an array takes itself.
const ITEM: usize = size_of::<Dynamic>();
/// How deep values may be nested that are moved and not copied: a copy is noticed by the memory that it takes.
const DEPTH: usize = 200;

/// An array of them, as far as there is room.
fn gather<T: Into<Dynamic>>(
    context: &NativeCallContext,
    items: impl IntoIterator<Item = T>,
) -> Fallible<Array> {
    let runtime = runtime(context)?;
    let mut array = Array::new();
    for item in items {
        if array.len().is_multiple_of(ITEMS_A_LOOK) {
            runtime.go_on()?;
        }
        array.push(item.into());
    }
    Ok(array)
}

fn texts<'t>(context: &NativeCallContext, parts: impl IntoIterator<Item = &'t str>) -> Fallible<Array> {
    gather(context, parts.into_iter().map(ImmutableString::from))
}

/// The number of parts that `split` is told; less than one is none.
fn parts(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn replaced(context: &NativeCallContext, text: &str, from: &str, to: &str) -> Fallible<ImmutableString> {
    let growth = to.len().saturating_sub(from.len()).saturating_mul(text.matches(from).count());
    runtime(context)?.room(text.len().saturating_add(growth))?;
    Ok(text.replace(from, to).into())
}

/// A length that something is made of; negative is nothing.
fn length(context: &NativeCallContext, length: i64, each: usize) -> Fallible<usize> {
    let length = usize::try_from(length).unwrap_or_default();
    runtime(context)?.room(length.saturating_mul(each))?;
    Ok(length)
}

fn padded(context: &NativeCallContext, text: &mut ImmutableString, long: i64, with: &str) -> Fallible<()> {
    let missing = usize::try_from(long).unwrap_or_default().saturating_sub(text.chars().count());
    if missing == 0 || with.is_empty() {
        return Ok(());
    }
    let characters = with.chars().count();
    let (whole, rest) = (missing / characters, missing % characters);
    runtime(context)?.room((whole + 1).saturating_mul(with.len()))?;
    let text = text.make_mut();
    text.push_str(&with.repeat(whole));
    text.extend(with.chars().take(rest));
    Ok(())
}

/// A byte, as a blob is given one.
fn byte(value: i64) -> u8 {
    value.to_le_bytes()[0]
}

/// A value that leaves its place without a copy.
fn moved(value: Dynamic) -> Fallible<Dynamic> {
    if is_deeper(&value, DEPTH) {
        // It is not dropped level by level, but as a queue.
        flatten(value);
        return Err(Fault::script(format!("a value is nested more than {DEPTH} deep")).into());
    }
    Ok(value)
}

fn is_deeper(value: &Dynamic, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return true };
    if let Ok(items) = value.as_array_ref() {
        items.iter().any(|item| is_deeper(item, levels))
    } else if let Ok(map) = value.as_map_ref() {
        map.values().any(|item| is_deeper(item, levels))
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        function.curry().iter().any(|item| !item.is_shared() && is_deeper(item, levels))
    } else {
        false
    }
}

/// Drops a value of any depth.
fn flatten(value: Dynamic) {
    let mut left = vec![value];
    while let Some(mut value) = left.pop() {
        if let Ok(mut items) = value.as_array_mut() {
            left.append(&mut items);
        } else if let Ok(mut map) = value.as_map_mut() {
            left.extend(std::mem::take(&mut *map).into_values());
        }
    }
}

/// Merges until it is sorted; stable. The library's own goes on when the function fails, and panics when it contradicts
/// itself.
fn sorted(
    mut items: Array,
    compare: &mut dyn FnMut(&Dynamic, &Dynamic) -> Fallible<Ordering>,
) -> Fallible<Array> {
    if items.len() < 2 {
        return Ok(items);
    }
    let right = items.split_off(items.len() / 2);
    let left = sorted(items, compare)?;
    let right = sorted(right, compare)?;
    let mut merged = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a, b)?.is_gt() { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

fn sorted_by(context: &NativeCallContext, array: Array, function: &FnPtr, name: &str) -> Fallible<Array> {
    sorted(array, &mut |a, b| {
        let said = function.call_raw(context, None, [a.clone(), b.clone()])?;
        if let Ok(number) = said.as_int() {
            return Ok(number.cmp(&0));
        }
        let first = said.as_bool().map_err(|_| {
            Fault::script(format!(
                "`{name}` needs a number or true or false of its function, not {}",
                super::a(&said)
            ))
        })?;
        Ok(if first { Ordering::Less } else { Ordering::Greater })
    })
}

#[export_module]
mod functions {
    // ---- what takes memory --------------------------------------------------

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_char(
        context: NativeCallContext,
        text: &mut ImmutableString,
        long: i64,
        with: char,
    ) -> Fallible<()> {
        padded(&context, text, long, with.encode_utf8(&mut [0; 4]))
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_text(
        context: NativeCallContext,
        text: &mut ImmutableString,
        long: i64,
        with: &str,
    ) -> Fallible<()> {
        padded(&context, text, long, with)
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_array(
        context: NativeCallContext,
        array: &mut Array,
        long: i64,
        with: Dynamic,
    ) -> Fallible<()> {
        let long = length(&context, long, ITEM)?;
        let runtime = runtime(&context)?;
        while array.len() < long {
            if array.len().is_multiple_of(ITEMS_A_LOOK) || !(with.is_int() || with.is_unit()) {
                runtime.go_on()?;
            }
            array.push(with.clone());
        }
        Ok(())
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_blob(context: NativeCallContext, blob: &mut Blob, long: i64, with: i64) -> Fallible<()> {
        let long = length(&context, long, 1)?;
        if long > blob.len() {
            blob.resize(long, byte(with));
        }
        Ok(())
    }

    #[rhai_fn(name = "blob", return_raw)]
    pub fn blob_of_zeros(context: NativeCallContext, long: i64) -> Fallible<Blob> {
        Ok(vec![0; length(&context, long, 1)?])
    }

    #[rhai_fn(name = "blob", return_raw)]
    pub fn blob_of(context: NativeCallContext, long: i64, of: i64) -> Fallible<Blob> {
        Ok(vec![byte(of); length(&context, long, 1)?])
    }

    #[rhai_fn(name = "to_array", return_raw)]
    pub fn blob_to_array(context: NativeCallContext, blob: Blob) -> Fallible<Array> {
        gather(&context, blob.into_iter().map(i64::from))
    }

    #[rhai_fn(return_raw)]
    pub fn to_chars(context: NativeCallContext, text: &str) -> Fallible<Array> {
        gather(&context, text.chars())
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn split_space(context: NativeCallContext, text: &str) -> Fallible<Array> {
        texts(&context, text.split_whitespace())
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn split_text(context: NativeCallContext, text: &str, at: &str) -> Fallible<Array> {
        texts(&context, text.split(at))
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn split_char(context: NativeCallContext, text: &str, at: char) -> Fallible<Array> {
        texts(&context, text.split(at))
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn splitn_text(context: NativeCallContext, text: &str, at: &str, number: i64) -> Fallible<Array> {
        texts(&context, text.splitn(parts(number), at))
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn splitn_char(context: NativeCallContext, text: &str, at: char, number: i64) -> Fallible<Array> {
        texts(&context, text.splitn(parts(number), at))
    }

    #[rhai_fn(name = "split_rev", return_raw)]
    pub fn rsplit_text(context: NativeCallContext, text: &str, at: &str) -> Fallible<Array> {
        texts(&context, text.rsplit(at))
    }

    #[rhai_fn(name = "split_rev", return_raw)]
    pub fn rsplit_char(context: NativeCallContext, text: &str, at: char) -> Fallible<Array> {
        texts(&context, text.rsplit(at))
    }

    #[rhai_fn(name = "split_rev", return_raw)]
    pub fn rsplitn_text(context: NativeCallContext, text: &str, at: &str, number: i64) -> Fallible<Array> {
        texts(&context, text.rsplitn(parts(number), at))
    }

    #[rhai_fn(name = "split_rev", return_raw)]
    pub fn rsplitn_char(context: NativeCallContext, text: &str, at: char, number: i64) -> Fallible<Array> {
        texts(&context, text.rsplitn(parts(number), at))
    }

    #[rhai_fn(name = "replace", return_raw)]
    pub fn replace_text(
        context: NativeCallContext,
        text: &mut ImmutableString,
        from: &str,
        to: &str,
    ) -> Fallible<()> {
        *text = replaced(&context, text, from, to)?;
        Ok(())
    }

    #[rhai_fn(name = "replace", return_raw)]
    pub fn replace_by_char(
        context: NativeCallContext,
        text: &mut ImmutableString,
        from: &str,
        to: char,
    ) -> Fallible<()> {
        *text = replaced(&context, text, from, to.encode_utf8(&mut [0; 4]))?;
        Ok(())
    }

    #[rhai_fn(name = "replace", return_raw)]
    pub fn replace_char(
        context: NativeCallContext,
        text: &mut ImmutableString,
        from: char,
        to: &str,
    ) -> Fallible<()> {
        *text = replaced(&context, text, from.encode_utf8(&mut [0; 4]), to)?;
        Ok(())
    }

    #[rhai_fn(name = "to_json", return_raw)]
    pub fn map_to_json(context: NativeCallContext, map: Map) -> Fallible<String> {
        let long = map.values().map(value::weight).fold(0, usize::saturating_add);
        runtime(&context)?.room(long)?;
        Ok(serde_json::Value::Object(value::to_object(&map)).to_string())
    }

    // ---- what moves values ----------------------------------------------------

    #[rhai_fn(return_raw)]
    pub fn take(value: &mut Dynamic) -> Fallible<Dynamic> {
        moved(std::mem::take(value))
    }

    #[rhai_fn(return_raw)]
    pub fn pop(array: &mut Array) -> Fallible<Dynamic> {
        moved(array.pop().unwrap_or_default())
    }

    #[rhai_fn(return_raw)]
    pub fn shift(array: &mut Array) -> Fallible<Dynamic> {
        if array.is_empty() { Ok(Dynamic::UNIT) } else { moved(array.remove(0)) }
    }

    #[rhai_fn(name = "remove", return_raw)]
    pub fn remove_item(array: &mut Array, index: i64) -> Fallible<Dynamic> {
        let long = i64::try_from(array.len()).unwrap_or(i64::MAX);
        let from_start = if index < 0 { index.saturating_add(long) } else { index };
        let index = usize::try_from(from_start).ok().filter(|index| *index < array.len());
        index.map_or(Ok(Dynamic::UNIT), |index| moved(array.remove(index)))
    }

    #[rhai_fn(name = "remove", return_raw)]
    pub fn remove_entry(map: &mut Map, name: &str) -> Fallible<Dynamic> {
        moved(map.remove(name).unwrap_or_default())
    }

    // ---- what calls functions -------------------------------------------------

    #[rhai_fn(name = "sort", name = "sort_by", return_raw)]
    pub fn sort_by(context: NativeCallContext, array: &mut Array, compare: FnPtr) -> Fallible<()> {
        *array = sorted_by(&context, array.clone(), &compare, "sort")?;
        Ok(())
    }

    #[rhai_fn(name = "order", name = "order_by", return_raw)]
    pub fn order_by(context: NativeCallContext, array: Array, compare: FnPtr) -> Fallible<Array> {
        sorted_by(&context, array, &compare, "order")
    }

    #[rhai_fn(name = "dedup", return_raw)]
    pub fn dedup_by(context: NativeCallContext, array: &mut Array, same: FnPtr) -> Fallible<()> {
        let mut kept = Array::new();
        for item in array.iter() {
            let is_same = match kept.last() {
                Some(last) => same.call_within_context::<bool>(&context, (last.clone(), item.clone()))?,
                None => false,
            };
            if !is_same {
                kept.push(item.clone());
            }
        }
        *array = kept;
        Ok(())
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
