//! Removes from a program what this probe does not use, before the verifier sees it.
//!
//! In: a program with all its functions, and what its constants are. Out: the same program, in which every constant
//! that is read is a number in the code, what a comparison of numbers rules out is gone, and so is each function
//! that nothing calls and each result that nothing uses. What is gone is neither verified nor run, and the maps that only it
//! named need not be made.
//!
//! Sparse conditional constant propagation (Wegman and Zadeck, 1991) over the registers of each function, then removal of
//! dead code by liveness. Memory is not followed: a number that is written to the stack and read again is not known.

use std::collections::BTreeSet;

use super::instruction::{BY_REGISTER, Instruction, class, operation as op, pseudo};

/// A program: its first function is where it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub instructions: Vec<Instruction>,
    pub functions: Vec<Function>,
}

/// Where a function begins, and its type in the object's BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    pub start: usize,
    pub type_id: u32,
}

/// Why a program cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("instruction {0} leads to where there is none")]
pub struct Stray(pub usize);

const REGISTERS: usize = 11;

/// What a register is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Unknown,
    Number(u64),
    /// The address of a byte of a map's one value.
    Address {
        map: i32,
        at: i64,
    },
}

type State = [Value; REGISTERS];

/// An instruction with what belongs to it.
#[derive(Debug, Clone, Copy)]
struct Operation {
    instruction: Instruction,
    /// The upper half of a wide load.
    upper: Option<Instruction>,
    /// Of a jump: the operation that it leads to.
    target: Option<usize>,
    /// Of a call, or of a function's address: the number of the function.
    callee: Option<usize>,
}

/// Folds the program. `constant` gives the bytes of a map's value that nobody ever writes to, as a number: which map, at
/// which byte, how many.
///
/// # Errors
/// If a jump or a call leads out of the program.
pub fn fold(code: &Code, constant: impl Fn(i32, i64, usize) -> Option<u64>) -> Result<Code, Stray> {
    let (operations, begins) = parse(code)?;
    let ranges: Vec<_> = begins
        .iter()
        .zip(begins.iter().skip(1).chain([&operations.len()]))
        .map(|(begin, end)| *begin..*end)
        .collect();
    let mut folded: Vec<Option<Vec<Operation>>> = vec![None; ranges.len()];
    let mut waiting = vec![0];
    while let Some(function) = waiting.pop() {
        let Some(range) = ranges.get(function) else { continue };
        if folded[function].is_some() {
            continue;
        }
        let body = fold_function(&operations[range.clone()], range.start, &constant)?;
        waiting.extend(body.iter().filter_map(|operation| operation.callee));
        folded[function] = Some(body);
    }
    Ok(assemble(code, &folded))
}

/// The program as operations, and the numbers of those with which functions begin.
fn parse(code: &Code) -> Result<(Vec<Operation>, Vec<usize>), Stray> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut number_at = vec![None; code.instructions.len() + 1];
    let mut at = 0;
    while let Some(instruction) = code.instructions.get(at) {
        number_at[at] = Some(operations.len());
        let upper = if instruction.is_wide() { code.instructions.get(at + 1).copied() } else { None };
        operations.push(Operation { instruction: *instruction, upper, target: None, callee: None });
        at += 1 + usize::from(instruction.is_wide());
    }
    let function_at = |at: usize| code.functions.iter().position(|function| function.start == at);
    for at in 0..code.instructions.len() {
        let Some(number) = number_at[at] else { continue };
        let Instruction { src, offset, immediate, .. } = operations[number].instruction;
        let instruction = operations[number].instruction;
        let to = |distance: i64| usize::try_from(at as i64 + 1 + distance).map_err(|_| Stray(at));
        if instruction.is_call() && src == pseudo::CALL || instruction.is_wide() && src == pseudo::FUNCTION {
            operations[number].callee = Some(function_at(to(immediate.into())?).ok_or(Stray(at))?);
        } else if instruction.is_jump_class() && !instruction.is_call() && !instruction.is_exit() {
            let long = instruction.class() == class::JMP32 && instruction.operation() == op::JA;
            let distance = if long { i64::from(immediate) } else { i64::from(offset) };
            let target = number_at.get(to(distance)?).copied().flatten().ok_or(Stray(at))?;
            operations[number].target = Some(target);
        }
    }
    let begins =
        code.functions.iter().map(|f| number_at.get(f.start).copied().flatten().ok_or(Stray(f.start)));
    let begins = begins.collect::<Result<Vec<_>, _>>()?;
    Ok((operations, begins))
}

