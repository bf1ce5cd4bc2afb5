//! The only way to the terminal for what is not typed.
//!
//! In: whole lines, from the engine. Out: lines on the terminal, and never one
//! in the middle of what somebody types. There are two times:
//!
//! - The *user's own*: a line is being evaluated, the editor waits, the terminal
//!   is in its ordinary mode. Values and diagnostics are written at once, all of
//!   them; if the terminal is slow, the script waits, as any program would, and the
//!   session goes on renewing its leases.
//! - The *prompt's*: events and timers are delivered while somebody types. Lines
//!   go into a bounded queue, and a thread of its own hands them to the editor,
//!   which prints them above the prompt. The engine never waits here: what finds
//!   the queue full is counted, and the number is said when there is room again.
//!
//! The editor's printer (rustyline's) takes one batch while nobody reads keys and
//! blocks at the second, and it writes straight to the terminal when the editor is
//! not in raw mode. So lines are handed to it only while the [`Gate`] says that
//! keys are read, and the next ones only when the gate has seen them painted.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::filter::{Filter, Shown};
use crate::report::{Lines, Record, Renderer, Sink, Stream, Writer, columns, screened};

/// What prints above the prompt.
pub trait Above: Send {
    /// Prints whole lines.
    fn print(&mut self, lines: String) -> Printed;
}

/// When lines that were handed over are on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    Already,
    /// As soon as the prompt below them is painted again.
    WithPrompt,
}

/// Lines that may wait for the terminal.
const ROOM: usize = 2048;
/// Lines handed over at once: few enough that a key's echo never waits long behind them.
const BATCH: usize = 64;
/// While more lines wait than one batch takes, a batch is handed over this often: more than anybody reads, and
/// between two of them the terminal and the editor have time for keys.
const PACE: Duration = Duration::from_millis(16);
/// How long a new prompt waits for the last print to end. It ends at once, or it
/// waits for this very prompt, and then there is nothing to wait for.
const LAST_PRINT: Duration = Duration::from_millis(10);
/// How long the session's end waits for a terminal.
const LAST_WORDS: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Own,
    Prompt,
}

#[derive(Debug)]
struct State {
    time: Time,
    /// The editor reads keys.
    editing: bool,
    /// The thread is handing lines over.
    printing: bool,
    /// How often the prompt was painted.
    painted: u64,
    /// Handed over, and not painted when the editor stopped reading keys: they
    /// appear with the next prompt, if there is one.
    stuck: Option<String>,
    waiting: VecDeque<String>,
    /// Lines that found no room.
    dropped: u64,
    events: Filter,
    /// A text with more lines is kept for the pager; `None` if there is none.
    page_rows: Option<usize>,
    page: Option<String>,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment: a panic elsewhere leaves no half state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, line: &str) {
        if self.waiting.len() >= ROOM {
            self.dropped += 1;
        } else {
            self.waiting.push_back(screened(line).into_owned());
        }
    }

    /// At most `limit` lines, and the note on what was lost behind all of them.
    fn take(&mut self, limit: usize) -> Option<String> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut lines = String::new();
        for line in self.waiting.drain(..limit.min(self.waiting.len())) {
            lines.push_str(&line);
            lines.push('\n');
        }
        if self.dropped > 0 {
            self.waiting
                .push_back(format!("({} events not shown: more than the terminal takes)", self.dropped));
            self.dropped = 0;
        }
        Some(lines)
    }

    fn take_all(&mut self) -> String {
        self.time = Time::Own;
        let mut lines = self.take(usize::MAX).unwrap_or_default();
        // The note on what was lost stands alone now.
        lines.push_str(&self.take(usize::MAX).unwrap_or_default());
        lines
    }
}

/// Which of the two output streams are the terminal that somebody types at.
#[derive(Debug, Clone, Copy)]
pub struct Terminals {
    pub data: bool,
    pub log: bool,
}

impl Terminals {
    /// By which the terminal is reached. Only what goes to a terminal ever waits: with standard
    /// output elsewhere it is the log that does, and must not come between the records there.
    #[must_use]
    pub fn stream(self) -> Stream {
        if self.data { Stream::Data } else { Stream::Log }
    }
}

/// The engine's end.
#[derive(Debug, Clone)]
pub struct Printer {
    shared: Arc<Shared>,
    terminals: Terminals,
    writer: Writer,
}

/// The editor's end: it says when keys are read.
#[derive(Debug, Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

