//! Iterator programs (`iter/…`): run once, and read to the end.

use std::io::Read;

use aya::programs::Iter;

use crate::kernel::errno::chain;

/// Runs a loaded iterator once: all it wrote.
///
/// # Errors
/// If it cannot be attached or read.
pub fn output(program: &mut Iter) -> Result<Vec<u8>, String> {
    let link = program.attach().map_err(|e| chain(&e))?;
    let link = program.take_link(link).map_err(|e| chain(&e))?;
    let mut bytes = Vec::new();
    link.into_file().map_err(|e| chain(&e))?.read_to_end(&mut bytes).map_err(|e| chain(&e))?;
    Ok(bytes)
}
