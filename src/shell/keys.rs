//! What keys do beyond the line editor's own: Enter parses, Ctrl-C loses nothing that is typed behind it, and the
//! margins of further lines are crossed in one step.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustyline::{
    At, CharSearch, Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode,
    KeyEvent, Modifiers, Movement, RepeatCount, Word, history::History,
};

use super::{margin, meta};
use crate::script::{Completeness, completeness};

/// Binds the keys. While `question` holds, Enter always ends the input. Ctrl-C ends it as Enter does, and says so in
/// `interrupted`: by an error, which would be the editor's own way, it would lose what else it has read already.
pub fn bind<H: Helper, I: History>(
    editor: &mut Editor<H, I>,
    question: &Arc<AtomicBool>,
    interrupted: &Arc<AtomicBool>,
) {
    let plain = |code| KeyEvent(code, Modifiers::NONE);
    let mut on = |key: KeyEvent, handler: Box<dyn ConditionalEventHandler>| {
        editor.bind_sequence(key, EventHandler::Conditional(handler));
    };
    for key in [plain(KeyCode::Enter), KeyEvent::ctrl('J'), KeyEvent::ctrl('M')] {
        on(key, Box::new(Enter { question: Arc::clone(question) }));
    }
    on(KeyEvent::ctrl('C'), Box::new(Interrupt(Arc::clone(interrupted))));
    on(plain(KeyCode::Backspace), Box::new(Over(|line, at| behind(line, at).map(Cmd::Kill))));
    on(plain(KeyCode::Delete), Box::new(Over(|line, at| ahead(line, at).map(Cmd::Kill))));
    on(plain(KeyCode::Left), Box::new(Over(|line, at| behind(line, at).map(Cmd::Move))));
    on(plain(KeyCode::Right), Box::new(Over(|line, at| ahead(line, at).map(Cmd::Move))));
    for key in [plain(KeyCode::Home), KeyEvent::ctrl('A')] {
        on(key, Box::new(Over(line_start)));
    }
}

/// Whether Enter ends the input: it parses, or it was given up by two blank lines.
#[must_use]
pub fn is_finished(text: &str) -> bool {
    meta::is_shells_own(text) || is_given_up(text) || completeness(text) == Completeness::Complete
}

/// Two blank lines end an input that the parser would go on with.
fn is_given_up(text: &str) -> bool {
    let mut last = text.rsplit('\n');
    let blank = |line: Option<&str>| line.is_some_and(|line| line.trim().is_empty());
    blank(last.next()) && blank(last.next()) && last.next().is_some()
}

struct Enter {
    question: Arc<AtomicBool>,
}

impl ConditionalEventHandler for Enter {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let finished = self.question.load(Ordering::Relaxed) || is_finished(&margin::strip(context.line()));
        Some(if finished { Cmd::AcceptLine } else { Cmd::Insert(1, margin::newline()) })
    }
}

struct Interrupt(Arc<AtomicBool>);

impl ConditionalEventHandler for Interrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// What a key does at a place, if that is not what it does everywhere.
type Step = fn(&str, usize) -> Option<Cmd>;

struct Over(Step);

impl ConditionalEventHandler for Over {
    fn handle(&self, _: &Event, n: RepeatCount, positive: bool, context: &EventContext) -> Option<Cmd> {
        if n == 1 && positive { (self.0)(context.line(), context.pos()) } else { None }
    }
}

// The editor puts its own repeat count, 1, into whatever a handler answers: so these
// are movements by what is there, and not by how many characters.

/// Back over the margin and its newline.
fn behind(line: &str, at: usize) -> Option<Movement> {
    margin::ends_at(line, at).then_some(Movement::ViCharSearch(1, CharSearch::Backward('\n')))
}

/// Ahead over a newline and its margin, to the word behind them.
fn ahead(line: &str, at: usize) -> Option<Movement> {
    let next = line.get(at..)?.strip_prefix(&margin::newline())?;
    let word = next.starts_with(|c: char| !c.is_whitespace());
    word.then_some(Movement::ForwardWord(1, At::Start, Word::Big))
}

fn line_start(line: &str, at: usize) -> Option<Cmd> {
    let start = line.get(..at)?.rfind('\n')? + 1 + margin::BYTES;
    if !margin::ends_at(line, start) {
        return None;
    }
    let home = Movement::ViCharSearch(1, CharSearch::BackwardAfter(margin::FILL));
    Some(if at == start { Cmd::Noop } else { Cmd::Move(home) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blank_lines_give_up() {
        assert!(is_given_up("f(\n\n"));
        assert!(is_given_up("f(\n  \n  "));
        assert!(!is_given_up("f(\n"));
        assert!(!is_given_up("f(\n1\n"));
        assert!(!is_given_up("\n"));
    }

    #[test]
    fn a_margin_is_crossed_in_one_step() {
        let line = format!("f({}1", margin::newline());
        let after = line.len() - 1;
        assert_eq!(behind(&line, after), Some(Movement::ViCharSearch(1, CharSearch::Backward('\n'))));
        assert_eq!(behind(&line, line.len()), None);
        assert_eq!(ahead(&line, 2), Some(Movement::ForwardWord(1, At::Start, Word::Big)));
        assert_eq!(ahead(&line, 1), None);
        assert_eq!(line_start(&line, after), Some(Cmd::Noop));
        assert!(matches!(line_start(&line, line.len()), Some(Cmd::Move(_))));
        assert_eq!(line_start("abc", 2), None);
    }
}
