//! Programs before and after, by hand and at random, run by rbpf.

use proptest::prelude::*;

use super::*;

fn put(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, dst, src, offset, immediate }
}

fn program(instructions: Vec<Instruction>, starts: &[usize]) -> Code {
    let functions = starts.iter().map(|start| Function { start: *start, type_id: *start as u32 }).collect();
    Code { instructions, functions }
}

const EXIT: Instruction = Instruction { code: 0x95, dst: 0, src: 0, offset: 0, immediate: 0 };
/// r0 = number
fn answer(number: i32) -> Instruction {
    put(0xb7, 0, 0, 0, number)
}

/// Map 7 has this, 4 bytes at byte 8.
fn constant(value: u32) -> impl Fn(i32, i64, usize) -> Option<u64> {
    move |map, at, width| (map == 7 && at == 8 && width == 4).then_some(value.into())
}

/// if (constant == 1) r0 = f(); else r0 = 2;
fn asks() -> Code {
    program(
        vec![
            put(0x18, 1, pseudo::MAP_VALUE, 0, 7),
            put(0, 0, 0, 0, 8),
            put(0x61, 1, 1, 0, 0), // r1 = *(u32 *)(r1 + 0)
            put(0x55, 1, 0, 2, 1), // if r1 != 1 goto +2
            put(0x85, 0, pseudo::CALL, 0, 3),
            put(0x05, 0, 0, 1, 0), // goto +1
            answer(2),
            EXIT,
            put(0x18, 0, pseudo::MAP, 0, 3),
            put(0, 0, 0, 0, 0),
            EXIT,
        ],
        &[0, 8],
    )
}

#[test]
fn what_a_constant_rules_out_is_gone_with_the_functions_and_maps_that_only_it_named() {
    let folded = fold(&asks(), constant(0)).unwrap();
    assert_eq!(folded, program(vec![answer(2), EXIT], &[0]));
}

#[test]
fn what_a_constant_demands_stays_with_its_calls_where_they_are_now() {
    let folded = fold(&asks(), constant(1)).unwrap();
    // What stands in r1 may be meant for the function.
    let map = [put(0x18, 0, pseudo::MAP, 0, 3), put(0, 0, 0, 0, 0)];
    let mut expected = program(
        [vec![put(0xb7, 1, 0, 0, 1), put(0x85, 0, pseudo::CALL, 0, 1), EXIT], map.to_vec(), vec![EXIT]]
            .concat(),
        &[0, 3],
    );
    expected.functions[1].type_id = 8;
    assert_eq!(folded, expected);
}

#[test]
fn what_is_not_constant_stays_as_it_is() {
    assert_eq!(fold(&asks(), |_, _, _| None).unwrap(), asks());
}

#[test]
fn a_jump_to_nowhere_is_no_program() {
    let code = program(vec![put(0x05, 0, 0, 7, 0), EXIT], &[0]);
    assert_eq!(fold(&code, |_, _, _| None), Err(Stray(0)));
    let code = program(vec![put(0x85, 0, pseudo::CALL, 0, 5), EXIT], &[0]);
    assert_eq!(fold(&code, |_, _, _| None), Err(Stray(0)));
    let code = program(vec![put(0x05, 0, 0, -2, 0), EXIT], &[0]);
    assert_eq!(fold(&code, |_, _, _| None), Err(Stray(0)));
}

/// One step of a random program, and how it stands in the code.
#[derive(Debug, Clone)]
enum Step {
    Compute {
        code: u8,
        dst: u8,
        src: u8,
        immediate: i32,
    },
    Jump {
        code: u8,
        dst: u8,
        src: u8,
        immediate: i32,
        over: usize,
    },
    /// Reads a constant.
    Constant {
        dst: u8,
        value: u64,
    },
    /// Reads what nobody knows beforehand.
    Input {
        dst: u8,
        at: i16,
    },
}

