//! The interactive shell.
//!
//! In: keys. Out: lines for the engine, and on the terminal what the engine
//! says. Two threads hold a conversation: the *engine* (the caller's, sole owner
//! of the [`Session`]) asks for a line, and delivers events and timers until one
//! comes; the *editor* waits for keys, and prompts again only when it is asked,
//! that is, when the line was evaluated. A third, the *printer*, puts what
//! happens meanwhile above the line being typed.
//!
//! This is the only place that names rustyline, and the engine knows nothing of
//! it: scripts run without this module. It must never hold the engine up while
//! events arrive, and never leave the terminal other than it was found.

mod ask;
mod child;
mod complete;
mod context;
mod editor;
mod filter;
mod highlight;
mod history;
mod init;
mod journal;
mod keys;
mod lexer;
mod listing;
mod margin;
mod meta;
mod plain;
mod printer;
mod prompt;
mod recall;
mod terminal;
mod top;
mod vocabulary;

use std::{
    io::{self, Write as _},
    rc::Rc,
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender};

use self::{
    ask::{Ask, Typed},
    editor::{Reader, RichReader, Setting},
    journal::{Gave, Journal},
    plain::{Between, PlainReader},
    printer::{Above, Printer},
    prompt::Prompt,
    terminal::Terminal,
    vocabulary::Vocabulary,
};
use crate::{
    exit,
    kernel::{self, Live},
    report::{Format, Lines, Stream, printable_lines, wrapped},
    script::{self, Echo, LineResult, Options, Outcome, Served, Session, Source, Stance},
    template::Catalogue,
};

/// What is evaluated before the first prompt.
#[derive(Debug, Default)]
pub struct Begin {
    /// The start-up file.
    pub init: bool,
    pub script: Option<Source>,
}

/// Runs the shell until its user leaves; gives the process's exit code.
#[must_use]
pub fn interactive(catalogue: Catalogue, options: Options, begin: Begin) -> i32 {
    interactive_with(catalogue, options, begin, |_| {})
}

/// As [`interactive`], for whoever has events of other origin to put into the session: tests.
#[doc(hidden)]
#[must_use]
pub fn interactive_with(
    catalogue: Catalogue,
    options: Options,
    begin: Begin,
    begun: impl FnOnce(&Session),
) -> i32 {
    let terminal = Rc::new(Terminal::look());
    let printer = Printer::new(terminal.streams());
    if !options.quiet {
        banner();
    }
    let (asks, answers) = match open(&terminal, &printer, &catalogue, &options) {
        Ok(conversation) => conversation,
        Err(error) => {
            complain(&format!("krsi-sh: cannot read from this terminal: {error}"));
            return exit::ENVIRONMENT;
        }
    };
    terminal.keep_keys();
    let (format, color) = (options.format, options.color);
    let backend = Box::new(Live::new(catalogue.clone(), options.door));
    let full_screen = terminal.is_capable() && !terminal.is_output_elsewhere();
    let options = Options { interactive: true, ..options };
    let mut shell = Shell {
        session: Session::new(catalogue.clone(), options, backend, Box::new(printer.clone())),
        catalogue,
        journal: Journal::default(),
        printer,
        format,
        color,
        full_screen,
        pager: full_screen,
        last: String::new(),
        asks,
        answers,
        terminal: Rc::clone(&terminal),
    };
    begun(&shell.session);
    let ended = match shell.begin(begin) {
        Flow::Over(outcome) => outcome,
        _ => shell.converse(),
    };
    // Whatever is printed from here on finds the terminal as it was.
    terminal.restore(shell.printer.editing());
    shell.printer.end();
    // An ended session has finished already, and does nothing twice.
    let finished = shell.session.finish();
    shell.session.last_output(ended.unwrap_or(finished)).code
}

