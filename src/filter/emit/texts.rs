//! Texts: compared in words, searched word by word.

use super::{Alu, EVENT, Emitter, Fallible, Jump, Label, Memory, Readable, Register, offset, small};
use crate::filter::ir::{Case, Counted, Length, Note, Place, Test, Text};

impl Emitter<'_> {
    pub(super) fn test(&mut self, text: &Text, test: &Test, yes: Label, no: Label) -> Fallible {
        self.check_there(text);
        let at = match &text.place {
            Place::Padded(offset) => *offset,
            Place::Path(offset, length) => {
                self.check_readable(*offset, length);
                *offset
            }
            Place::Packed(_) | Place::Element(..) | Place::Joined(_) => {
                return self.test_located(text, test, yes, no);
            }
        };
        match text.cut {
            Some(cut) => self.test_cut(text, at, cut, test, yes, no),
            None => self.test_whole(text, at, test, yes, no),
        }
        Ok(())
    }

    /// Of a text that may go on if it has `cut` bytes.
    fn test_cut(&mut self, text: &Text, at: usize, cut: usize, test: &Test, yes: Label, no: Label) {
        match test {
            Test::Equals(long) if long.len() >= cut => {
                self.same_bytes(EVENT, at, &long[..cut], text.case, no);
                self.to.goto(self.trouble);
            }
            Test::StartsWith(long) if long.len() > cut => {
                self.same_bytes(EVENT, at, &long[..cut], text.case, no);
                self.to.goto(self.trouble);
            }
            Test::Equals(_) | Test::StartsWith(_) => self.test_whole(text, at, test, yes, no),
            Test::EndsWith(suffix) if suffix.is_empty() => self.to.goto(yes),
            Test::EndsWith(_) => {
                self.trouble_if_cut(at, cut);
                self.test_whole(text, at, test, yes, no);
            }
            Test::Contains { .. } | Test::Reaches(_) | Test::Matches(_) => {
                let unsure = self.to.label();
                self.test_whole(text, at, test, yes, unsure);
                self.to.here(unsure);
                self.trouble_if_cut(at, cut);
                self.to.goto(no);
            }
        }
    }

    fn trouble_if_cut(&mut self, at: usize, cut: usize) {
        self.to.load(1, 3, EVENT, offset(at + cut - 1));
        self.to.jump_immediate(Jump::NotEqual, 3, 0, self.trouble);
    }

    /// Of a text of which all there is is there.
    fn test_whole(&mut self, text: &Text, at: usize, test: &Test, yes: Label, no: Label) {
        let (case, longest) = (text.case, text.size - 1);
        match test {
            Test::Equals(whole) if whole.len() <= longest => {
                let ended = [whole, &[0][..]].concat();
                self.same_bytes(EVENT, at, &ended, case, no);
            }
            Test::StartsWith(prefix) if prefix.len() <= longest => {
                self.same_bytes(EVENT, at, prefix, case, no)
            }
            Test::EndsWith(suffix) if suffix.len() <= longest => {
                return self.ends_with(text, at, suffix, yes, no);
            }
            Test::Contains { needle, from, until } if needle.len() + from + until <= longest => {
                return self.search(text, at, needle, *from, *until, yes, no);
            }
            // A pattern takes a walk.
            Test::Matches(_) => return self.to.goto(self.trouble),
            Test::Reaches(length) if *length <= longest => self.reaches(text, at, *length, no),
            // Longer than any text there.
            _ => return self.to.goto(no),
        }
        self.to.goto(yes);
    }

    pub(super) fn check_readable(&mut self, at: usize, length: &Length) {
        if self.read.contains(&Readable::Path(at)) {
            return;
        }
        self.read.push(Readable::Path(at));
        let readable = self.to.label();
        self.to.load(4, 2, EVENT, offset(length.offset));
        self.to.jump_immediate(Jump::NotEqual, 2, 0, readable);
        self.to.load(4, 2, EVENT, offset(length.notes));
        self.to.jump_immediate(Jump::AnyBit, 2, length.unreadable.cast_signed(), self.trouble);
        self.to.here(readable);
    }

    /// Of a text that could not be read, or is an element that there is not, the filter cannot tell.
    pub(super) fn check_there(&mut self, text: &Text) {
        self.check_note(text.note());
        let Some(Counted { count, index }) = &text.counted else { return };
        let known = Readable::Counted(count.offset, *index);
        if self.read.contains(&known) {
            return;
        }
        self.read.push(known);
        self.field(count, 2);
        self.to.jump_immediate(Jump::Less, 2, small(index + 1), self.trouble);
    }

    /// Of a text that a note says could not be read the filter cannot tell.
    pub(super) fn check_note(&mut self, note: Option<Note>) {
        let Some(note) = note else { return };
        if self.read.contains(&Readable::Noted(note)) {
            return;
        }
        self.read.push(Readable::Noted(note));
        self.to.load(4, 2, EVENT, offset(note.offset));
        self.to.jump_immediate(Jump::AnyBit, 2, note.bit.cast_signed(), self.trouble);
    }

    /// Goes to `no` unless these bytes are at `base + at`: early, part by part. Uses r3 and r4.
    pub(super) fn same_bytes(&mut self, base: Register, at: usize, bytes: &[u8], case: Case, no: Label) {
        let parts = match self.memory {
            Memory::Map => parts(bytes),
            Memory::Stack => aligned_parts(at, bytes),
        };
        for part in parts {
            self.to.load(part.size, 3, base, offset(at + part.at));
            self.lower(3, 4, &part, case);
            if part.size == 8 {
                self.to.constant(4, part.value.cast_signed());
                self.to.jump(Jump::NotEqual, 3, 4, no);
            } else {
                self.to.jump_immediate32(Jump::NotEqual, 3, (part.value as u32).cast_signed(), no);
            }
        }
    }

    /// Makes small letters of the capital ones, where the part has letters.
    fn lower(&mut self, register: Register, spare: Register, part: &Part, case: Case) {
        let letters = part.letters();
        if case == Case::AsIs || letters == 0 {
            return;
        }
        self.to.constant(spare, letters.cast_signed());
        self.to.alu(Alu::Or, register, spare);
    }

    /// The same with one branch, for what the verifier follows thousands of times. Uses r3, r4 and r9.
    fn same_bytes_at_once(&mut self, base: Register, search: &Search<'_>, turn: Register, no: Label) {
        let Search { needle, case, edges, .. } = *search;
        let parts = parts(needle);
        if parts.len() == 1 && !edges.before && !edges.behind {
            return self.same_bytes(base, 0, needle, case, no);
        }
        for (index, part) in parts.iter().enumerate() {
            let into = if index == 0 { 3 } else { 4 };
            self.to.load(part.size, into, base, offset(part.at));
            self.lower(into, 9, part, case);
            self.to.constant(9, part.value.cast_signed());
            self.to.alu(Alu::Xor, into, 9);
            if index > 0 {
                self.to.alu(Alu::Or, 3, 4);
            }
        }
        if edges.before {
            self.to.load(1, 4, base, -1);
            self.to.alu(Alu::Or, 3, 4);
        }
        if edges.behind {
            // All ones, unless the needle ends where the list does.
            self.to.alu(Alu::Move, 9, turn);
            self.to.alu(Alu::Subtract, 9, LAST);
            self.to.alu_immediate(Alu::ShiftRightSigned, 9, 63);
            self.to.load(1, 4, base, offset(needle.len()));
            self.to.alu(Alu::And, 4, 9);
            self.to.alu(Alu::Or, 3, 4);
        }
        self.to.jump_immediate(Jump::NotEqual, 3, 0, no);
    }

    fn reaches(&mut self, text: &Text, at: usize, length: usize, no: Label) {
        match &text.place {
            Place::Path(_, known) => {
                self.to.load(4, 2, EVENT, offset(known.offset));
                self.to.jump_immediate(Jump::Less, 2, small(length), no);
            }
            // Behind the end everything is zero.
            _ => {
                self.to.load(1, 2, EVENT, offset(at + length.saturating_sub(1)));
                self.to.jump_immediate(Jump::Equal, 2, 0, no);
            }
        }
    }

    fn ends_with(&mut self, text: &Text, at: usize, suffix: &[u8], yes: Label, no: Label) {
        if suffix.is_empty() {
            return self.to.goto(yes);
        }
        let Place::Path(_, length) = &text.place else {
            // The NUL that ends the text belongs to what is looked for.
            let ended = [suffix, &[0][..]].concat();
            return self.search(text, at, &ended, 0, 0, yes, no);
        };
        self.to.load(4, 2, EVENT, offset(length.offset));
        self.to.jump_immediate(Jump::Less, 2, small(suffix.len()), no);
        self.to.jump_immediate(Jump::Greater, 2, small(text.size - 1), no);
        self.to.alu_immediate(Alu::Subtract, 2, small(suffix.len()));
        self.to.alu(Alu::Add, 2, EVENT);
        self.same_bytes(2, at, suffix, text.case, no);
        self.to.goto(yes);
    }

    #[expect(clippy::too_many_arguments, reason = "a needle and its margins")]
    fn search(
        &mut self,
        text: &Text,
        at: usize,
        needle: &[u8],
        from: usize,
        until: usize,
        yes: Label,
        no: Label,
    ) {
        let fixed = from + needle.len() + until;
        // A needle that ends with the text's NUL may end one byte later.
        let furthest = if needle.last() == Some(&0) { text.size - fixed } else { text.size - 1 - fixed };
        let bound = match &text.place {
            Place::Path(_, length) => {
                self.to.load(4, LAST, EVENT, offset(length.offset));
                self.to.jump_immediate(Jump::Less, LAST, small(fixed), no);
                self.to.jump_immediate(Jump::Greater, LAST, small(text.size - 1), no);
                self.to.alu_immediate(Alu::Subtract, LAST, small(fixed));
                Bound::Last
            }
            _ => Bound::Zeros { until },
        };
        self.to.alu(Alu::Move, AT, EVENT);
        self.to.alu_immediate(Alu::Add, AT, small(at + from));
        self.search_from(
            &Search { needle, case: text.case, furthest, bound, edges: Edges::NONE, found: false },
            yes,
            no,
        );
    }

    /// Whether the needle stands somewhere from `AT` on, at most `furthest` bytes on.
    ///
    /// Word by word: a word without the needle's first byte is passed over (the classic trick: a zero
    /// byte in `word ^ pattern`), in any other each place is tried.
    pub(super) fn search_from(&mut self, search: &Search<'_>, yes: Label, no: Label) {
        let Search { needle, case, furthest, bound, edges, found } = *search;
        let at_edges = 3 * usize::from(edges.before) + 7 * usize::from(edges.behind);
        let (turn, word, pattern, ones, highs) = (5, 3, 6, 7, 8);
        let turns = furthest / 8 + 1;
        // The verifier keeps few states of a loop that has just begun, and walks those turns twice.
        let walked = (turns + turns.min(BEGINNING)) * if found { 2 } else { 1 };
        let a_part = if case == Case::Lower { 8 } else { 6 };
        self.steps += walked * (16 + 8 * (11 + at_edges + a_part * parts(needle).len()));
        let in_lower = case == Case::Lower && needle[0].is_ascii_lowercase();

        self.to.alu_immediate(Alu::Move, turn, 0);
        self.to.constant(pattern, repeated(needle[0]));
        self.to.constant(ones, repeated(1));
        self.to.constant(highs, repeated(0x80));

        let (head, try_all, try_one, fails) =
            (self.to.label(), self.to.label(), self.to.label(), self.to.label());
        self.to.turns(turns);
        self.to.here(head);
        if bound == Bound::Last {
            self.to.jump(Jump::Less, LAST, turn, no);
        }
        self.to.load(8, word, AT, 0);
        if bound != Bound::Last {
            self.to.jump_immediate(Jump::Equal, word, 0, no);
        }
        if in_lower {
            self.to.constant(9, repeated(CAPITAL));
            self.to.alu(Alu::Or, word, 9);
        }
        self.to.alu(Alu::Xor, word, pattern);
        self.to.alu(Alu::Move, 4, word);
        self.to.alu(Alu::Subtract, 4, ones);
        self.to.alu_immediate(Alu::Xor, word, -1);
        self.to.alu(Alu::And, 4, word);
        self.to.alu(Alu::And, 4, highs);
        self.to.jump_immediate(Jump::NotEqual, 4, 0, try_all);
        self.to.alu_immediate(Alu::Add, AT, 8);
        self.to.alu_immediate(Alu::Add, turn, 8);
        self.to.jump_immediate(Jump::Less, turn, small(turns * 8), head);
        self.to.goto(no);

        self.to.turns(turns * 8);
        self.to.here(try_all);
        self.to.here(try_one);
        self.same_bytes_at_once(AT, search, turn, fails);
        match bound {
            Bound::Last => self.to.jump(Jump::Less, LAST, turn, no),
            Bound::Zeros { until } => {
                self.to.jump_immediate(Jump::Greater, turn, small(furthest), no);
                if until > 0 {
                    // The text goes on for so long.
                    self.to.load(1, 3, AT, offset(needle.len() + until - 1));
                    self.to.jump_immediate(Jump::Equal, 3, 0, no);
                }
            }
        }
        self.to.goto(yes);
        self.to.here(fails);
        self.to.alu_immediate(Alu::Add, AT, 1);
        self.to.alu_immediate(Alu::Add, turn, 1);
        self.to.alu(Alu::Move, 4, turn);
        self.to.alu_immediate(Alu::And, 4, 7);
        self.to.jump_immediate(Jump::NotEqual, 4, 0, try_one);
        self.to.jump_immediate(Jump::Less, turn, small(turns * 8), head);
        self.to.turns(1);
        self.to.goto(no);
    }
}

