//! Sets of thousands: looked up in a map that is made before the code is loaded.
//!
//! The key is the number, stored on the stack, or the text where it lies in the event, which is padded with zeros.
//! A call of the kernel's takes r1 to r5, so what r1 is about is kept in r6 meanwhile; that is not a number of an expression
//! then, since nothing is carried from one condition to the next.

use super::{Alu, EVENT, Emitter, Fallible, Jump, Label, NUMBERS, Register, STACK, Set, small, stack_offset};
use crate::filter::ir::{Place, Text};

/// BPF_FUNC_map_lookup_elem
const LOOK_UP: i32 = 1;
/// What keeps r1 over a call.
const KEPT: Register = 6;
/// Longer ranges than this are compared all the same: a map has a key for each number.
const LONG: u64 = 64;

impl Emitter<'_> {
    pub(super) fn among_many(
        &mut self,
        number: Register,
        ranges: &[(i64, i64)],
        yes: Label,
        no: Label,
    ) -> Fallible {
        let is_long = |(first, last): &&(i64, i64)| last.abs_diff(*first) >= LONG;
        let (long, short): (Vec<_>, Vec<_>) = ranges.iter().partition(is_long);
        if !long.is_empty() {
            let others = self.to.label();
            self.among(number, &long, yes, others);
            self.to.here(others);
        }
        let keys =
            short.into_iter().flat_map(|(first, last)| first..=last).map(|key| key.to_ne_bytes().to_vec());
        let set = self.set(size_of::<i64>(), keys.collect());
        let slot = self.slots;
        self.slots += 1;
        // From here on the code that follows may use the slot again: nothing is left in it.
        let stored = self.store_plain(slot, NUMBERS[0]);
        self.slots = slot;
        stored?;
        self.look_up_key(set, STACK, stack_offset(slot).into(), yes, no);
        Ok(())
    }

    pub(super) fn among_texts(&mut self, text: &Text, members: &[Vec<u8>], yes: Label, no: Label) {
        self.check_there(text);
        let Place::Padded(at) = text.place else {
            // The checker lets no other text be looked up.
            return self.to.goto(no);
        };
        let padded = |member: &Vec<u8>| {
            let mut key = member.clone();
            key.resize(text.size, 0);
            key
        };
        let set = self.set(text.size, members.iter().map(padded).collect());
        self.look_up_key(set, EVENT, small(at), yes, no);
    }

    fn set(&mut self, key_size: usize, keys: Vec<Vec<u8>>) -> usize {
        let set = Set { key_size, keys };
        // The same one may be asked about twice.
        self.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        })
    }

    fn look_up_key(&mut self, set: usize, base: Register, at: i32, yes: Label, no: Label) {
        self.to.alu(Alu::Move, KEPT, EVENT);
        self.to.alu(Alu::Move, 2, base);
        self.to.alu_immediate(Alu::Add, 2, at);
        self.to.load_set(1, set);
        self.to.call(LOOK_UP);
        self.to.alu(Alu::Move, EVENT, KEPT);
        self.to.jump_immediate(Jump::NotEqual, 0, 0, yes);
        self.to.goto(no);
    }
}
