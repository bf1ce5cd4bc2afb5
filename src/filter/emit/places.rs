//! What has no place of its own: texts behind the path, texts of a list, and how long all these are.
//!
//! Bytes are gone through one at a time, with a constant as the turn; what a loop has found out is blinded
//! behind it, so that the verifier goes on once and not once for each turn. It follows a jump last: so going
//! on is the jump, and leaving the loop is what stands behind it, and few branches are open at any time.

use super::{
    Alu, EVENT, Emitter, Fallible, Jump, Label, Register, offset, small,
    texts::{AT, Bound, Edges, LAST, Search},
};
use crate::filter::ir::{Between, Case, Packed, Place, Test, Text, Texts};

/// Where a text begins, counted from the event on.
const START: Register = AT;
/// How many bytes there are from there on to the end of the list, or (once measured) of the text.
pub(super) const LEFT: Register = 5;

/// What `LEFT` was before a text of a list that may be cut was measured.
const BEFORE: Register = 7;
/// Whether a text may go on.
const DOUBT: Register = 3;

/// Where it says that the list which a text is one of is cut, if that may be.
fn flag_of(text: &Text) -> Option<usize> {
    match &text.place {
        Place::Element(texts, _) => texts.cut,
        _ => None,
    }
}

/// Whether `LEFT` says where a text must end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Nul,
    Left,
}

