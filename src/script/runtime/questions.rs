//! Questions that the person at the prompt is to answer: one is shown at a time, the oldest first, until its time is up.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Runtime;
use crate::{
    probe::ask::{Holds, Reply, Ruling, Standing, Whose},
    script::{event::ScriptEvent, handle::ProbeHandle},
    system::clock,
    values::{Errno, Signal},
};

/// An operation that is held for somebody's answer.
pub(super) struct Question {
    pub probe: ProbeHandle,
    pub event: ScriptEvent,
    pub tid: u32,
    pub asked_ns: u64,
    pub until_ns: u64,
}

/// Keys that were pressed and are not looked at yet.
const KEYS: usize = 64;
/// Whoever was typing when the question appeared has not meant it.
const SURPRISE: Duration = Duration::from_millis(700);

/// The letters that answer, and what each says.
pub const LETTERS: &str = "a allow, s allow in this session, d deny, D deny in this session, k kill, m more";

/// What the prompt's keys share with the session: whether a question is open, and where answers go.
#[derive(Debug, Clone)]
pub struct Answering {
    /// When it was shown, in milliseconds since `began`, and one more; 0: none is.
    open: Arc<AtomicU64>,
    began: Instant,
    keys: (Sender<char>, Receiver<char>),
}

impl Default for Answering {
    fn default() -> Self {
        Answering { open: Arc::default(), began: Instant::now(), keys: bounded(KEYS) }
    }
}

impl Answering {
    /// Takes a key as an answer, if a question is open for long enough that it can be meant. `alone`: nothing else is being typed.
    #[must_use]
    pub fn take(&self, key: char, alone: bool) -> bool {
        let shown = self.open.load(Ordering::Acquire);
        if shown == 0 || !alone || !is_letter(key) {
            return false;
        }
        let since = self.began.elapsed().saturating_sub(Duration::from_millis(shown - 1));
        since >= SURPRISE && self.keys.0.try_send(key).is_ok()
    }

    fn open(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.open.store(now + 1, Ordering::Release);
    }

    fn close(&self) {
        self.open.store(0, Ordering::Release);
    }
}

/// What somebody at the prompt is asked.
#[derive(Default)]
pub(super) struct Asked {
    waiting: RefCell<VecDeque<Question>>,
    /// The first one is on the screen.
    shown: Cell<bool>,
}

fn is_letter(key: char) -> bool {
    key == 'm' || reply(key).is_some()
}

/// What a letter answers.
fn reply(key: char) -> Option<Reply> {
    let session = Holds::For(None, Whose::Executable);
    let (ruling, holds) = match key {
        'a' => (Ruling::Allow, Holds::Once),
        's' => (Ruling::Allow, session),
        'd' => (Ruling::Deny(Errno::EPERM), Holds::Once),
        'D' => (Ruling::Deny(Errno::EPERM), session),
        'k' => (Ruling::Kill(Signal::KILL), Holds::Once),
        _ => return None,
    };
    Some(Reply { ruling, holds })
}

impl Runtime {
    /// Has somebody at the prompt decide, who is told of it in its turn. False if it is asked already: the process was continued by
    /// another process.
    pub(super) fn put(&self, question: Question) -> bool {
        let is_same = |known: &Question| (known.tid, known.asked_ns) == (question.tid, question.asked_ns);
        if self.asked.waiting.borrow().iter().any(is_same) {
            return false;
        }
        self.asked.waiting.borrow_mut().push_back(question);
        self.show_question();
        true
    }

    /// Where keys come that are answers.
    pub(super) fn keys(&self) -> &Receiver<char> {
        &self.options.answering.keys.1
    }

    /// When the first question's time is up.
    pub(super) fn question_due(&self, now: Instant) -> Option<Instant> {
        let until_ns = self.asked.waiting.borrow().iter().map(|question| question.until_ns).min()?;
        let left = until_ns.saturating_sub(clock::monotonic_ns().unsigned_abs());
        now.checked_add(Duration::from_nanos(left))
    }

