//! What an earlier program of the hook has refused with, which stands behind the hook's arguments.
//!
//! How many these are differs between kernels, and between a hook and the function that asks it. So a template calls a
//! helper of its own there (`KRSI_REFUSED` of ebpf-templates/include/krsi_kernel.bpf.h), which is replaced here.

use super::instruction::{Instruction, LOAD_64};

/// The helper's number.
const HELPER: i32 = 0x4b52_5200;
/// The registers in which a call takes its first argument, and gives its result.
const FIRST: u8 = 1;
const RESULT: u8 = 0;
/// Bytes of an argument.
const ARGUMENT: i16 = 8;

/// Whether the program asks for it.
pub fn is_asked(code: &[Instruction]) -> bool {
    code.iter().any(is_marker)
}

/// Puts a load of the word behind so many arguments in the place of each call.
pub fn resolve(code: &mut [Instruction], arguments: u16) {
    let offset = i16::try_from(arguments).unwrap_or(i16::MAX / ARGUMENT) * ARGUMENT;
    for one in code.iter_mut().filter(|one| is_marker(one)) {
        *one = Instruction { code: LOAD_64, dst: RESULT, src: FIRST, offset, immediate: 0 };
    }
}

/// The upper half of a wide load has no opcode, and so is none.
fn is_marker(one: &Instruction) -> bool {
    one.is_call() && one.src == 0 && one.immediate == HELPER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_behind_the_arguments_is_loaded() {
        let call = |src, immediate| Instruction { code: 0x85, dst: 0, src, offset: 0, immediate };
        let mut code = [call(0, HELPER), call(1, HELPER), call(0, 7)];
        assert!(is_asked(&code));
        resolve(&mut code, 3);
        let load = Instruction { code: 0x79, dst: 0, src: 1, offset: 24, immediate: 0 };
        assert_eq!(code, [load, call(1, HELPER), call(0, 7)]);
        assert!(!is_asked(&code));
    }

    #[test]
    fn the_number_is_the_templates_own() {
        let header = include_str!("../../../ebpf-templates/include/krsi_kernel.bpf.h");
        assert!(header.contains(&format!("krsi_refused)(const u64 *context) = (void *){HELPER:#x};")));
    }
}
