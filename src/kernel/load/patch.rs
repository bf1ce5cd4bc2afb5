//! A template's object, made this probe's own before anything reads it: its constants, and its filter.
//!
//! Both go into the object's bytes. A constant is a word of `.rodata`; the verifier then prunes what it
//! makes unreachable. A compiled filter is written over the last of the no-ops in `krsi_filter`, its pre-filter over those in `krsi_early_filter`
//! (ebpf-templates/include/krsi_slot.bpf.h), and the jump before them leads to it: the symbol keeps its size,
//! and no relocation stands there, so no loader sees a difference.

use std::os::fd::OwnedFd;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::{
    filter::Compiled,
    kernel::{
        KernelError,
        load::{
            constants::{Constants, SUMMARIES},
            sets,
        },
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

/// The template's object with the constants and the filter, with maps for its sets, in it.
///
/// # Errors
/// If the object has no such constant, or no room for the filter.
pub fn patch(
    template: &Template,
    constants: &Constants,
    filter: Option<(&Compiled, &[OwnedFd])>,
) -> Result<Vec<u8>, KernelError> {
    let object_error = |reason: String| KernelError::Object { template: template.name.clone(), reason };
    let first = filter.and_then(|(filter, _)| filter.first.as_ref());
    let mut bytes = template.object.to_vec();
    for (name, value) in constants.numbers() {
        put_number(&mut bytes, name, value).map_err(object_error)?;
    }
    put_number(&mut bytes, FIRST_FIELDS, first.map_or(0, |first| first.fields)).map_err(object_error)?;
    if !constants.summaries.is_empty() {
        put(&mut bytes, SUMMARIES, &constants.summaries).map_err(object_error)?;
    }
    if let Some((filter, sets)) = filter {
        fill(&mut bytes, FILTER, &sets::bytes_with(&filter.code, sets)).map_err(object_error)?;
        if let Some(first) = first {
            fill(&mut bytes, FIRST_STAGE, &first.code.bytes()).map_err(object_error)?;
        }
    }
    Ok(bytes)
}

/// Writes a constant of 32 bits.
fn put_number(object: &mut [u8], name: &str, value: u32) -> Result<(), String> {
    let place = symbol(object, name).filter(|(_, size)| *size == 4);
    let (start, size) = place.ok_or_else(|| format!("it has no constant `{name}`"))?;
    let room = object.get_mut(start..start + size).ok_or_else(|| format!("its `{name}` is cut off"))?;
    room.copy_from_slice(&value.to_ne_bytes());
    Ok(())
}

/// Writes the beginning of a constant that is larger than a number.
fn put(object: &mut [u8], name: &str, value: &[u8]) -> Result<(), String> {
    let place = symbol(object, name).filter(|(_, size)| *size >= value.len());
    let (start, _) = place.ok_or_else(|| format!("it has no constant `{name}` of {} bytes", value.len()))?;
    let room =
        object.get_mut(start..start + value.len()).ok_or_else(|| format!("its `{name}` is cut off"))?;
    room.copy_from_slice(value);
    Ok(())
}

fn fill(object: &mut [u8], name: &str, code: &[u8]) -> Result<(), String> {
    let (start, size) = symbol(object, name).ok_or_else(|| format!("it has no slot `{name}`"))?;
    // The slot begins with the answer without a filter and the jump, and ends with its exit.
    if code.len() + (BEFORE + 1) * INSTRUCTION > size {
        return Err("its slot for a filter is too small".into());
    }
    let slot = object.get_mut(start..start + size).ok_or("its slot for a filter is cut off")?;
    let begin = size - INSTRUCTION - code.len();
    slot[begin..begin + code.len()].copy_from_slice(code);
    // Counted from behind the jump, which has the distance in its third and fourth byte.
    let distance = i16::try_from(begin / INSTRUCTION - BEFORE).map_err(|error| error.to_string())?;
    let jump = (BEFORE - 1) * INSTRUCTION;
    slot[jump + 2..jump + 4].copy_from_slice(&distance.to_ne_bytes());
    Ok(())
}

/// Where in the file a symbol's bytes lie, and how many there are.
fn symbol(object: &[u8], name: &str) -> Option<(usize, usize)> {
    let elf = object::File::parse(object).ok()?;
    let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(name))?;
    let section = elf.section_by_index(symbol.section_index()?).ok()?;
    let (section_start, _) = section.file_range()?;
    let start = usize::try_from(section_start.checked_add(symbol.address())?).ok()?;
    Some((start, usize::try_from(symbol.size()).ok()?))
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