    /// Lets go of questions that are over, and shows the next.
    pub(super) fn look_at_questions(&self) {
        if self.asked.waiting.borrow().is_empty() {
            return;
        }
        let over = |question: &Question| !matches!(question.probe.standing(question.tid, question.asked_ns), Standing::Open(until) if until > clock::monotonic_ns().unsigned_abs());
        let waiting = self.asked.waiting.take();
        let first_is_gone = waiting.front().is_some_and(over);
        let (gone, left): (VecDeque<_>, VecDeque<_>) = waiting.into_iter().partition(over);
        *self.asked.waiting.borrow_mut() = left;
        for (index, question) in gone.iter().enumerate() {
            if !(first_is_gone && index == 0 && self.asked.shown.get()) {
                self.report(|reporter| reporter.event(question.event.inner()));
            }
            self.note(&format!("{}: the question about {} is over", question.probe.name(), who(question)));
        }
        if first_is_gone {
            self.close_question();
        }
        self.show_question();
    }

    /// Answers the question that is shown; says so.
    ///
    /// # Errors
    /// If there is none, or nothing is answered by this letter.
    pub fn answer_key(&self, key: char) -> Result<(), String> {
        if !is_letter(key) {
            return Err(format!("`{key}` answers nothing; allowed: {LETTERS}"));
        }
        let Some(reply) = reply(key) else { return self.tell_more() };
        let question = self.asked.waiting.borrow_mut().pop_front();
        let question = question.ok_or("nothing is asked")?;
        self.close_question();
        let held = self.answer(&question.probe, question.tid, question.asked_ns, reply);
        let said = if held { reply.to_string() } else { "too late: it is held no longer".to_owned() };
        self.note(&format!("{}: {}: {said}", question.probe.name(), who(&question)));
        self.show_question();
        Ok(())
    }

    fn tell_more(&self) -> Result<(), String> {
        let waiting = self.asked.waiting.borrow();
        let question = waiting.front().ok_or("nothing is asked")?;
        self.note(&question.event.describe());
        Ok(())
    }

    fn close_question(&self) {
        self.asked.shown.set(false);
        self.options.answering.close();
    }

    fn show_question(&self) {
        let waiting = self.asked.waiting.borrow();
        let Some(question) = waiting.front().filter(|_| !self.asked.shown.get()) else { return };
        self.asked.shown.set(true);
        let left = question.until_ns.saturating_sub(clock::monotonic_ns().unsigned_abs());
        let seconds = Duration::from_nanos(left).as_secs();
        let otherwise = question.probe.ask().map_or_else(String::new, |ask| ask.otherwise.to_string());
        let more = match waiting.len() {
            1 => String::new(),
            many => format!("; {} more wait", many - 1),
        };
        self.report(|reporter| reporter.event(question.event.inner()));
        self.report(|reporter| {
            reporter.log(&format!(
                "{} asks about {} ({seconds} s, otherwise {otherwise}{more}): {LETTERS}",
                question.probe.name(),
                who(question),
            ))
        });
        self.options.answering.open();
    }
}

fn who(question: &Question) -> String {
    let event = question.event.inner();
    format!("{}[{}]", event.text("comm"), event.number("pid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_answer_only_while_something_is_asked_and_nothing_else_is_typed() {
        let began = Instant::now().checked_sub(SURPRISE * 2).unwrap();
        let answering = Answering { began, ..Answering::default() };
        assert!(!answering.take('a', true));
        answering.open.store(1, Ordering::Release);
        assert!(!answering.take('a', false));
        assert!(!answering.take('x', true));
        assert!(answering.take('a', true));
        assert_eq!(answering.keys.1.try_recv(), Ok('a'));
        // It has just appeared.
        answering.open();
        assert!(!answering.take('a', true));
    }

    #[test]
    fn each_letter_that_is_told_answers() {
        for told in LETTERS.split(", ") {
            assert!(is_letter(told.chars().next().unwrap()), "{told}");
        }
    }
}