/// What this is and what it can do here; cheap, for the prompt waits for it.
fn banner() {
    let release = kernel::release().unwrap_or_else(|_| "an unknown release".into());
    complain(&format!("krsi-sh {} on Linux {release}; type `help`; Ctrl-D quits", env!("CARGO_PKG_VERSION")));
    match kernel::check() {
        // Some hosts refuse LSM programs all the same; only a load can tell, which takes longer.
        Ok(()) => complain(&format!("{}: `krsi-sh doctor` finds out what probes can do here", listed())),
        Err(error) => complain(&format!("nothing can be attached here: {error}")),
    }
}

/// Says something on standard error before there is a session. Nobody is left to tell if that fails.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable_lines(text));
}

/// As much as can be seen without loading anything.
fn listed() -> &'static str {
    match kernel::check_lsm() {
        Err(_) => {
            "`bpf` is not in the kernel's list of LSMs, so probes are attached by fmod_ret, which enforces too"
        }
        Ok(()) if kernel::lsm_list_is_readable() => "BPF LSM is in the kernel's list",
        Ok(()) => "whether BPF LSM is active cannot be seen (/sys/kernel/security/lsm cannot be read)",
    }
}

/// Starts the editor, and the printer that goes with it.
fn open(
    terminal: &Terminal,
    printer: &Printer,
    catalogue: &Catalogue,
    options: &Options,
) -> Result<(Sender<Ask>, Receiver<Typed>), Box<dyn std::error::Error>> {
    let (reader, above) = if terminal.is_capable() {
        rich(terminal, printer, catalogue, options)?
    } else {
        let prompts = terminal.is_interactive() && !terminal.is_output_elsewhere();
        let above: Box<dyn Above> = Box::new(Between { prompts, stream: terminal.streams().stream() });
        (Reader::Plain(PlainReader::new(printer.gate(), prompts)), above)
    };
    printer.start(above)?;
    Ok(editor::start(reader)?)
}

fn rich(
    terminal: &Terminal,
    printer: &Printer,
    catalogue: &Catalogue,
    options: &Options,
) -> Result<(Reader, Box<dyn Above>), Box<dyn std::error::Error>> {
    let history = editor::history_file().unwrap_or_else(|reason| {
        complain(&format!("no history in this session: {reason}"));
        None
    });
    let setting = Setting {
        vocabulary: vocabulary(catalogue)?,
        color: options.color,
        own_terminal: terminal.is_output_elsewhere(),
        history,
        answering: options.answering.clone(),
    };
    let mut reader = RichReader::new(setting, printer.gate())?;
    let above = reader.above()?;
    Ok((Reader::Rich(Box::new(reader)), above))
}

/// Words for completion, whose documentation is read while the first line is typed.
fn vocabulary(catalogue: &Catalogue) -> io::Result<Arc<Vocabulary>> {
    let vocabulary = Arc::new(Vocabulary::new(catalogue.clone()));
    let prepared = Arc::clone(&vocabulary);
    thread::Builder::new().name("krsi-words".into()).spawn(move || prepared.prepare())?;
    Ok(vocabulary)
}

/// What follows an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Stay,
    /// The user wants to leave.
    Leave,
    /// The session is over: `exit` was called, or the process is told to end.
    Over(Option<Outcome>),
}

/// A session and what surrounds it.
pub struct Shell {
    session: Session,
    catalogue: Catalogue,
    journal: Journal,
    printer: Printer,
    format: Format,
    color: bool,
    /// Whether what is typed and what is said are on one terminal, which can be drawn on.
    full_screen: bool,
    /// Whether what is longer than the screen is shown page by page.
    pager: bool,
    /// The last input that was for the engine.
    last: String,
    asks: Sender<Ask>,
    answers: Receiver<Typed>,
    terminal: Rc<Terminal>,
}