impl Printer {
    #[must_use]
    pub fn new(terminals: Terminals) -> Self {
        let state = State {
            time: Time::Own,
            editing: false,
            printing: false,
            painted: 0,
            stuck: None,
            waiting: VecDeque::new(),
            dropped: 0,
            events: Filter::default(),
            page_rows: None,
            page: None,
            ended: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        Printer { shared, terminals, writer: Writer::get() }
    }

    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate { shared: Arc::clone(&self.shared) }
    }

    /// Starts the thread that prints above the prompt.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(&self, mut above: Box<dyn Above>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let hand_over = move || {
            while let Some((lines, painted)) = next(&shared) {
                let begun = Instant::now();
                let printed = above.print(lines.clone());
                let mut state = shared.lock();
                if printed == Printed::WithPrompt {
                    let unseen =
                        |state: &mut State| state.editing && !state.ended && state.painted == painted;
                    state = shared.changed.wait_while(state, unseen).unwrap_or_else(PoisonError::into_inner);
                    state.stuck = (state.painted == painted).then_some(lines);
                }
                state.printing = false;
                shared.changed.notify_all();
                let flood = state.waiting.len() > BATCH;
                drop(state);
                if flood {
                    thread::sleep(PACE.saturating_sub(begun.elapsed()));
                }
            }
        };
        thread::Builder::new().name("krsi-printer".into()).spawn(hand_over).map(drop)
    }

    /// From here on somebody types.
    pub fn prompt_time(&self) {
        self.shared.lock().time = Time::Prompt;
    }

    /// From here on a line of the user is evaluated. What waited is written first.
    pub fn own_time(&self) {
        let waiting = self.shared.lock().take_all();
        write(self.terminals.stream(), &waiting);
    }

    /// From here on nobody is prompted any more: everything that is left is written.
    pub fn end(&self) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, LAST_WORDS, |state| state.printing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut waiting = state.stuck.take().unwrap_or_default();
        waiting.push_str(&state.take_all());
        state.ended = true;
        drop(state);
        self.shared.changed.notify_all();
        write(self.terminals.stream(), &waiting);
    }

    /// Which events are shown; gives how many lines were not shown by the former setting.
    pub fn show(&self, shown: Shown) -> u64 {
        self.shared.lock().events.set(shown)
    }

    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shared.lock().events.shown()
    }

    /// Texts with more lines than these are kept for a pager; `None`: none is.
    pub fn set_page(&self, rows: Option<usize>) {
        self.shared.lock().page_rows = rows;
    }

    /// The text that waits for a pager.
    #[must_use]
    pub fn take_page(&self) -> Option<String> {
        self.shared.lock().page.take()
    }

    /// Whether a prompt stands on the terminal.
    #[must_use]
    pub fn editing(&self) -> bool {
        self.shared.lock().editing
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Data | Stream::Event => self.terminals.data,
            Stream::Log => self.terminals.log,
        }
    }
}