impl Emitter<'_> {
    /// `START` of what is packed behind the path. Uses r3, r4 and r6.
    fn begin(&mut self, packed: &Packed) {
        match packed.length {
            Some(length) => {
                self.to.load(4, START, EVENT, offset(length));
                self.to.alu_immediate(Alu::Add, START, small(packed.path + 1));
            }
            None => self.to.alu_immediate(Alu::Move, START, small(packed.path)),
        }
        for between in &packed.between {
            match between {
                Between::Text(size) => {
                    self.bounded(packed);
                    self.to.alu(Alu::Move, 6, START);
                    self.to.alu(Alu::Add, 6, EVENT);
                    self.to.alu_immediate(Alu::Move, 4, 0);
                    let (head, more, found) = (self.to.label(), self.to.label(), self.to.label());
                    self.to.turns(*size);
                    self.to.here(head);
                    self.to.load(1, 3, 6, 0);
                    self.to.alu_immediate(Alu::Add, 4, 1);
                    self.to.jump_immediate(Jump::NotEqual, 3, 0, more);
                    self.to.goto(found);
                    self.to.here(more);
                    self.to.alu_immediate(Alu::Add, 6, 1);
                    self.to.jump_immediate(Jump::Less, 4, small(*size), head);
                    self.to.turns(1);
                    self.to.here(found);
                    self.blind(4);
                    self.to.alu(Alu::Add, START, 4);
                    self.steps += 10 * size;
                }
                Between::Texts(length) => {
                    self.to.load(4, 3, EVENT, offset(*length));
                    self.to.alu(Alu::Add, START, 3);
                }
            }
        }
        self.blind(START);
        self.bounded(packed);
    }

    /// What the verifier wants to be told: it begins behind the path, and inside of the event.
    fn bounded(&mut self, packed: &Packed) {
        self.to.jump_immediate(Jump::Greater, START, small(packed.most), self.trouble);
        let least = packed.path + usize::from(packed.length.is_some());
        self.to.jump_immediate(Jump::Less, START, small(least), self.trouble);
    }

    /// `START` and `LEFT` of a list.
    pub(super) fn begin_list(&mut self, texts: &Texts) {
        self.begin(&texts.packed);
        self.to.load(4, LEFT, EVENT, offset(texts.length));
        self.to.jump_immediate(Jump::Greater, LEFT, small(texts.size), self.trouble);
    }

    /// `START` of a text that has no fixed place, and `LEFT` if it is one of a list.
    pub(super) fn begin_text(&mut self, place: &Place) -> Limit {
        match place {
            Place::Packed(packed) => {
                self.begin(packed);
                Limit::Nul
            }
            Place::Element(texts, index) => {
                self.begin_list(texts);
                self.go_to_element(texts, *index);
                Limit::Left
            }
            Place::Joined(texts) => {
                self.begin_list(texts);
                Limit::Left
            }
            Place::Padded(at) | Place::Path(at, _) => {
                self.to.alu_immediate(Alu::Move, START, small(*at));
                Limit::Nul
            }
        }
    }

    /// Goes on behind so many NULs.
    fn go_to_element(&mut self, texts: &Texts, index: usize) {
        if index == 0 {
            return self.to.jump_immediate(Jump::Equal, LEFT, 0, self.trouble);
        }
        let (head, more, found) = (self.to.label(), self.to.label(), self.to.label());
        let (passed, pointer, to_go) = (4, 6, 7);
        self.to.alu(Alu::Move, pointer, START);
        self.to.alu(Alu::Add, pointer, EVENT);
        self.to.alu_immediate(Alu::Move, passed, 0);
        self.to.alu_immediate(Alu::Move, to_go, small(index));
        self.blind(to_go);
        self.to.turns(texts.size);
        self.to.here(head);
        self.to.load(1, 3, pointer, 0);
        self.to.alu_immediate(Alu::Add, passed, 1);
        self.to.alu_immediate(Alu::Add, pointer, 1);
        self.minus_one_if_zero(3);
        self.to.alu(Alu::Add, to_go, 3);
        self.to.jump_immediate(Jump::NotEqual, to_go, 0, more);
        self.to.goto(found);
        self.to.here(more);
        self.to.jump_immediate(Jump::Less, passed, small(texts.size), head);
        self.to.turns(1);
        self.to.goto(self.trouble);
        self.to.here(found);
        self.blind(passed);
        // Behind the end there is no other.
        self.to.alu(Alu::Add, START, passed);
        self.to.alu(Alu::Move, 3, LEFT);
        self.to.alu(Alu::Subtract, 3, passed);
        self.to.jump_immediate(Jump::LessOrEqualSigned, 3, 0, self.trouble);
        self.to.alu(Alu::Move, LEFT, 3);
        self.blind(LEFT);
        self.blind(START);
        self.steps += 16 * texts.size;
    }

    /// Whether there is such an element, or trouble.
    pub(super) fn look_up(&mut self, text: &Text) {
        self.begin_text(&text.place);
    }

    /// `START` as a pointer.
    pub(super) fn point(&mut self, text: &Text) {
        let most = match &text.place {
            Place::Packed(packed) => packed.most,
            Place::Element(texts, _) => texts.packed.most + texts.size,
            Place::Joined(texts) => texts.packed.most,
            Place::Padded(at) | Place::Path(at, _) => *at,
        };
        self.to.jump_immediate(Jump::Greater, START, small(most), self.trouble);
        self.to.alu(Alu::Add, START, EVENT);
    }

    /// The length of the text at the pointer `START` into `LEFT`. Uses r3, r4 and r6.
    fn measure(&mut self, text: &Text, limit: Limit) {
        let (head, inside, more, found) =
            (self.to.label(), self.to.label(), self.to.label(), self.to.label());
        let (length, pointer) = (4, 6);
        if flag_of(text).is_some() {
            self.to.alu(Alu::Move, BEFORE, LEFT);
        }
        self.to.alu(Alu::Move, pointer, START);
        self.to.alu_immediate(Alu::Move, length, 0);
        // Once more at the end of the text.
        self.to.turns(text.size + 1);
        self.to.here(head);
        if limit == Limit::Left {
            self.to.jump(Jump::NotEqual, length, LEFT, inside);
            self.to.goto(found);
        }
        self.to.here(inside);
        self.to.load(1, 3, pointer, 0);
        self.to.jump_immediate(Jump::NotEqual, 3, 0, more);
        self.to.goto(found);
        self.to.here(more);
        self.to.alu_immediate(Alu::Add, pointer, 1);
        self.to.alu_immediate(Alu::Add, length, 1);
        self.to.jump_immediate(Jump::Less, length, small(text.size), head);
        self.to.turns(1);
        self.to.here(found);
        self.to.alu(Alu::Move, LEFT, length);
        self.blind(LEFT);
        // Where another limit than a NUL is known, the verifier walks each turn twice (measured on Linux 6.18).
        self.steps += text.size * if limit == Limit::Left { 20 } else { 12 };
    }

    /// Of a byte: -1 if it is zero, else 0.
    fn minus_one_if_zero(&mut self, register: Register) {
        self.to.alu_immediate(Alu::Subtract, register, 1);
        self.to.alu_immediate(Alu::ShiftRightSigned, register, 63);
    }

    /// Of what has no place of its own.
    pub(super) fn test_located(&mut self, text: &Text, test: &Test, yes: Label, no: Label) -> Fallible {
        let limit = self.begin_text(&text.place);
        self.point(text);
        match test {
            Test::Equals(bytes) | Test::StartsWith(bytes) => {
                self.compare_located(text, test, bytes, limit, no);
                self.to.goto(yes);
            }
            Test::EndsWith(suffix) if suffix.is_empty() => self.to.goto(yes),
            Test::EndsWith(suffix) => {
                self.measure(text, limit);
                if self.doubt(text) {
                    self.to.jump_immediate(Jump::NotEqual, DOUBT, 0, self.trouble);
                }
                if suffix.len() > text.size {
                    self.to.goto(no);
                    return Ok(());
                }
                self.to.jump_immediate(Jump::Less, LEFT, small(suffix.len()), no);
                self.to.jump_immediate(Jump::Greater, LEFT, small(text.size), no);
                self.to.alu_immediate(Alu::Subtract, LEFT, small(suffix.len()));
                self.to.alu(Alu::Add, START, LEFT);
                self.same_bytes(START, 0, suffix, text.case, no);
                self.to.goto(yes);
            }
            // A pattern takes a walk.
            Test::Matches(_) => self.to.goto(self.trouble),
            Test::Reaches(_) | Test::Contains { .. } => {
                self.measure(text, limit);
                let unsure = self.to.label();
                let slot = self.slots;
                let doubted = self.doubt(text);
                if doubted {
                    // Nobody behind this asks: the slot is free again then.
                    self.store_slot(slot, DOUBT)?;
                }
                self.find_located(text, test, yes, if doubted { unsure } else { no });
                if doubted {
                    self.to.here(unsure);
                    self.load_slot(slot, DOUBT);
                    self.to.jump_immediate(Jump::NotEqual, DOUBT, 0, self.trouble);
                    self.to.goto(no);
                }
            }
        }
        Ok(())
    }

    /// Falls through where a text is these bytes, or begins so.
    fn compare_located(&mut self, text: &Text, test: &Test, bytes: &[u8], limit: Limit, no: Label) {
        let whole = matches!(test, Test::Equals(_));
        let cut = text.cut.filter(|cut| bytes.len() > *cut - usize::from(whole));
        if let Some(cut) = cut {
            self.same_bytes(START, 0, &bytes[..cut], text.case, no);
            return self.to.goto(self.trouble);
        }
        let flag = flag_of(text);
        if bytes.len() > text.size && flag.is_none() {
            return self.to.goto(no);
        }
        if limit == Limit::Left {
            self.long_enough(text, bytes.len(), no);
            if bytes.len() > text.size {
                return self.to.goto(no);
            }
        }
        self.same_bytes(START, 0, bytes, text.case, no);
        if !whole {
            return;
        }
        let (shorter, same) = (self.to.label(), self.to.label());
        if limit == Limit::Left {
            self.to.jump_immediate(Jump::NotEqual, LEFT, small(bytes.len()), shorter);
            // It ends where the list does.
            if let Some(flag) = flag {
                self.to.load(1, 3, EVENT, offset(flag));
                self.to.jump_immediate(Jump::NotEqual, 3, 0, self.trouble);
            }
            self.to.goto(same);
            self.to.here(shorter);
        }
        self.to.load(1, 3, START, offset(bytes.len()));
        self.to.jump_immediate(Jump::NotEqual, 3, 0, no);
        self.to.here(same);
    }

    /// Falls through where the list goes on for so many bytes. Else the element is shorter, if it has an end.
    fn long_enough(&mut self, text: &Text, length: usize, no: Label) {
        let Some(flag) = flag_of(text) else {
            return self.to.jump_immediate(Jump::Less, LEFT, small(length), no);
        };
        let enough = self.to.label();
        self.to.jump_immediate(Jump::Less, LEFT, small(length), enough);
        let short = enough;
        let enough = self.to.label();
        self.to.goto(enough);
        self.to.here(short);
        self.measure(text, Limit::Left);
        self.to.jump(Jump::NotEqual, LEFT, BEFORE, no);
        self.to.load(1, 3, EVENT, offset(flag));
        self.to.jump_immediate(Jump::NotEqual, 3, 0, self.trouble);
        self.to.goto(no);
        self.to.here(enough);
    }

    /// Whether a text that has been measured may go on, into `DOUBT`: not 0. Gives false if none of its kind may.
    fn doubt(&mut self, text: &Text) -> bool {
        let known = self.to.label();
        if let Some(cut) = text.cut {
            self.to.alu_immediate(Alu::Move, DOUBT, 0);
            self.to.jump_immediate(Jump::Less, LEFT, small(cut), known);
            self.to.alu_immediate(Alu::Move, DOUBT, 1);
        } else if let Some(flag) = flag_of(text) {
            self.to.alu_immediate(Alu::Move, DOUBT, 0);
            self.to.jump(Jump::NotEqual, LEFT, BEFORE, known);
            self.to.load(1, DOUBT, EVENT, offset(flag));
        } else {
            return false;
        }
        self.to.here(known);
        true
    }

    /// The rest of a search in a text that has been measured.
    fn find_located(&mut self, text: &Text, test: &Test, yes: Label, no: Label) {
        match test {
            Test::Contains { needle, from, until } => {
                let fixed = needle.len() + from + until;
                if fixed > text.size {
                    return self.to.goto(no);
                }
                self.to.jump_immediate(Jump::Less, LEFT, small(fixed), no);
                self.to.alu(Alu::Move, LAST, LEFT);
                self.to.alu_immediate(Alu::Subtract, LAST, small(fixed));
                self.to.alu_immediate(Alu::Add, START, small(*from));
                let (furthest, bound, edges) = (text.size - fixed, Bound::Last, Edges::NONE);
                self.search_from(
                    &Search { needle, case: text.case, furthest, bound, edges, found: true },
                    yes,
                    no,
                );
            }
            Test::Reaches(length) => {
                self.to.jump_immediate(Jump::Less, LEFT, small(*length), no);
                self.to.goto(yes);
            }
            // Compared, not searched for.
            Test::Equals(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Matches(_) => {
                self.to.goto(self.trouble);
            }
        }
    }

    /// Whether one of the texts is so: for each test a search through all of them at once.
    pub(super) fn any(&mut self, texts: &Texts, tests: &[(Case, Test)], yes: Label, no: Label) -> Fallible {
        self.check_note(texts.unreadable);
        for (case, test) in tests {
            let next = self.to.label();
            self.any_one(texts, *case, test, yes, next);
            self.to.here(next);
        }
        self.trouble_if_more(texts);
        self.to.goto(no);
        Ok(())
    }

    pub(super) fn trouble_if_more(&mut self, texts: &Texts) {
        if let Some(flag) = texts.cut {
            self.to.load(1, 3, EVENT, offset(flag));
            self.to.jump_immediate(Jump::NotEqual, 3, 0, self.trouble);
        }
    }

    fn any_one(&mut self, texts: &Texts, case: Case, test: &Test, yes: Label, no: Label) {
        let edges = |before, behind| Edges { before, behind };
        // Of a list that may be cut the last text may have no end: its NUL is looked for as well.
        let ended = |bytes: &[u8]| [bytes, &[0][..]].concat();
        let (needle, edges) = match test {
            // The empty text is a NUL behind another one.
            Test::Equals(whole) if whole.is_empty() => (vec![0], edges(true, false)),
            Test::EndsWith(suffix) if suffix.is_empty() => (vec![], Edges::NONE),
            Test::Equals(whole) if texts.cut.is_some() => (ended(whole), edges(true, false)),
            Test::EndsWith(suffix) if texts.cut.is_some() => (ended(suffix), Edges::NONE),
            Test::Equals(whole) => (whole.clone(), edges(true, true)),
            Test::StartsWith(prefix) => (prefix.clone(), edges(true, false)),
            Test::EndsWith(suffix) => (suffix.clone(), edges(false, true)),
            Test::Contains { needle, .. } => (needle.clone(), Edges::NONE),
            // Not made by the checker.
            Test::Reaches(_) | Test::Matches(_) => return self.to.goto(self.trouble),
        };
        if needle.is_empty() {
            self.to.load(4, 3, EVENT, offset(texts.length));
            self.to.jump_immediate(Jump::Equal, 3, 0, no);
            return self.to.goto(yes);
        }
        if needle.len() > texts.size {
            return self.to.goto(no);
        }
        self.begin_list(texts);
        self.to.jump_immediate(Jump::Less, LEFT, small(needle.len()), no);
        self.to.alu(Alu::Move, LAST, LEFT);
        self.to.alu_immediate(Alu::Subtract, LAST, small(needle.len()));
        self.to.alu(Alu::Add, START, EVENT);
        let (furthest, bound) = (texts.size - needle.len(), Bound::Last);
        self.search_from(&Search { needle: &needle, case, furthest, bound, edges, found: true }, yes, no);
    }

    /// How many texts there are, into the register.
    pub(super) fn elements(&mut self, texts: &Texts, into: Register) {
        let (head, more, end, done) = (self.to.label(), self.to.label(), self.to.label(), self.to.label());
        let (at, pointer, count, last) = (4, 6, 7, 3);
        self.check_note(texts.unreadable);
        self.trouble_if_more(texts);
        self.begin_list(texts);
        self.to.alu(Alu::Add, START, EVENT);
        self.to.alu(Alu::Move, pointer, START);
        self.to.alu_immediate(Alu::Move, at, 0);
        self.to.alu_immediate(Alu::Move, count, 0);
        self.to.alu_immediate(Alu::Move, last, -1);
        self.blind(count);
        self.blind(last);
        self.to.turns(texts.size + 1);
        self.to.here(head);
        self.to.jump(Jump::NotEqual, at, LEFT, more);
        self.to.goto(end);
        self.to.here(more);
        self.to.load(1, last, pointer, 0);
        self.to.alu_immediate(Alu::Add, at, 1);
        self.to.alu_immediate(Alu::Add, pointer, 1);
        self.minus_one_if_zero(last);
        self.to.alu(Alu::Subtract, count, last);
        self.to.jump_immediate(Jump::Less, at, small(texts.size), head);
        self.to.turns(1);
        self.to.here(end);
        // The last one may lack its NUL.
        self.blind(last);
        self.to.jump_immediate(Jump::NotEqual, last, 0, done);
        self.to.alu_immediate(Alu::Add, count, 1);
        self.to.here(done);
        self.to.alu(Alu::Move, into, count);
        self.blind(into);
        self.steps += 24 * texts.size;
    }

    /// How many characters a text has, into the register: as many as Rhai finds in it, where each longest part of
    /// a character that is not finished, and each byte that begins none, is replaced by one.
    pub(super) fn characters(&mut self, text: &Text, into: Register) {
        self.check_there(text);
        if let Place::Path(at, length) = &text.place {
            self.check_readable(*at, length);
        }
        let limit = self.begin_text(&text.place);
        self.point(text);
        let (byte, count) = (3, 7);
        self.to.alu_immediate(Alu::Move, 4, 0);
        self.to.alu_immediate(Alu::Move, count, 0);
        self.blind(count);
        let (head, end) = (self.to.label(), self.to.label());
        let ways = Ways { head, end, limit, size: text.size };
        let [some, many, two, three, four, e0, ed, f0, f4, last, last_two] =
            [(); 11].map(|()| self.to.label());
        self.to.turns(text.size + 1);
        self.to.here(head);
        self.next_byte(&ways, end);
        self.to.jump_immediate(Jump::NotEqual, byte, 0, some);
        self.to.goto(end);
        self.to.here(some);
        self.to.alu_immediate(Alu::Add, count, 1);
        self.pass();
        self.to.jump_immediate(Jump::Greater, byte, 0x7f, many);
        self.to.goto(head);
        self.to.here(many);
        for (from, to) in [(0xc2, head), (0xe0, two)] {
            self.to.jump_immediate(Jump::Less, byte, from, to);
        }
        self.to.jump_immediate(Jump::Equal, byte, 0xe0, e0);
        self.to.jump_immediate(Jump::Equal, byte, 0xed, ed);
        self.to.jump_immediate(Jump::Less, byte, 0xf0, three);
        self.to.jump_immediate(Jump::Equal, byte, 0xf0, f0);
        self.to.jump_immediate(Jump::Equal, byte, 0xf4, f4);
        self.to.jump_immediate(Jump::Less, byte, 0xf4, four);
        self.to.goto(head);
        // Unicode 16, table 3-7: what may follow the first byte.
        for (label, least, greatest, then) in [
            (e0, 0xa0, 0xbf, last),
            (ed, 0x80, 0x9f, last),
            (three, 0x80, 0xbf, last),
            (f0, 0x90, 0xbf, last_two),
            (f4, 0x80, 0x8f, last_two),
            (four, 0x80, 0xbf, last_two),
        ] {
            self.to.here(label);
            self.following(&ways, least, greatest);
            self.to.goto(then);
        }
        self.to.here(last_two);
        self.following(&ways, 0x80, 0xbf);
        self.to.here(last);
        self.to.here(two);
        self.following(&ways, 0x80, 0xbf);
        self.to.goto(head);
        self.to.turns(1);
        self.to.here(end);
        if let Some(cut) = text.cut {
            // So many bytes have been read.
            self.to.jump_immediate(Jump::Greater, 4, small(cut - 1), self.trouble);
        }
        self.to.alu(Alu::Move, into, count);
        self.blind(into);
        self.steps += 220 * text.size;
    }

    /// The byte at `START`, r4 bytes on from the text's begin.
    fn next_byte(&mut self, ways: &Ways, end: Label) {
        let (inside, more) = (self.to.label(), self.to.label());
        if ways.limit == Limit::Left {
            self.to.jump(Jump::NotEqual, 4, LEFT, inside);
            self.to.goto(end);
        }
        self.to.here(inside);
        self.to.jump_immediate(Jump::Less, 4, small(ways.size), more);
        self.to.goto(end);
        self.to.here(more);
        self.to.load(1, 3, START, 0);
    }

    fn pass(&mut self) {
        self.to.alu_immediate(Alu::Add, START, 1);
        self.to.alu_immediate(Alu::Add, 4, 1);
    }

    /// Passes over a byte that goes on with a character; any other begins a new one.
    fn following(&mut self, ways: &Ways, least: i32, greatest: i32) {
        self.next_byte(ways, ways.end);
        self.to.jump_immediate(Jump::Less, 3, least, ways.head);
        self.to.jump_immediate(Jump::Greater, 3, greatest, ways.head);
        self.pass();
    }
}

/// Where reading characters goes.
struct Ways {
    head: Label,
    end: Label,
    limit: Limit,
    size: usize,
}
