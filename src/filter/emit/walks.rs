//! One walk over a text: a state, and for each byte the next one from a table.
//!
//! Several bytes are taken before it is looked whether the walk has come to its end; what is read behind the end of a text changes
//! nothing, since no way leads out of a state in which all is settled. The verifier follows each turn once: it knows
//! nothing of the state but that its row is inside of the table, which the table's form says (`automaton/table.rs`).

use super::{
    Alu, EVENT, Emitter, Fallible, Jump, Label, Readable, Register, offset, places::LEFT, small, texts::AT,
};
use crate::filter::{
    automaton::{BITS, Outcome, QUESTIONS, ROWS, Table, Width},
    ir::{Formula, Place, Test, Text, Texts},
    walks::Subject,
};

const BYTE: Register = 3;
const TURN: Register = 4;
const STATE: Register = 7;
/// The bits met on the way.
const MET: Register = 6;
/// Where the table begins: its columns, and `ROWS` bytes on its rows.
const TABLE: Register = 9;

/// Bytes that one turn takes, of a text that only a NUL ends.
const STRIDE: usize = 8;
/// Marks what is kept of a walk that has been taken: above the bits of what is open, below those of what was met.
const TAKEN: i32 = 1 << 12;

impl Emitter<'_> {
    /// Makes room for what walks come to that answer more than one question.
    pub(super) fn keep_walks(&mut self) -> Fallible {
        for (number, walk) in self.walks.iter().enumerate() {
            if walk.outcome == Outcome::Bits {
                let slot = self.slots;
                self.slots += 1;
                self.walked[number].slot = Some(slot);
                self.to.alu_immediate(Alu::Move, MET, 0);
                self.store_plain(slot, MET)?;
            }
        }
        Ok(())
    }

    /// Whether the text is as one of the tests says.
    pub(super) fn asked(&mut self, text: &Text, tests: &[Test], yes: Label, no: Label) -> Fallible {
        self.check_there(text);
        if let Place::Path(at, length) = &text.place {
            self.check_readable(*at, length);
        }
        let question = |subject: &Subject| match subject {
            Subject::Text(other, questions) if other == text => {
                questions.iter().position(|asked| asked == tests)
            }
            _ => None,
        };
        let walks = self.walks;
        let found = walks
            .iter()
            .enumerate()
            .find_map(|(number, walk)| question(&walk.subject).map(|at| (number, at)));
        // Each question has a walk: the same pass has collected them.
        let Some((number, question)) = found else {
            self.to.goto(self.trouble);
            return Ok(());
        };
        let table = &walks[number].table;
        if walks[number].outcome == Outcome::One {
            self.walk_text(text, number, table);
            self.to.jump_immediate(Jump::Equal, STATE, 0, no);
            self.to.jump_immediate(Jump::Equal, STATE, number_of(table.second), yes);
            self.to.goto(self.trouble);
            return Ok(());
        }
        let Some(slot) = self.walked[number].slot else {
            self.to.goto(self.trouble);
            return Ok(());
        };
        if self.read.contains(&Readable::Walked(number)) {
            self.load_slot(slot, MET);
        } else {
            let taken = self.to.label();
            if self.walked[number].once {
                self.load_slot(slot, MET);
                self.to.jump_immediate(Jump::NotEqual, MET, 0, taken);
            }
            self.walk_text(text, number, table);
            self.settle(table);
            self.store_slot(slot, MET)?;
            self.to.here(taken);
            self.walked[number].once = true;
            self.read.push(Readable::Walked(number));
        }
        self.to.jump_immediate(Jump::AnyBit, MET, 1 << (BITS as usize + question), yes);
        if may_be_cut(text) {
            self.to.jump_immediate(Jump::AnyBit, MET, 1 << question, self.trouble);
        }
        self.to.goto(no);
        Ok(())
    }

    /// Of a walk over a text: the bits met, those that are open, and that it has been taken. Into `MET`.
    fn settle(&mut self, table: &Table) {
        let Width::Wide { mask } = table.width else { return };
        let bits = ((1 << QUESTIONS) - 1) << BITS;
        self.to.alu_immediate(Alu::And, MET, bits);
        self.to.alu_immediate(Alu::And, STATE, number_of(mask));
        self.to.alu(Alu::Add, STATE, TABLE);
        self.to.load(4, BYTE, STATE, offset(ROWS + table.open));
        self.to.alu(Alu::Or, MET, BYTE);
        self.to.alu_immediate(Alu::Or, MET, TAKEN);
    }

    /// Whether the formula holds for one of the texts.
    pub(super) fn some(&mut self, texts: &Texts, formula: &Formula, yes: Label, no: Label) -> Fallible {
        self.check_note(texts.unreadable);
        let walks = self.walks;
        let is_this = |subject: &Subject| matches!(subject, Subject::List(other, asked) if other == texts && asked == formula);
        let Some(number) = walks.iter().position(|walk| is_this(&walk.subject)) else {
            self.to.goto(self.trouble);
            return Ok(());
        };
        let table = &walks[number].table;
        self.begin_list(texts);
        self.to.alu(Alu::Add, AT, EVENT);
        self.begin_walk(number, table);
        let done = self.to.label();
        self.walk_left(table, texts.size, texts.packed.most + texts.size, done);
        self.to.here(done);
        self.to.jump_immediate(Jump::Equal, STATE, 0, yes);
        self.trouble_if_more(texts);
        // No text is under way.
        self.to.jump_immediate(Jump::Equal, STATE, number_of(table.second), no);
        self.step_at_end(table);
        self.to.jump_immediate(Jump::Equal, STATE, 0, yes);
        self.to.goto(no);
        Ok(())
    }

    /// Walks over a text; the state it comes to is in `STATE`.
    fn walk_text(&mut self, text: &Text, number: usize, table: &Table) {
        let done = self.to.label();
        match &text.place {
            Place::Path(at, length) if text.cut.is_none() => {
                self.to.load(4, LEFT, EVENT, offset(length.offset));
                self.to.alu(Alu::Move, AT, EVENT);
                self.to.alu_immediate(Alu::Add, AT, small(*at));
                self.begin_walk(number, table);
                self.walk_left(table, text.size - 1, at + text.size, done);
                self.step_at_end(table);
                self.to.here(done);
            }
            Place::Padded(at) | Place::Path(at, _) => {
                self.to.alu(Alu::Move, AT, EVENT);
                self.to.alu_immediate(Alu::Add, AT, small(*at));
                self.begin_walk(number, table);
                self.walk_to_nul(table, text.cut.unwrap_or(text.size), false, done);
                self.to.here(done);
            }
            Place::Packed(_) => {
                self.begin_text(&text.place);
                self.point(text);
                self.begin_walk(number, table);
                self.walk_to_nul(table, text.cut.unwrap_or(text.size), true, done);
                self.to.here(done);
            }
            Place::Element(texts, _) => {
                self.begin_text(&text.place);
                self.point(text);
                self.begin_walk(number, table);
                self.walk_left(table, texts.size, texts.packed.most + texts.size, done);
                self.end_unless_cut(texts, table, done);
            }
            Place::Joined(texts) => {
                self.begin_list(texts);
                self.to.alu(Alu::Add, AT, EVENT);
                self.without_last_nul(texts);
                self.begin_walk(number, table);
                self.walk_left(table, texts.size, texts.packed.most + texts.size, done);
                self.end_unless_cut(texts, table, done);
            }
        }
    }

    /// Of a list whose begin is at `AT`: the NUL at its end is no part of the text.
    fn without_last_nul(&mut self, texts: &Texts) {
        let none = self.to.label();
        self.to.jump_immediate(Jump::Equal, LEFT, 0, none);
        self.to.jump_immediate(Jump::Greater, LEFT, small(texts.size), none);
        self.to.alu(Alu::Move, BYTE, AT);
        self.to.alu(Alu::Add, BYTE, LEFT);
        self.to.load(1, BYTE, BYTE, -1);
        self.to.jump_immediate(Jump::NotEqual, BYTE, 0, none);
        self.to.alu_immediate(Alu::Subtract, LEFT, 1);
        self.to.here(none);
        self.blind(LEFT);
    }

    fn begin_walk(&mut self, number: usize, table: &Table) {
        self.to.load_table(TABLE, number);
        self.to.constant(STATE, table.start.into());
        if matches!(table.width, Width::Wide { .. }) {
            self.to.constant(MET, i64::from(table.first) << BITS);
        }
    }

    /// So many bytes at most, of which one is a NUL, unless the text is cut.
    fn walk_to_nul(&mut self, table: &Table, most: usize, found: bool, done: Label) {
        let (turns, rest) = (most / STRIDE, most % STRIDE);
        if turns > 0 {
            let (head, more) = (self.to.label(), self.to.label());
            self.to.alu_immediate(Alu::Move, TURN, 0);
            self.to.turns(turns);
            self.to.here(head);
            for at in 0..STRIDE {
                self.step(table, at);
            }
            self.go_on_unless_settled(table, more, done);
            self.to.here(more);
            self.to.alu_immediate(Alu::Add, AT, small(STRIDE));
            self.to.alu_immediate(Alu::Add, TURN, 1);
            self.to.jump_immediate(Jump::Less, TURN, small(turns), head);
            self.to.turns(1);
        }
        for at in 0..rest {
            self.step(table, at);
        }
        self.steps += most * (table.steps() + 1) * if found { 2 } else { 1 };
    }

    /// `LEFT` bytes: at most so many, and before this end of theirs in the event.
    fn walk_left(&mut self, table: &Table, most: usize, end: usize, done: Label) {
        let stride = self.stride;
        let (head, rest) = (self.to.label(), self.to.label());
        self.to.jump_immediate(Jump::Greater, LEFT, small(most), self.trouble);
        if most >= stride {
            let (enough, more) = (self.to.label(), self.to.label());
            self.to.jump_immediate(Jump::Greater, LEFT, small(stride - 1), enough);
            self.to.goto(rest);
            self.to.here(enough);
            // `LEFT` has a bound that the verifier sees shrink, so that nothing else need count the turns.
            self.to.turns(most / stride);
            self.to.here(head);
            for at in 0..stride {
                self.step(table, at);
            }
            self.go_on_unless_settled(table, more, done);
            self.to.here(more);
            self.to.alu_immediate(Alu::Add, AT, small(stride));
            self.to.alu_immediate(Alu::Subtract, LEFT, small(stride));
            self.to.jump_immediate(Jump::Greater, LEFT, small(stride - 1), head);
            self.to.turns(1);
        }
        self.to.here(rest);
        // Fewer than a turn takes. The verifier is told the place anew, so that it follows what comes once, not once for each turn.
        self.blind(LEFT);
        self.to.alu(Alu::Subtract, AT, EVENT);
        self.blind(AT);
        self.to.jump_immediate(Jump::Greater, AT, small(end), self.trouble);
        self.to.alu(Alu::Add, AT, EVENT);
        let mut part = stride / 2;
        while part > 0 {
            let (take, passed) = (self.to.label(), self.to.label());
            self.to.jump_immediate(Jump::AnyBit, LEFT, small(part), take);
            self.to.goto(passed);
            self.to.here(take);
            for at in 0..part {
                self.step(table, at);
            }
            if part > 1 {
                self.to.alu_immediate(Alu::Add, AT, small(part));
            }
            self.to.here(passed);
            part /= 2;
        }
        // Each part of the rest is walked once for every choice before it: as many steps as half a stride has, each time.
        let choices = stride.ilog2() as usize * stride / 2;
        self.steps += (most + choices) * (table.steps() + 1) * 2;
    }

    /// Of a text whose length says where it ends: the end is a step like any other, if nothing is cut.
    fn end_unless_cut(&mut self, texts: &Texts, table: &Table, done: Label) {
        if let Some(flag) = texts.cut {
            self.to.load(1, BYTE, EVENT, offset(flag));
            self.to.jump_immediate(Jump::NotEqual, BYTE, 0, done);
        }
        self.step_at_end(table);
        self.to.here(done);
    }

    /// Leaves the loop where no byte changes anything any more: what follows is behind `more`.
    fn go_on_unless_settled(&mut self, table: &Table, more: Label, done: Label) {
        match table.width {
            Width::Narrow { .. } => {
                // Of elements the second state is where one begins.
                let settled = if table.of_elements { 0 } else { table.second };
                self.to.jump_immediate(Jump::Greater, STATE, number_of(settled), more);
            }
            Width::Wide { mask } => self.to.jump_immediate(Jump::AnyBit, STATE, number_of(mask), more),
        }
        self.to.goto(done);
    }

    /// One byte: the next state.
    fn step(&mut self, table: &Table, at: usize) {
        self.to.load(1, BYTE, AT, offset(at));
        self.to.alu(Alu::Add, BYTE, TABLE);
        self.to.load(1, BYTE, BYTE, 0);
        if table.column_shift > 0 {
            self.to.alu_immediate(Alu::ShiftLeft, BYTE, table.column_shift.into());
        }
        self.go_to_row(table);
        self.to.alu(Alu::Add, STATE, BYTE);
        self.next_state(table);
    }

    fn step_at_end(&mut self, table: &Table) {
        self.go_to_row(table);
        self.to.alu_immediate(Alu::Add, STATE, small(table.end));
        self.next_state(table);
    }

    fn go_to_row(&mut self, table: &Table) {
        if let Width::Narrow { shift: shift @ 1.. } = table.width {
            self.to.alu_immediate(Alu::ShiftLeft, STATE, shift.into());
        }
    }

    fn next_state(&mut self, table: &Table) {
        match table.width {
            Width::Narrow { .. } => {
                self.to.alu(Alu::Add, STATE, TABLE);
                self.to.load(2, STATE, STATE, offset(ROWS));
            }
            Width::Wide { mask } => {
                self.to.alu_immediate(Alu::And, STATE, number_of(mask));
                self.to.alu(Alu::Add, STATE, TABLE);
                self.to.load(4, STATE, STATE, offset(ROWS));
                self.to.alu(Alu::Or, MET, STATE);
            }
        }
    }
}

fn may_be_cut(text: &Text) -> bool {
    match &text.place {
        Place::Element(texts, _) | Place::Joined(texts) => texts.cut.is_some(),
        _ => text.cut.is_some(),
    }
}

/// A number below 2^31.
fn number_of(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
