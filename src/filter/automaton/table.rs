//! A machine as the bytes that the kernel's code walks: the column of each byte, then a row for each state.

use super::machine::{Machine, Outcome};

/// Bytes that the rows of all tables of a filter may take.
pub const LARGEST: usize = 1 << 20;

/// Where the rows begin: behind a column for each byte.
pub const ROWS: usize = 256;

/// How a state is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Two bytes: where its row is, counted in units of `1 << shift` bytes. Whatever such a number is, the place is
    /// inside of the map, so that the code need not look.
    Narrow { shift: u8 },
    /// Four bytes: where its row is, in bytes, and above that a bit for each question. `mask` keeps the place.
    Wide { mask: u32 },
}

/// A machine's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As many as the map has.
    pub bytes: Vec<u8>,
    /// Bytes of the rows alone.
    pub rows: usize,
    pub width: Width,
    /// By how many bits a column's number is shifted to be a place in a row; 0: it is one.
    pub column_shift: u8,
    /// Where the column of the end is in a row.
    pub end: usize,
    /// Where in a row it says what is open there; of a wide one.
    pub open: usize,
    /// The state that the walk begins in.
    pub start: u32,
    /// What is written for the state [`Machine::YES`] or [`Machine::FRESH`]; the first state is 0.
    pub second: u32,
    /// The questions answered with yes before anything is read; of a wide one.
    pub first: u16,
    /// Whether it is about elements of a list.
    pub of_elements: bool,
    pub states: usize,
    pub patterns: usize,
}

/// Of what a wide entry says, the bits that are no place.
pub const BITS: u32 = 20;

impl Table {
    /// `None` if the rows are too many for any form.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Self> {
        match machine.outcome {
            Outcome::One | Outcome::Elements => Self::narrow(machine),
            Outcome::Bits => Self::wide(machine),
        }
    }

    fn narrow(machine: &Machine) -> Option<Self> {
        const ENTRY: usize = 2;
        const MOST: usize = 1 << 16;
        let least = machine.width * ENTRY;
        let (shift, row) = (0..=4_u8).find_map(|shift| {
            let row = least.next_multiple_of(1 << shift);
            (machine.states() * row <= MOST << shift).then_some((shift, row))
        })?;
        let written = |state: u32| (state as usize * row) >> shift;
        let mut bytes = Self::columns(machine, ENTRY);
        for state in 0..machine.states() {
            let from = bytes.0.len();
            for next in &machine.next[state * machine.width..(state + 1) * machine.width] {
                bytes.0.extend(u16::try_from(written(*next)).ok()?.to_le_bytes());
            }
            bytes.0.resize(from + row, 0);
        }
        let rows = bytes.0.len() - ROWS;
        // The largest number there can be, and the furthest column of the row there.
        bytes.0.resize(ROWS + (MOST << shift) + 2 * 256 * ENTRY, 0);
        Some(Table {
            bytes: bytes.0,
            rows,
            width: Width::Narrow { shift },
            column_shift: bytes.1,
            end: machine.end * ENTRY,
            open: 0,
            start: u32::try_from(written(u32::try_from(machine.start).ok()?)).ok()?,
            second: u32::try_from(row >> shift).ok()?,
            first: 0,
            of_elements: machine.outcome == Outcome::Elements,
            states: machine.states(),
            patterns: machine.patterns,
        })
    }

    fn wide(machine: &Machine) -> Option<Self> {
        const ENTRY: usize = 4;
        let row = (machine.width + 1) * ENTRY;
        let rows = machine.states() * row;
        if rows > LARGEST {
            return None;
        }
        let place = |state: usize| u32::try_from(state * row).ok();
        let mut bytes = Self::columns(machine, ENTRY);
        for state in 0..machine.states() {
            for at in state * machine.width..(state + 1) * machine.width {
                let entry = place(machine.next[at] as usize)? | u32::from(machine.bits[at]) << BITS;
                bytes.0.extend(entry.to_le_bytes());
            }
            bytes.0.extend(u32::from(machine.open[state]).to_le_bytes());
        }
        let room = rows.next_power_of_two();
        bytes.0.resize(ROWS + room + row, 0);
        Some(Table {
            bytes: bytes.0,
            rows,
            width: Width::Wide { mask: u32::try_from(room - ENTRY).ok()? },
            column_shift: bytes.1,
            end: machine.end * ENTRY,
            open: machine.width * ENTRY,
            start: place(machine.start)?,
            second: 0,
            first: machine.first,
            of_elements: false,
            states: machine.states(),
            patterns: machine.patterns,
        })
    }

    /// How many instructions of the kernel's a byte takes; what each eight take beside is not counted.
    #[must_use]
    pub fn steps(&self) -> usize {
        let shifted = usize::from(self.column_shift > 0);
        shifted
            + match self.width {
                Width::Narrow { shift: 0 } => 6,
                Width::Narrow { .. } => 7,
                Width::Wide { .. } => 8,
            }
    }

    /// The column of each byte, as a place in a row if one byte can say that; and by how much it is to be shifted.
    fn columns(machine: &Machine, entry: usize) -> (Vec<u8>, u8) {
        let shift = if machine.width * entry <= ROWS { 0 } else { entry.ilog2() as u8 };
        let place = |column: &u8| if shift == 0 { column * entry as u8 } else { *column };
        (machine.columns.iter().map(place).collect(), shift)
    }
}
