//! One event through a filter's instructions, counting them: what rbpf does not tell.

use krsi_sh::filter::Code;

/// How many instructions the code runs on these bytes.
///
/// Only what filters are made of: 64-bit arithmetic, loads, stores on the stack, jumps. An event begins at a
/// place that no number of a filter's meets by accident, the stack at another.
pub fn count(code: &Code, event: &[u8]) -> u64 {
    const EVENT: u64 = 1 << 40;
    const STACK: u64 = 1 << 41;
    const CALL: u8 = 0x85;
    const TABLE: u64 = 1 << 42;
    const TABLE_ROOM: u64 = 1 << 32;
    const MAP_VALUE: usize = 2;
    let slots: Vec<[u8; 8]> = code.bytes().as_chunks().0.to_vec();
    let (mut registers, mut stack) = ([0_u64; 11], [0_u8; 512]);
    (registers[1], registers[10]) = (EVENT, STACK + 512);
    let (mut at, mut steps) = (0, 0);
    while let Some(slot) = slots.get(at) {
        steps += 1;
        at += 1;
        let [opcode, names, ..] = *slot;
        let (dst, src) = (usize::from(names & 15), usize::from(names >> 4));
        let offset = i16::from_le_bytes([slot[2], slot[3]]);
        let immediate = i64::from(i32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]])).cast_unsigned();
        let operand = if opcode & 8 == 0 { immediate } else { registers[src] };
        match opcode & 7 {
            5 if opcode == CALL => {
                // Of the one helper there is: a key of a set that has the number in r1.
                let set = &code.sets[usize::try_from(registers[1]).unwrap()];
                let from = registers[2];
                let (memory, base) = if from >= STACK { (&stack[..], STACK) } else { (event, EVENT) };
                let from = usize::try_from(from - base).unwrap();
                let key = &memory[from..from + set.key_size];
                registers[0] = u64::from(set.keys.iter().any(|known| known == key));
            }
            0 => {
                let high =
                    u64::from(u32::from_le_bytes([slots[at][4], slots[at][5], slots[at][6], slots[at][7]]));
                let low = immediate & 0xffff_ffff;
                registers[dst] = match src {
                    MAP_VALUE => TABLE + (low - code.sets.len() as u64) * TABLE_ROOM,
                    _ => high << 32 | low,
                };
                at += 1;
            }
            1 => {
                let size = [4, 2, 1, 8][usize::from(opcode >> 3 & 3)];
                let from = registers[src].wrapping_add_signed(offset.into());
                let (memory, base) = if from >= TABLE {
                    let number = (from - TABLE) / TABLE_ROOM;
                    let table = &code.tables[usize::try_from(number).unwrap()];
                    (&table.bytes[..], TABLE + number * TABLE_ROOM)
                } else if from >= STACK {
                    (&stack[..], STACK)
                } else {
                    (event, EVENT)
                };
                let from = usize::try_from(from - base).unwrap();
                let mut bytes = [0; 8];
                bytes[..size].copy_from_slice(&memory[from..from + size]);
                registers[dst] = u64::from_le_bytes(bytes);
            }
            3 => {
                let to = usize::try_from(registers[dst].wrapping_add_signed(offset.into()) - STACK).unwrap();
                stack[to..to + 8].copy_from_slice(&registers[src].to_le_bytes());
            }
            7 => registers[dst] = computed(opcode & 0xf0, registers[dst], operand),
            class => {
                let (a, b) = (registers[dst], operand);
                let (a, b) = if class == 6 { (a & 0xffff_ffff, b & 0xffff_ffff) } else { (a, b) };
                if jumps(opcode & 0xf0, a, b) {
                    at = at.checked_add_signed(offset.into()).unwrap();
                }
            }
        }
    }
    steps
}

fn computed(operation: u8, a: u64, b: u64) -> u64 {
    match operation {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x20 => a.wrapping_mul(b),
        0x30 => a.checked_div(b).unwrap_or(0),
        0x40 => a | b,
        0x50 => a & b,
        0x60 => a << (b & 63),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(b).unwrap_or(a),
        0xa0 => a ^ b,
        0xb0 => b,
        0xc0 => (a.cast_signed() >> (b & 63)).cast_unsigned(),
        other => panic!("no filter has the operation {other:#x}"),
    }
}

fn jumps(condition: u8, a: u64, b: u64) -> bool {
    let signed = (a.cast_signed(), b.cast_signed());
    match condition {
        0x00 => true,
        0x10 => a == b,
        0x20 => a > b,
        0x40 => a & b != 0,
        0x50 => a != b,
        0x60 => signed.0 > signed.1,
        0x70 => signed.0 >= signed.1,
        0xa0 => a < b,
        0xc0 => signed.0 < signed.1,
        0xd0 => signed.0 <= signed.1,
        other => panic!("no filter has the condition {other:#x}"),
    }
}