/// The next lines to hand over, and how often the prompt was painted before;
/// `None` at the end.
fn next(shared: &Shared) -> Option<(String, u64)> {
    let mut state = shared.lock();
    loop {
        if state.ended {
            return None;
        }
        if state.editing
            && let Some(lines) = state.take(BATCH)
        {
            state.printing = true;
            return Some((lines, state.painted));
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Sink for Printer {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }

    fn writer(&self) -> Option<&Writer> {
        Some(&self.writer)
    }

    fn about(&mut self, probe: Option<&str>) {
        self.shared.lock().events.about(probe);
    }
}

impl Lines for Printer {
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        let mut state = self.shared.lock();
        // While somebody types, what a callback prints is about an event as well.
        let about_event = stream == Stream::Event || (stream == Stream::Data && state.time == Time::Prompt);
        if about_event && state.events.hides() {
            return Ok(());
        }
        if state.time == Time::Prompt && self.is_terminal(stream) {
            state.push(line);
            self.shared.changed.notify_all();
            return Ok(());
        }
        drop(state);
        self.writer.push_line(stream.target(), line);
        Ok(())
    }

    fn width(&self, _: Stream) -> Option<u16> {
        columns(io::stdout())
    }

    fn page(&mut self, lines: &[&str]) -> io::Result<()> {
        let mut state = self.shared.lock();
        let long = state.page_rows.is_some_and(|rows| lines.len() >= rows);
        if long && state.time == Time::Own && self.terminals.data {
            let page = state.page.get_or_insert_default();
            page.push_str(&screened(&lines.join("\n")));
            page.push('\n');
            return Ok(());
        }
        drop(state);
        lines.iter().try_for_each(|line| self.line(Stream::Data, line))
    }
}

/// Whole lines, in one piece, so that nothing of another thread comes between.
pub(super) fn write(stream: Stream, lines: &str) {
    Writer::get().push(stream.target(), lines);
}

impl Gate {
    /// The editor is about to show a prompt: the last print has to be over, or it
    /// would land in it.
    pub fn entering(&self) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, LAST_PRINT, |state| state.printing);
        drop(waited);
    }

    /// The editor reads keys, and prints what it is handed.
    pub fn open(&self) {
        let mut state = self.shared.lock();
        if !state.editing {
            state.editing = true;
            self.shared.changed.notify_all();
        }
    }

    /// The editor paints its prompt, below everything it was handed.
    pub fn paint(&self) {
        self.shared.lock().painted += 1;
        self.shared.changed.notify_all();
    }

    /// The editor has stopped reading keys.
    pub fn close(&self) {
        self.shared.lock().editing = false;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

    /// A terminal that takes a batch only when it is asked to.
    struct Slow(Sender<String>);

    impl Above for Slow {
        fn print(&mut self, lines: String) -> Printed {
            let _ = self.0.send(lines);
            Printed::Already
        }
    }

    /// An editor that takes what it is handed, and paints when it comes to it.
    struct Lazy(Sender<String>);

    impl Above for Lazy {
        fn print(&mut self, lines: String) -> Printed {
            let _ = self.0.send(lines);
            Printed::WithPrompt
        }
    }

    fn printer() -> (Printer, Receiver<String>) {
        let printer = Printer::new(Terminals { data: true, log: true });
        let (slow, taken) = bounded(0);
        printer.start(Box::new(Slow(slow))).unwrap();
        printer.prompt_time();
        (printer, taken)
    }

    #[test]
    fn nothing_is_printed_before_the_editor_reads_keys() {
        let (mut printer, taken) = printer();
        printer.line(Stream::Data, "one").unwrap();
        assert!(taken.try_recv().is_err());
        printer.gate().open();
        assert_eq!(taken.recv().unwrap(), "one\n");
    }

    #[test]
    fn a_stalled_terminal_costs_lines_which_are_counted_and_never_the_engine() {
        let (mut printer, taken) = printer();
        printer.gate().open();
        for number in 0..3 * ROOM {
            printer.line(Stream::Event, &number.to_string()).unwrap();
        }
        let number =
            |line: &str| line.trim_start_matches('(').split(' ').next().and_then(|n| n.parse::<usize>().ok());
        let (mut shown, mut lost) = (0, 0_usize);
        while shown + lost < 3 * ROOM {
            let lines = taken.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(lines.lines().count() <= BATCH);
            for line in lines.lines() {
                match line.contains("not shown") {
                    true => lost += number(line).unwrap_or_default(),
                    false => shown += 1,
                }
            }
        }
        assert_eq!(shown + lost, 3 * ROOM);
        assert!(shown >= ROOM && lost > 0, "{shown} shown, {lost} lost");
    }

    #[test]
    fn the_next_batch_waits_until_the_last_one_is_painted() {
        let mut printer = Printer::new(Terminals { data: true, log: true });
        let (lazy, taken) = unbounded();
        printer.start(Box::new(Lazy(lazy))).unwrap();
        printer.prompt_time();
        let gate = printer.gate();
        gate.open();
        printer.line(Stream::Event, "one").unwrap();
        assert_eq!(taken.recv().unwrap(), "one\n");
        printer.line(Stream::Event, "two").unwrap();
        assert!(taken.recv_timeout(Duration::from_millis(50)).is_err());
        gate.paint();
        assert_eq!(taken.recv().unwrap(), "two\n");
        gate.close();
        gate.entering();
        assert_eq!(printer.shared.lock().stuck.as_deref(), Some("two\n"));
    }

    #[test]
    fn muted_events_are_counted_and_diagnostics_still_shown() {
        let (mut printer, taken) = printer();
        printer.show(Shown::None);
        printer.gate().open();
        printer.line(Stream::Event, "an event").unwrap();
        printer.line(Stream::Data, "what its callback printed").unwrap();
        printer.line(Stream::Log, "a callback failed").unwrap();
        assert_eq!(taken.recv().unwrap(), "a callback failed\n");
        assert_eq!(printer.show(Shown::All), 2);
    }
}