/// One function, whose jumps count from the beginning of the program.
fn fold_function(
    body: &[Operation],
    start: usize,
    constant: &impl Fn(i32, i64, usize) -> Option<u64>,
) -> Result<Vec<Operation>, Stray> {
    let mut body = body.to_vec();
    for (at, operation) in body.iter_mut().enumerate() {
        if let Some(target) = &mut operation.target {
            *target = target.checked_sub(start).ok_or(Stray(start + at))?;
        }
    }
    let length = body.len();
    if body.iter().any(|operation| operation.target.is_some_and(|target| target >= length)) {
        return Err(Stray(start));
    }
    let states = states(&body, constant);
    let mut kept: Vec<bool> = states.iter().map(Option::is_some).collect();
    for (operation, state) in body.iter_mut().zip(&states) {
        if let Some(state) = state {
            simplify(operation, state, constant);
        }
    }
    // A jump that is gone uses nothing any more.
    while remove_unused(&body, &mut kept) | remove_idle_jumps(&body, &mut kept) {}
    Ok(compact(&body, &kept))
}

/// What is known before each operation; `None` where none ever comes by.
fn states(body: &[Operation], constant: &impl Fn(i32, i64, usize) -> Option<u64>) -> Vec<Option<State>> {
    let mut states: Vec<Option<State>> = vec![None; body.len()];
    if states.is_empty() {
        return states;
    }
    states[0] = Some([Value::Unknown; REGISTERS]);
    // In the order of the code, which leads forwards nearly everywhere: so most are looked at once.
    let mut waiting = BTreeSet::from([0]);
    while let Some(at) = waiting.pop_first() {
        let Some(before) = states[at] else { continue };
        let operation = &body[at];
        let after = after(operation, &before, constant);
        let (next, jump) = ways(operation, &before);
        let targets = next.then_some(at + 1).into_iter().chain(operation.target.filter(|_| jump));
        for to in targets {
            let Some(state) = states.get_mut(to) else { continue };
            let joined = state.map_or(after, |known| join(&known, &after));
            if *state != Some(joined) {
                *state = Some(joined);
                waiting.insert(to);
            }
        }
    }
    states
}

fn join(one: &State, other: &State) -> State {
    std::array::from_fn(
        |register| if one[register] == other[register] { one[register] } else { Value::Unknown },
    )
}

/// Whether the operation may go on to the next one, and whether it may jump.
fn ways(operation: &Operation, before: &State) -> (bool, bool) {
    let instruction = operation.instruction;
    if instruction.is_exit() {
        return (false, false);
    }
    if !instruction.is_jump_class() || instruction.is_call() {
        return (true, false);
    }
    match instruction.operation() {
        op::JA => (false, true),
        op::JCOND => (true, true),
        _ => match compare(instruction, before) {
            Some(jumps) => (!jumps, jumps),
            None => (true, true),
        },
    }
}

