//! A compiled filter goes where the template has reserved room for it: over the last of the
//! no-ops in `krsi_filter` (ebpf-templates/include/krsi_engine.bpf.h), in the object's bytes, before
//! anything reads them. The symbol keeps its size, and no relocation stands there, so no
//! loader sees a difference.

use std::borrow::Cow;

use object::{Object, ObjectSection, ObjectSymbol};

use super::KernelError;
use crate::{filter::Compiled, template::Template};

const SYMBOL: &str = "krsi_filter";
const INSTRUCTION: usize = 8;

/// The template's object with the filter in it.
///
/// # Errors
/// If the object has no such slot, or it is too small.
pub fn filled<'a>(template: &'a Template, filter: Option<&Compiled>) -> Result<Cow<'a, [u8]>, KernelError> {
    let object: &'a [u8] = &template.object;
    let Some(filter) = filter else { return Ok(Cow::Borrowed(object)) };
    let broken =
        |reason: &str| KernelError::Object { template: template.name.clone(), reason: reason.to_owned() };
    let (start, size) = slot(object).ok_or_else(|| broken("it has no slot for a filter"))?;
    let code = filter.code.bytes();
    // The first instruction of the slot is the answer without a filter, the last its exit.
    if code.len() + 2 * INSTRUCTION > size {
        return Err(broken("its slot for a filter is too small"));
    }
    let end = start + size - INSTRUCTION;
    let mut bytes = object.to_vec();
    bytes
        .get_mut(end - code.len()..end)
        .ok_or_else(|| broken("its slot for a filter is cut off"))?
        .copy_from_slice(&code);
    Ok(Cow::Owned(bytes))
}

/// Where in the file the slot lies, and its size in bytes.
fn slot(object: &[u8]) -> Option<(usize, usize)> {
    let elf = object::File::parse(object).ok()?;
    let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(SYMBOL))?;
    let section = elf.section_by_index(symbol.section_index()?).ok()?;
    let (section_start, _) = section.file_range()?;
    let start = usize::try_from(section_start + symbol.address()).ok()?;
    Some((start, usize::try_from(symbol.size()).ok()?))
}