/// Where a search has come to, and (with [`Bound::Last`]) how far from its begin the last place is.
pub(super) const AT: Register = 2;
pub(super) const LAST: Register = 0;
/// Turns of a search that cost the verifier twice (measured on Linux 6.18).
const BEGINNING: usize = 32;
/// The bit that capital letters of ASCII lack.
const CAPITAL: u8 = 0x20;

#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    /// Not empty.
    pub needle: &'a [u8],
    pub case: Case,
    pub furthest: usize,
    pub bound: Bound,
    pub edges: Edges,
    /// Whether the text stands where another was found to end. The verifier keeps no state of such a place that fits the next,
    /// and walks it twice (measured on Linux 6.18).
    pub found: bool,
}

/// How a search knows where the text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The register `LAST` says it.
    Last,
    /// Behind the text everything is zero, and so many bytes must come behind the needle.
    Zeros { until: usize },
}

/// Whether a NUL must stand in front of the needle, and behind it (or the end).
#[derive(Clone, Copy)]
pub(super) struct Edges {
    pub before: bool,
    pub behind: bool,
}

impl Edges {
    pub const NONE: Self = Edges { before: false, behind: false };
}

/// Some bytes of a needle, as a number of a size that can be loaded.
pub(super) struct Part {
    at: usize,
    size: u8,
    value: u64,
}