impl Step {
    fn size(&self) -> usize {
        if matches!(self, Step::Constant { .. }) { 3 } else { 1 }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operations = prop::sample::select(vec![
        0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xb0, 0xc0,
    ]);
    let register = || 0_u8..6;
    let immediate = || prop_oneof![any::<i32>(), -3..4_i32, 0..64_i32];
    let computes = (operations, prop::bool::ANY, prop::bool::ANY, register(), register(), immediate())
        .prop_map(|(operation, wide, by_register, dst, src, immediate)| {
            let class = if wide { class::ALU64 } else { class::ALU };
            // A shift by more than there are bits, and a division by nothing, are refused where they stand in the code.
            let shift = matches!(operation, op::LSH | op::RSH | op::ARSH);
            let immediate = if shift { immediate & 31 } else { immediate };
            let divides = matches!(operation, op::DIV | op::MOD);
            let immediate = if divides && immediate == 0 { 3 } else { immediate };
            let by_register = by_register && operation != op::NEG;
            let code = class | operation | if by_register { BY_REGISTER } else { 0 };
            Step::Compute {
                code,
                dst,
                src: if by_register { src } else { 0 },
                immediate: if by_register { 0 } else { immediate },
            }
        });
    let conditions =
        prop::sample::select(vec![0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0]);
    let jumps =
        (conditions, prop::bool::ANY, prop::bool::ANY, register(), register(), immediate(), 0_usize..6)
            .prop_map(|(condition, wide, by_register, dst, src, immediate, over)| {
                let class = if wide { class::JMP } else { class::JMP32 };
                // rbpf does not extend the sign of what an unsigned comparison has in the code, and the kernel does.
                let signed = matches!(condition, op::JSGT | op::JSGE | op::JSLT | op::JSLE);
                let immediate = if signed { immediate } else { immediate & i32::MAX };
                let code = class | condition | if by_register { BY_REGISTER } else { 0 };
                Step::Jump {
                    code,
                    dst,
                    src: if by_register { src } else { 0 },
                    immediate: if by_register { 0 } else { immediate },
                    over,
                }
            });
    let constants = (register(), prop_oneof![any::<u64>(), 0..4_u64, Just(u64::from(u32::MAX))])
        .prop_map(|(dst, value)| Step::Constant { dst, value });
    let inputs = (register(), 0_i16..4).prop_map(|(dst, at)| Step::Input { dst, at: at * 8 });
    prop::collection::vec(prop_oneof![4 => computes, 3 => jumps, 2 => constants, 1 => inputs], 1..60)
}

/// The code of the steps; constants are read from map 7, or stand in it.
fn assembled(steps: &[Step], read: bool) -> Code {
    // r6 keeps what is given.
    let mut code = vec![put(0xbf, 6, 1, 0, 0)];
    code.extend((0..6).map(|register| put(0xb7, register, 0, 0, i32::from(register) * 77 - 100)));
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Compute { code: operation, dst, src, immediate } => {
                code.push(put(*operation, *dst, *src, 0, *immediate));
            }
            Step::Jump { code: operation, dst, src, immediate, over } => {
                let distance: usize = steps.iter().skip(number + 1).take(*over).map(Step::size).sum();
                code.push(put(*operation, *dst, *src, distance as i16, *immediate));
            }
            Step::Constant { dst, value } if read => {
                code.push(put(0x18, *dst, pseudo::MAP_VALUE, 0, 7));
                code.push(put(0, 0, 0, 0, number as i32 * 8));
                code.push(put(0x79, *dst, *dst, 0, 0));
                let _ = value;
            }
            Step::Constant { dst, value } => {
                code.push(put(0x18, *dst, 0, 0, *value as u32 as i32));
                code.push(put(0, 0, 0, 0, (*value >> 32) as u32 as i32));
                code.push(put(0x05, 0, 0, 0, 0));
            }
            Step::Input { dst, at } => code.push(put(0x79, *dst, 6, *at, 0)),
        }
    }
    // All of what came of it.
    code.extend((1..6).map(|register| put(0xaf, 0, register, 0, 0)));
    code.push(EXIT);
    program(code, &[0])
}

fn run(code: &Code, input: &mut [u8]) -> u64 {
    let bytes: Vec<u8> = code.instructions.iter().flat_map(|one| one.bytes()).collect();
    rbpf::EbpfVmRaw::new(Some(&bytes)).unwrap().execute_program(input).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folded_program_answers_as_it_did(steps in steps(), input in any::<[u8; 32]>()) {
        let value = |_: i32, at: i64, _: usize| match steps.get(usize::try_from(at / 8).ok()?)? {
            Step::Constant { value, .. } => Some(*value),
            _ => None,
        };
        let whole = run(&assembled(&steps, false), &mut input.clone());
        let folded = fold(&assembled(&steps, true), value).unwrap();
        let reads = |one: &Instruction| one.is_wide() && one.src == pseudo::MAP_VALUE;
        // What does not fit into one place is read as before.
        if !folded.instructions.iter().any(reads) {
            prop_assert_eq!(run(&folded, &mut input.clone()), whole);
        }
        let again = fold(&assembled(&steps, false), |_, _, _| None).unwrap();
        prop_assert_eq!(run(&again, &mut input.clone()), whole);
        prop_assert!(again.instructions.len() <= assembled(&steps, false).instructions.len());
    }
}