impl Shell {
    /// Line after line; gives how the session ended, if it was not by leaving.
    fn converse(&mut self) -> Option<Outcome> {
        loop {
            let ask = Ask::Line {
                prompt: self.prompt(),
                variables: self.session.variables(),
                imported: self.session.imported(),
                probes: self.session.probe_names(),
                color: self.color,
            };
            let typed = match self.ask(ask) {
                Ok(typed) => typed,
                Err(Flow::Over(outcome)) => return outcome,
                Err(_) => return None,
            };
            let flow = match typed {
                Typed::Line { text, unsaved } => {
                    if let Some(reason) = unsaved {
                        self.complain(&reason);
                    }
                    self.input(&text)
                }
                Typed::End => self.leave(),
                Typed::Failed(reason) => {
                    self.complain(&format!("cannot read from this terminal: {reason}"));
                    Flow::Over(Some(Outcome { code: exit::ENVIRONMENT }))
                }
                Typed::Answer(_) | Typed::History(_) => Flow::Stay,
            };
            match flow {
                Flow::Stay => {}
                Flow::Leave => return None,
                Flow::Over(outcome) => return outcome,
            }
        }
    }

    /// Asks the editor, and delivers events and timers until it answers.
    fn ask(&mut self, ask: Ask) -> Result<Typed, Flow> {
        // The prompt is painted by another thread. What was written may have shown that nobody reads any more, and that
        // ends the session before there is another prompt.
        self.session.written();
        let (tell, at_once) = crossbeam_channel::bounded(1);
        let _ = tell.send(());
        if let Served::Ended(outcome) = self.session.serve_until(&at_once) {
            return Err(Flow::Over(Some(outcome)));
        }
        self.printer.prompt_time();
        if self.asks.send(ask).is_err() {
            return Err(Flow::Over(None));
        }
        let served = self.session.serve_until(&self.answers);
        match served {
            Served::Received(typed) => {
                self.printer.own_time();
                Ok(typed)
            }
            Served::Disconnected => Err(Flow::Over(None)),
            Served::Ended(outcome) => Err(Flow::Over(Some(outcome))),
        }
    }

    fn prompt(&self) -> Prompt {
        Prompt { probes: self.session.probe_names().len(), stance: self.session.stance() }
    }

    fn input(&mut self, text: &str) -> Flow {
        self.printer.set_page(child::rows().filter(|_| self.pager));
        let flow = self.obey(text);
        match (flow, self.printer.take_page()) {
            (Flow::Stay, Some(page)) => self.page(page),
            (flow, _) => flow,
        }
    }

    fn obey(&mut self, text: &str) -> Flow {
        self.follow(meta::read(text))
    }

    fn follow(&mut self, input: meta::Input<'_>) -> Flow {
        match input {
            meta::Input::Nothing => Flow::Stay,
            meta::Input::Command { name, argument } => match meta::run(self, name, argument) {
                Flow::Leave => self.leave(),
                flow => flow,
            },
            meta::Input::Help(topic) => self.help(topic),
            meta::Input::Quit => self.leave(),
            meta::Input::Code(code) => {
                let variables = self.session.variables();
                let bare = meta::read_bare(code, |name| variables.iter().any(|known| known.name == name));
                match bare {
                    Some(input) => self.follow(input),
                    None => self.evaluate(code),
                }
            }
        }
    }

    fn begin(&mut self, begin: Begin) -> Flow {
        let flow = if begin.init { self.init() } else { Flow::Stay };
        match (flow, begin.script) {
            (Flow::Stay, Some(script)) if !self.session.introduce(&script) => Flow::Stay,
            (Flow::Stay, Some(script)) => self.evaluate(&script.text),
            (flow, _) => flow,
        }
    }

    /// Evaluates the start-up file, if there is one; what is wrong with it is said, and the shell goes on.
    fn init(&mut self) -> Flow {
        match init::read() {
            Ok(None) => Flow::Stay,
            // What is saved later may use what it has made.
            Ok(Some(source)) => self.line(&source.text),
            Err(reason) => {
                self.complain(&reason);
                Flow::Stay
            }
        }
    }