impl Part {
    /// These bytes, the first being the lowest.
    fn new(bytes: &[u8], at: usize, size: usize) -> Self {
        let value = bytes[at..at + size].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        Part { at, size: u8::try_from(size).unwrap_or(1), value }
    }

    /// The bit that capital letters lack, in each byte that is a small letter.
    fn letters(&self) -> u64 {
        let bytes = self.value.to_le_bytes();
        u64::from_le_bytes(bytes.map(|byte| if byte.is_ascii_lowercase() { CAPITAL } else { 0 }))
    }
}

/// Parts of the largest size that fits; the last may overlap the one before.
pub(super) fn parts(bytes: &[u8]) -> Vec<Part> {
    let size = [8, 4, 2, 1].into_iter().find(|size| *size <= bytes.len()).unwrap_or(1);
    let count = bytes.len().div_ceil(size);
    (0..count).map(|index| Part::new(bytes, (index * size).min(bytes.len() - size), size)).collect()
}

/// Parts whose places in memory are multiples of their sizes; the bytes begin at `base` there.
fn aligned_parts(base: usize, bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let fits = |size: &usize| at + size <= bytes.len() && (base + at).is_multiple_of(*size);
        let size = [8, 4, 2, 1].into_iter().find(fits).unwrap_or(1);
        parts.push(Part::new(bytes, at, size));
        at += size;
    }
    parts
}

pub(super) fn repeated(byte: u8) -> i64 {
    i64::from_le_bytes([byte; 8])
}
