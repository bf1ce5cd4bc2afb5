//! What keys do beyond the line editor's own: Enter parses, Alt-Enter begins a line, Ctrl-C loses nothing that is typed
//! behind it, Up and Down find what begins as the line does, and the margins of further lines are crossed in one step.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustyline::{
    At, CharSearch, Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode,
    KeyEvent, Modifiers, Movement, RepeatCount, Word, history::History,
};

use super::{
    listing::Listing,
    margin, meta,
    recall::{Recall, Way},
};
use crate::script::{Answering, Completeness, completeness};

/// What the keys share with the editor's other parts.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// A question is asked: Enter always ends the input.
    pub question: Arc<AtomicBool>,
    /// Ctrl-C has ended the input, as Enter does: by an error, which would be the editor's own way, it would lose what
    /// else it has read already.
    pub interrupted: Arc<AtomicBool>,
    pub recall: Recall,
    pub listing: Listing,
    /// Of what probes ask.
    pub answering: Answering,
}

/// Binds the keys.
pub fn bind<H: Helper, I: History>(editor: &mut Editor<H, I>, shared: &Shared) {
    let plain = |code| KeyEvent(code, Modifiers::NONE);
    let mut on = |event: Event, inner: Option<Box<dyn ConditionalEventHandler>>| {
        let handler = Answered {
            listing: shared.listing.clone(),
            answering: shared.answering.clone(),
            question: Arc::clone(&shared.question),
            inner,
        };
        editor.bind_sequence(event, EventHandler::Conditional(Box::new(handler)));
    };
    on(Event::Any, None);
    let mut on = |key: KeyEvent, handler: Box<dyn ConditionalEventHandler>| on(key.into(), Some(handler));
    for key in [plain(KeyCode::Enter), KeyEvent::ctrl('J'), KeyEvent::ctrl('M')] {
        on(key, Box::new(Enter { question: Arc::clone(&shared.question) }));
    }
    for key in [KeyEvent(KeyCode::Enter, Modifiers::ALT), KeyEvent::new('\n', Modifiers::ALT)] {
        on(key, Box::new(NewLine { question: Arc::clone(&shared.question) }));
    }
    for key in [plain(KeyCode::Up), KeyEvent::ctrl('P')] {
        on(key, Box::new(Walk { way: Way::Older, recall: shared.recall.clone() }));
    }
    for key in [plain(KeyCode::Down), KeyEvent::ctrl('N')] {
        on(key, Box::new(Walk { way: Way::Newer, recall: shared.recall.clone() }));
    }
    on(KeyEvent::ctrl('C'), Box::new(Interrupt(Arc::clone(&shared.interrupted))));
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

/// A key that answers the question of a list of candidates, or of a probe, if one stands, and else does what it is for.
struct Answered {
    listing: Listing,
    answering: Answering,
    question: Arc<AtomicBool>,
    inner: Option<Box<dyn ConditionalEventHandler>>,
}

impl ConditionalEventHandler for Answered {
    fn handle(&self, event: &Event, n: RepeatCount, positive: bool, context: &EventContext) -> Option<Cmd> {
        let answer = event.get(0).and_then(|key| self.listing.answer(*key));
        if answer.is_none() && event.get(0).is_some_and(|key| self.answers(*key, context.line())) {
            return Some(Cmd::Noop);
        }
        answer.or_else(|| self.inner.as_ref()?.handle(event, n, positive, context))
    }
}

impl Answered {
    /// A letter answers what a probe asks where nothing else is being typed; with Alt it does in any case.
    fn answers(&self, KeyEvent(key, modifiers): KeyEvent, line: &str) -> bool {
        let KeyCode::Char(letter) = key else { return false };
        let alone = modifiers == Modifiers::ALT || (line.is_empty() && modifiers == Modifiers::NONE);
        !self.question.load(Ordering::Relaxed) && self.answering.take(letter, alone)
    }
}

/// Goes on in a new line, whether or not the input could be evaluated.
struct NewLine {
    question: Arc<AtomicBool>,
}

impl ConditionalEventHandler for NewLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        let asked = self.question.load(Ordering::Relaxed);
        Some(if asked { Cmd::Noop } else { Cmd::Insert(1, margin::newline()) })
    }
}

/// To an earlier input, or back; within an input of several lines, from line to line.
struct Walk {
    way: Way,
    recall: Recall,
}

impl ConditionalEventHandler for Walk {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let (line, cursor) = (context.line(), context.pos());
        let (before, behind) = line.split_at_checked(cursor)?;
        let (within, search) = match self.way {
            Way::Older => (before, Cmd::HistorySearchBackward),
            Way::Newer => (behind, Cmd::HistorySearchForward),
        };
        if within.contains('\n') {
            return None;
        }
        Some(if self.recall.begin(self.way, line, cursor) { search } else { Cmd::Noop })
    }
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