fn number_in(state: &State, register: u8) -> Option<u64> {
    match state.get(usize::from(register)) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

/// The second operand, sign-extended where it stands in the code.
fn operand(instruction: Instruction, state: &State) -> Option<u64> {
    if instruction.by_register() {
        number_in(state, instruction.src)
    } else {
        Some(i64::from(instruction.immediate).cast_unsigned())
    }
}

/// Whether a conditional jump jumps, if that is known.
fn compare(instruction: Instruction, state: &State) -> Option<bool> {
    let (mut one, mut other) = (number_in(state, instruction.dst)?, operand(instruction, state)?);
    let (mut signed_one, mut signed_other) = (one.cast_signed(), other.cast_signed());
    if instruction.class() == class::JMP32 {
        let low = |number: u64| number & u64::from(u32::MAX);
        let signed = |number: u64| i64::from((number & u64::from(u32::MAX)) as u32 as i32);
        (signed_one, signed_other) = (signed(one), signed(other));
        (one, other) = (low(one), low(other));
    }
    Some(match instruction.operation() {
        op::JEQ => one == other,
        op::JNE => one != other,
        op::JGT => one > other,
        op::JGE => one >= other,
        op::JLT => one < other,
        op::JLE => one <= other,
        op::JSET => one & other != 0,
        op::JSGT => signed_one > signed_other,
        op::JSGE => signed_one >= signed_other,
        op::JSLT => signed_one < signed_other,
        op::JSLE => signed_one <= signed_other,
        _ => return None,
    })
}

/// What is known behind an operation.
fn after(operation: &Operation, before: &State, constant: &impl Fn(i32, i64, usize) -> Option<u64>) -> State {
    let mut state = *before;
    let instruction = operation.instruction;
    for register in written(operation) {
        state[usize::from(register).min(REGISTERS - 1)] = Value::Unknown;
    }
    let value = result(operation, before, constant);
    if value != Value::Unknown {
        state[usize::from(instruction.dst).min(REGISTERS - 1)] = value;
    }
    state
}

/// What an operation that computes or loads leaves in its register.
fn result(
    operation: &Operation,
    before: &State,
    constant: &impl Fn(i32, i64, usize) -> Option<u64>,
) -> Value {
    const MEMORY: u8 = 0x60;
    let instruction = operation.instruction;
    match instruction.class() {
        class::LD => match (instruction.is_wide(), instruction.src, operation.upper) {
            (true, 0, Some(upper)) => {
                let lower = u64::from(instruction.immediate.cast_unsigned());
                Value::Number(u64::from(upper.immediate.cast_unsigned()) << 32 | lower)
            }
            (true, pseudo::MAP_VALUE, Some(upper)) => {
                Value::Address { map: instruction.immediate, at: upper.immediate.into() }
            }
            _ => Value::Unknown,
        },
        class::LDX if instruction.access() == MEMORY => match before[usize::from(instruction.src).min(10)] {
            Value::Address { map, at } => {
                let read = constant(map, at.wrapping_add(instruction.offset.into()), instruction.width());
                read.map_or(Value::Unknown, Value::Number)
            }
            _ => Value::Unknown,
        },
        class::ALU | class::ALU64 => computed(instruction, before),
        _ => Value::Unknown,
    }
}

fn computed(instruction: Instruction, before: &State) -> Value {
    let wide = instruction.class() == class::ALU64;
    let dst = before[usize::from(instruction.dst).min(10)];
    // A signed division or an extending move, of which no template has one.
    if instruction.offset != 0 {
        return Value::Unknown;
    }
    if wide && instruction.operation() == op::MOV && instruction.by_register() {
        return before[usize::from(instruction.src).min(10)];
    }
    if let (true, Value::Address { map, at }) = (wide, dst) {
        let moved = operand(instruction, before).map(u64::cast_signed);
        return match (instruction.operation(), moved) {
            (op::ADD, Some(by)) => Value::Address { map, at: at.wrapping_add(by) },
            (op::SUB, Some(by)) => Value::Address { map, at: at.wrapping_sub(by) },
            (op::MOV, Some(number)) => Value::Number(number.cast_unsigned()),
            _ => Value::Unknown,
        };
    }
    let Some(other) = operand(instruction, before) else { return Value::Unknown };
    if instruction.operation() == op::MOV {
        return Value::Number(if wide { other } else { other & u64::from(u32::MAX) });
    }
    let Value::Number(one) = dst else { return Value::Unknown };
    let number = if wide {
        arithmetic(instruction.operation(), one, other, 64)
    } else {
        let low = u64::from(u32::MAX);
        arithmetic(instruction.operation(), one & low, other & low, 32).map(|number| number & low)
    };
    number.map_or(Value::Unknown, Value::Number)
}

/// Of numbers with so many bits; what stands above them in the answer means nothing.
fn arithmetic(operation: u8, one: u64, other: u64, bits: u32) -> Option<u64> {
    let by = (other & u64::from(bits - 1)) as u32;
    Some(match operation {
        op::ADD => one.wrapping_add(other),
        op::SUB => one.wrapping_sub(other),
        op::MUL => one.wrapping_mul(other),
        op::DIV => one.checked_div(other)?,
        op::MOD => one.checked_rem(other)?,
        op::OR => one | other,
        op::AND => one & other,
        op::XOR => one ^ other,
        op::LSH => one << by,
        op::RSH => one >> by,
        op::ARSH if bits == 64 => (one.cast_signed() >> by).cast_unsigned(),
        op::ARSH => u64::from(((one as u32 as i32) >> by).cast_unsigned()),
        op::NEG => one.wrapping_neg(),
        _ => return None,
    })
}

/// Puts a number in the place of what computes or reads it, and a plain jump in that of one that always jumps.
fn simplify(operation: &mut Operation, before: &State, constant: &impl Fn(i32, i64, usize) -> Option<u64>) {
    let instruction = operation.instruction;
    match instruction.class() {
        class::LDX | class::ALU | class::ALU64 => {
            if let Value::Number(number) = result(operation, before, constant)
                && let Some(load) = load_number(instruction.dst, number)
            {
                operation.instruction = load;
            } else {
                put_operand(&mut operation.instruction, before);
            }
        }
        class::JMP | class::JMP32 if operation.target.is_some() => {
            let conditional = !matches!(instruction.operation(), op::JA | op::JCOND);
            match compare(instruction, before).filter(|_| conditional) {
                Some(true) => {
                    operation.instruction =
                        Instruction { code: class::JMP | op::JA, ..Instruction::default() };
                }
                // Goes on, which the lowest jump does as well.
                Some(false) => *operation = NOTHING,
                None => put_operand(&mut operation.instruction, before),
            }
        }
        _ => {}
    }
}

/// Puts a number in the place of a register that holds it, where that has room for it.
fn put_operand(instruction: &mut Instruction, before: &State) {
    let computes = matches!(instruction.class(), class::ALU | class::ALU64);
    let plain = !matches!(instruction.operation(), op::END | op::NEG) && instruction.offset == 0;
    let compares = instruction.is_jump_class() && !matches!(instruction.operation(), op::JA | op::JCOND);
    if !instruction.by_register() || !(computes && plain || compares) {
        return;
    }
    let Some(number) = number_in(before, instruction.src) else { return };
    let narrow = matches!(instruction.class(), class::ALU | class::JMP32);
    // Of 32 bits any will do; 64 bits are made of them with their sign.
    let immediate =
        if narrow { Some(number as u32 as i32) } else { i32::try_from(number.cast_signed()).ok() };
    let shifts = computes && matches!(instruction.operation(), op::LSH | op::RSH | op::ARSH);
    let divides = computes && matches!(instruction.operation(), op::DIV | op::MOD);
    let bits = if narrow { 32 } else { 64 };
    // What the kernel refuses where it stands in the code; and how a sign is extended is not agreed on by all machines.
    let refused = |number: i32| {
        shifts && !(0..bits).contains(&number) || divides && number == 0 || compares && number < 0
    };
    if let Some(immediate) = immediate.filter(|number| !refused(*number)) {
        instruction.code &= !BY_REGISTER;
        (instruction.src, instruction.immediate) = (0, immediate);
    }
}

/// Computes nothing that is used: r0 = r0, which is taken out wherever it stands.
const NOTHING: Operation = Operation {
    instruction: Instruction {
        code: class::ALU64 | op::MOV | BY_REGISTER,
        dst: NOWHERE,
        src: NOWHERE,
        offset: 0,
        immediate: 0,
    },
    upper: None,
    target: None,
    callee: None,
};
/// No register.
const NOWHERE: u8 = 15;

/// The shortest instruction that leaves the number in the register, if there is one of one place.
fn load_number(dst: u8, number: u64) -> Option<Instruction> {
    let put = |class: u8, immediate: i32| Instruction {
        code: class | op::MOV,
        dst,
        immediate,
        ..Default::default()
    };
    if let Ok(immediate) = i32::try_from(number.cast_signed()) {
        return Some(put(class::ALU64, immediate));
    }
    u32::try_from(number).ok().map(|low| put(class::ALU, low.cast_signed()))
}

/// The registers that an operation writes.
fn written(operation: &Operation) -> impl Iterator<Item = u8> + use<> {
    const ATOMIC: u8 = 0xc0;
    const FETCHES: i32 = 1;
    const COMPARE_EXCHANGE: i32 = 0xf1;
    let instruction = operation.instruction;
    let registers = match instruction.class() {
        class::LD if !instruction.is_wide() => 0..6,
        class::LD | class::LDX | class::ALU | class::ALU64 => instruction.dst..instruction.dst + 1,
        class::STX if instruction.access() == ATOMIC && instruction.immediate & FETCHES != 0 => {
            let register = if instruction.immediate == COMPARE_EXCHANGE { 0 } else { instruction.src };
            register..register + 1
        }
        class::JMP if instruction.is_call() => 0..6,
        _ => 0..0,
    };
    registers.filter(|register| *register != NOWHERE)
}

/// The registers that an operation reads, a bit for each.
fn read(operation: &Operation) -> u16 {
    let instruction = operation.instruction;
    let bit = |register: u8| 1_u16 << (register & 15);
    let (dst, src) = (bit(instruction.dst), bit(instruction.src));
    let second = if instruction.by_register() { src } else { 0 };
    let all = match instruction.class() {
        class::LD if instruction.is_wide() => 0,
        class::LDX => src,
        class::ST => dst,
        class::STX => dst | src | bit(0),
        class::ALU | class::ALU64 if instruction.operation() == op::MOV => second,
        class::ALU | class::ALU64 if instruction.operation() == op::END => dst,
        class::ALU | class::ALU64 => dst | second,
        _ if instruction.is_exit() => bit(0),
        // What is given to a function is not told from what is left there.
        _ if instruction.is_call() => 0b11_1110,
        _ if matches!(instruction.operation(), op::JA | op::JCOND) => 0,
        class::JMP | class::JMP32 => dst | second,
        _ => 0x7ff,
    };
    all & !bit(NOWHERE)
}

/// Whether nothing but the register that it writes is changed by an operation.
fn is_pure(operation: &Operation) -> bool {
    let instruction = operation.instruction;
    matches!(instruction.class(), class::LDX | class::ALU | class::ALU64) || instruction.is_wide()
}

/// Removes what is computed and not used, until there is none. Whether there was any.
fn remove_unused(body: &[Operation], kept: &mut [bool]) -> bool {
    let mut any = false;
    loop {
        let live = live_behind(body, kept);
        let mut changed = false;
        for (at, operation) in body.iter().enumerate() {
            let used = || written(operation).any(|register| live[at] & 1 << register != 0);
            if kept[at] && is_pure(operation) && !used() {
                kept[at] = false;
                changed = true;
            }
        }
        if !changed {
            return any;
        }
        any = true;
    }
}

/// The registers that are read before they are written again, behind each operation.
fn live_behind(body: &[Operation], kept: &[bool]) -> Vec<u16> {
    let mut before = vec![0_u16; body.len() + 1];
    let mut behind = vec![0_u16; body.len()];
    loop {
        let mut changed = false;
        for at in (0..body.len()).rev() {
            let operation = &body[at];
            let instruction = operation.instruction;
            let goes_on =
                !(instruction.is_exit() || instruction.is_jump_class() && instruction.operation() == op::JA);
            let mut live = if goes_on || !kept[at] { before[at + 1] } else { 0 };
            if kept[at] {
                live |= operation.target.map_or(0, |target| before[target]);
            }
            behind[at] = live;
            if kept[at] {
                let gone = written(operation).fold(0, |all, register| all | 1_u16 << register);
                live = live & !gone | read(operation);
            }
            changed |= before[at] != live;
            before[at] = live;
        }
        if !changed {
            return behind;
        }
    }
}

/// Removes jumps to what comes next anyway, until there is none. Whether there was any.
fn remove_idle_jumps(body: &[Operation], kept: &mut [bool]) -> bool {
    let mut any = false;
    loop {
        let mut changed = false;
        for at in 0..body.len() {
            let jump = kept[at] && body[at].instruction.is_jump_class();
            let Some(target) = body[at].target.filter(|target| jump && *target > at) else { continue };
            if body[at].instruction.operation() != op::JCOND && !kept[at + 1..target].iter().any(|kept| *kept)
            {
                kept[at] = false;
                changed = true;
            }
        }
        if !changed {
            return any;
        }
        any = true;
    }
}

/// What is kept, with jumps that count from its beginning.
fn compact(body: &[Operation], kept: &[bool]) -> Vec<Operation> {
    let mut place = Vec::with_capacity(body.len() + 1);
    let mut count = 0;
    for kept in kept {
        place.push(count);
        count += usize::from(*kept);
    }
    let moved =
        |operation: &Operation| Operation { target: operation.target.map(|to| place[to]), ..*operation };
    body.iter().zip(kept).filter(|(_, kept)| **kept).map(|(operation, _)| moved(operation)).collect()
}

/// The functions that are called, one behind the other.
fn assemble(code: &Code, folded: &[Option<Vec<Operation>>]) -> Code {
    let size = |operation: &Operation| 1 + usize::from(operation.upper.is_some());
    let mut starts = vec![0; folded.len()];
    let mut end = 0;
    for (start, body) in starts.iter_mut().zip(folded) {
        *start = end;
        end += body.iter().flatten().map(size).sum::<usize>();
    }
    let mut instructions = Vec::with_capacity(end);
    let mut functions = Vec::new();
    for ((body, start), function) in folded.iter().zip(&starts).zip(&code.functions) {
        let Some(body) = body else { continue };
        functions.push(Function { start: *start, ..*function });
        let mut place = Vec::with_capacity(body.len());
        let mut at = *start;
        for operation in body {
            place.push(at);
            at += size(operation);
        }
        for (operation, at) in body.iter().zip(&place) {
            let mut instruction = operation.instruction;
            let distance = |to: usize| to as i64 - *at as i64 - 1;
            if let Some(target) = operation.target {
                let distance = distance(place[target]);
                // Code only gets shorter, so what fitted fits.
                instruction.offset = distance as i16;
                if instruction.class() == class::JMP32 && instruction.operation() == op::JA {
                    (instruction.offset, instruction.immediate) = (0, distance as i32);
                }
            }
            if let Some(callee) = operation.callee {
                instruction.immediate = distance(starts[callee]) as i32;
            }
            instructions.push(instruction);
            instructions.extend(operation.upper);
        }
    }
    Code { instructions, functions }
}

#[cfg(test)]
mod tests;