    fn evaluate(&mut self, code: &str) -> Flow {
        code.clone_into(&mut self.last);
        self.line(code)
    }

    /// Evaluates, and remembers what has succeeded. A semicolon at the end keeps the value from being shown.
    fn line(&mut self, code: &str) -> Flow {
        let echo = if lexer::ends_statement(code) { Echo::Kept } else { Echo::Shown };
        match self.session.line(code, echo) {
            LineResult::Value => self.journal.add(code, Gave::Value),
            LineResult::Nothing => self.journal.add(code, Gave::Nothing),
            LineResult::Failed => {}
            LineResult::Ended(outcome) => return Flow::Over(Some(outcome)),
        }
        Flow::Stay
    }

    /// Does what takes its time, and may need the terminal, while events and timers are delivered and leases renewed;
    /// what they print waits until it is done.
    fn meanwhile<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Flow> {
        let (tell, done) = crossbeam_channel::bounded(1);
        self.session.written();
        self.terminal.lend();
        let started = thread::Builder::new().name("krsi-meanwhile".into()).spawn(move || {
            // Nobody waits any more if the session has ended.
            let _ = tell.send(work());
        });
        if let Err(error) = started {
            self.terminal.keep_keys();
            self.complain(&format!("cannot start a thread: {error}"));
            return Err(Flow::Stay);
        }
        self.printer.prompt_time();
        let served = self.session.serve_until(&done);
        self.terminal.keep_keys();
        match served {
            Served::Received(done) => {
                self.printer.own_time();
                Ok(done)
            }
            Served::Disconnected => Err(Flow::Over(None)),
            Served::Ended(outcome) => Err(Flow::Over(Some(outcome))),
        }
    }

    fn page(&mut self, text: String) -> Flow {
        match self.meanwhile(|| child::page(text)) {
            Ok(Ok(())) => Flow::Stay,
            Ok(Err(text)) => {
                text.lines().for_each(|line| self.say(line));
                Flow::Stay
            }
            Err(flow) => flow,
        }
    }

    fn help(&mut self, topic: Option<&str>) -> Flow {
        let index = script::index(&self.catalogue);
        self.session.tell(&topic.map_or_else(|| index.overview(), |topic| index.topic(topic)));
        if topic.is_none() {
            self.explain("`:help` lists the shell's own commands.");
        }
        Flow::Stay
    }

    /// Says what leaving detaches; asks first if something is enforced.
    fn leave(&mut self) -> Flow {
        let probes = self.session.probes();
        if !probes.is_empty() {
            self.note(if probes.len() == 1 { "leaving detaches:" } else { "leaving detaches these:" });
            for probe in &probes {
                self.note(&format!("  {probe}"));
            }
        }
        if !matches!(self.session.stance(), Stance::Armed { .. }) {
            return Flow::Leave;
        }
        match self.ask(Ask::Confirm("something is still enforced; quit anyway? [y/N] ".into())) {
            Ok(Typed::Answer(false)) => Flow::Stay,
            Ok(_) => Flow::Leave,
            Err(flow) => flow,
        }
    }

    /// An answer to a command; never in between a machine's lines.
    fn say(&mut self, line: &str) {
        self.print(if self.format.is_for_people() { Stream::Data } else { Stream::Log }, line);
    }

    /// As `say`, for what explains: it goes on below, in its column, where a row is too short.
    fn explain(&mut self, line: &str) {
        wrapped(line, self.printer.width(Stream::Data)).iter().for_each(|row| self.say(row));
    }

    fn note(&mut self, line: &str) {
        self.print(Stream::Log, line);
    }

    /// What went wrong with a command; each line of it.
    fn complain(&mut self, text: &str) {
        for line in text.lines() {
            self.print(Stream::Log, line);
        }
    }

    fn print(&mut self, stream: Stream, line: &str) {
        // A closed stream ends the session where its lines are read, not here.
        let _: io::Result<()> = self.printer.line(stream, line);
    }
}
