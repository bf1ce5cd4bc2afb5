//! The number that the shell gives a program which it loads for several functions: by it they are told apart.
//!
//! It stands for a call of a helper that no kernel has (`krsi_function` of ebpf-templates/_why.bpf.c).

use super::instruction::Instruction;

/// The helper's number.
const HELPER: i32 = 0x4b52_5201;
/// `r0 = IMMEDIATE`.
const MOVE: u8 = 0xb7;

/// Puts the number in the place of each call.
pub fn resolve(code: &mut [Instruction], number: u32) {
    for one in code.iter_mut().filter(|one| one.is_call() && one.src == 0 && one.immediate == HELPER) {
        *one = Instruction { code: MOVE, dst: 0, src: 0, offset: 0, immediate: number.cast_signed() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_for_the_call() {
        let call = |immediate| Instruction { code: 0x85, dst: 0, src: 0, offset: 0, immediate };
        let mut code = [call(HELPER), call(7)];
        resolve(&mut code, 12);
        assert_eq!(code, [Instruction { code: MOVE, dst: 0, src: 0, offset: 0, immediate: 12 }, call(7)]);
    }

    #[test]
    fn the_helper_is_the_objects_own() {
        let source = include_str!("../../../ebpf-templates/_why.bpf.c");
        assert!(source.contains(&format!("krsi_function)(void) = (void *){HELPER:#x};")));
    }
}
