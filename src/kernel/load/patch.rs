//! A template's object, made this probe's own before anything reads it: its constants, and its filter.
//!
//! Both go into the object's bytes. A constant is a word of `.rodata`; the verifier then prunes what it
//! makes unreachable. A compiled filter is written over the last of the no-ops in `krsi_filter`, its pre-filter over those in `krsi_early_filter`
//! (ebpf-templates/include/krsi_slot.bpf.h), and the jump before them leads to it: the symbol keeps its size,
//! and no relocation stands there, so no loader sees a difference.

use std::{collections::HashMap, ops::Range};

use object::{Object, ObjectSection, ObjectSymbol};

use crate::{
    filter::Compiled,
    kernel::{
        KernelError,
        load::{constants::Constants, object::FIRST_SET},
    },
    template::Template,
};

const FILTER: &str = "krsi_filter";
const FIRST_STAGE: &str = "krsi_early_filter";
/// The constant that says which fields the pre-filter needs.
const FIRST_FIELDS: &str = "krsi_early_fields";
const INSTRUCTION: usize = 8;
/// Instructions before the no-ops.
const BEFORE: usize = 2;

/// The template's object with the constants and the filter in it, the maps of its sets by their numbers.
///
/// # Errors
/// If the object has no such constant, or no room for the filter.
pub fn patch(
    template: &Template,
    constants: &Constants,
    filter: Option<&Compiled>,
) -> Result<Vec<u8>, KernelError> {
    let object_error = |reason: String| KernelError::Object { template: template.name.clone(), reason };
    let first = filter.and_then(|filter| filter.first.as_ref());
    let places = places(template.object()).map_err(object_error)?;
    let mut bytes = template.object().to_vec();
    let first_fields = (FIRST_FIELDS, first.map_or(0, |first| first.fields));
    for (name, value) in constants.numbers().into_iter().chain([first_fields]) {
        put(&mut bytes, &places, name, &value.to_ne_bytes()).map_err(object_error)?;
    }
    for (name, value) in constants.bytes() {
        put(&mut bytes, &places, name, &value).map_err(object_error)?;
    }
    if let Some(filter) = filter {
        let numbers: Vec<i32> = (FIRST_SET..).take(filter.code.maps()).collect();
        fill(&mut bytes, &places, FILTER, &filter.code.bytes_with(&numbers)).map_err(object_error)?;
        if let Some(first) = first {
            fill(&mut bytes, &places, FIRST_STAGE, &first.code.bytes()).map_err(object_error)?;
        }
    }
    Ok(bytes)
}

/// An object that is no template's with these constants in it.
///
/// # Errors
/// If it has no such constant.
pub fn with_numbers(object: &[u8], numbers: &[(&str, u32)]) -> Result<Vec<u8>, String> {
    let places = places(object)?;
    let mut bytes = object.to_vec();
    for (name, value) in numbers {
        put(&mut bytes, &places, name, &value.to_ne_bytes())?;
    }
    Ok(bytes)
}

/// Where in the file the bytes of each symbol lie.
type Places = HashMap<String, Range<usize>>;

/// Writes the beginning of a constant.
fn put(object: &mut [u8], places: &Places, name: &str, value: &[u8]) -> Result<(), String> {
    let place = places.get(name).filter(|place| place.len() >= value.len());
    let place = place.ok_or_else(|| format!("it has no constant `{name}` of {} bytes", value.len()))?;
    let room = object.get_mut(place.start..place.start + value.len());
    room.ok_or_else(|| format!("its `{name}` is cut off"))?.copy_from_slice(value);
    Ok(())
}

fn fill(object: &mut [u8], places: &Places, name: &str, code: &[u8]) -> Result<(), String> {
    let place = places.get(name).ok_or_else(|| format!("it has no slot `{name}`"))?;
    // The slot begins with the answer without a filter and the jump, and ends with its exit.
    if code.len() + (BEFORE + 1) * INSTRUCTION > place.len() {
        return Err("its slot for a filter is too small".into());
    }
    let begin = place.len() - INSTRUCTION - code.len();
    let slot = object.get_mut(place.clone()).ok_or("its slot for a filter is cut off")?;
    slot[begin..begin + code.len()].copy_from_slice(code);
    // Counted from behind the jump, which has the distance in its third and fourth byte.
    let distance = i16::try_from(begin / INSTRUCTION - BEFORE).map_err(|error| error.to_string())?;
    let jump = (BEFORE - 1) * INSTRUCTION;
    slot[jump + 2..jump + 4].copy_from_slice(&distance.to_ne_bytes());
    Ok(())
}

fn places(object: &[u8]) -> Result<Places, String> {
    let elf = object::File::parse(object).map_err(|error| error.to_string())?;
    let place = |symbol: &object::Symbol<'_, '_>| {
        let section = elf.section_by_index(symbol.section_index()?).ok()?;
        let (section_start, _) = section.file_range()?;
        let start = usize::try_from(section_start.checked_add(symbol.address())?).ok()?;
        let end = start.checked_add(usize::try_from(symbol.size()).ok()?)?;
        Some((symbol.name().ok()?.to_owned(), start..end))
    };
    Ok(elf.symbols().filter_map(|symbol| place(&symbol)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        filter::{CAPACITY, FIRST_CAPACITY},
        template::shapes::Shapes,
    };

    #[test]
    fn slots_are_as_large_as_filters_may_be() {
        let shapes = Shapes::of("file_open");
        for (slot, capacity) in [(FILTER, CAPACITY), (FIRST_STAGE, FIRST_CAPACITY)] {
            assert_eq!(shapes.symbol(slot), (BEFORE + capacity + 1) * INSTRUCTION, "{slot}");
        }
    }
}
