//! One engine, its scope, its probes: a script from its text to its exit code.

mod beside;
mod explain;
pub mod glance;
mod import;
pub mod shell;
mod stay;

use std::{
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, never};
use rhai::{AST, Dynamic, Engine, ParseErrorType, Position, Scope};
use signal_hook::consts::SIGINT;

use self::beside::Beside;
use super::{
    Completeness, Echo, LineResult, Options, Outcome, Served, Source, api,
    diagnostics::Diagnostic,
    engine,
    event::ScriptEvent,
    handle::ProbeHandle,
    header::Header,
    hunt,
    imports::Imported,
    program::Program,
    receivers::Receivers,
    runtime::{Heard, Runtime, Turn, Until},
    stop::Stop,
    target::{self, Target},
    value,
};
use crate::{
    backend::Backend,
    event::queue::Sender,
    exit,
    filter::Answer,
    report::{Evaluated, Purpose, Record, Sink, printable_lines},
    system::errno,
    template::Catalogue,
};

/// As Rust's own for a panic.
const BUG: i32 = 101;
/// What holds the value of the line before, at the prompt.
pub const LAST_VALUE: &str = "it";
/// How long the functions given to `on_exit` have together once the session was told to end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long callbacks then have for the events that wait for them.
const LAST_EVENTS: Duration = Duration::from_millis(300);

pub struct Session {
    /// `None` only if signals cannot be watched, which is said when something is to run.
    started: Result<Started, String>,
}

struct Started {
    engine: Engine,
    receivers: Receivers,
    runtime: Rc<Runtime>,
    scope: Scope<'static>,
    /// Functions that former lines have defined, and those of imported files.
    library: AST,
    imported: Imported,
    /// What is evaluated before the session's script.
    beside: Vec<Beside>,
    lines: usize,
}

/// Who has ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its script, or its user at the prompt: what is left to do is done.
    Own,
    /// A signal, or its time is up: it ends within two seconds.
    Told,
}

impl End {
    fn by(stop: &Stop) -> Self {
        if matches!(stop, Stop::Signal(_) | Stop::TimeUp) { End::Told } else { End::Own }
    }
}

/// Why a text has no value.
enum Failure {
    /// With the place where the script had come to, if it is known.
    Stopped(Stop, Position),
    /// The exit code it comes to.
    Reported(i32),
}

impl Session {
    /// Makes a session whose probes are attached to `backend`. Nothing happens there before the first of them.
    #[must_use]
    pub fn new(
        catalogue: Catalogue,
        options: Options,
        backend: Box<dyn Backend>,
        sink: Box<dyn Sink>,
    ) -> Self {
        let started = Runtime::new(catalogue, options, backend, engine::index, sink)
            .map(|runtime| Started::new(Rc::new(runtime)))
            .map_err(|error| format!("cannot watch for signals: {}", errno::explained(&error)));
        Session { started }
    }

    /// Makes a process what the session is about: the script has `target`, and the session ends with the process.
    pub fn follow(&mut self, target: Target) {
        if let Ok(started) = &mut self.started {
            started.scope.push_constant("target", target.scope());
            let _ = started.runtime.target.set(target);
        }
    }

    /// Gives the script a `target` that was one when this was recorded.
    pub fn follow_recorded(&mut self, pid: i32) {
        if let Ok(started) = &mut self.started {
            started.scope.push_constant("target", target::scope_of(pid));
        }
    }

    /// Runs a whole script: its text, then, while probes are attached or timers
    /// are pending, the event loop; then `on_exit`, detach, closing books.
    /// Errors are reported through the sink.
    pub fn run(&mut self, source: &Source) -> Outcome {
        match &mut self.started {
            Ok(started) => {
                let outcome = guarded(started, |started| started.run(source), |outcome| outcome);
                started.last_output(outcome)
            }
            Err(error) => unusable(error),
        }
    }

    /// Takes note of what a script is whose text is the first line at a prompt, by its header. Returns whether it may be evaluated: a
    /// header that is none is said.
    pub fn introduce(&mut self, source: &Source) -> bool {
        self.started.as_ref().map_or(true, |started| started.begin_hunt(source).is_ok())
    }

    /// Waits until everything is written that was said; gives how the session ended, which is no success if
    /// some of it was lost.
    pub fn last_output(&mut self, outcome: Outcome) -> Outcome {
        match &mut self.started {
            Ok(started) => started.last_output(outcome),
            Err(_) => outcome,
        }
    }

    /// Waits until everything is written that was said so far, while leases are renewed; a signal cuts that short.
    pub fn written(&self) {
        if let Ok(started) = &self.started {
            started.runtime.written();
        }
    }

    /// Evaluates one complete input of the interactive shell; variables,
    /// functions and probes stay. Its value, if that is to be shown, or its
    /// diagnostic goes to the sink.
    pub fn line(&mut self, text: &str, echo: Echo) -> LineResult {
        match &mut self.started {
            Ok(started) => guarded(started, |started| started.line(text, echo), LineResult::Ended),
            Err(error) => LineResult::Ended(unusable(error)),
        }
    }

    /// Delivers events and timers until something comes on `other`, which is
    /// how the interactive shell waits for the next line.
    pub fn serve_until<T>(&mut self, other: &Receiver<T>) -> Served<T> {
        match &mut self.started {
            Ok(started) => guarded(started, |started| started.serve_until(other), Served::Ended),
            Err(error) => Served::Ended(unusable(error)),
        }
    }

    /// Where events of its probes go in, for whoever has some of other origin: tests and figures.
    #[doc(hidden)]
    #[must_use]
    pub fn events(&self) -> Option<Sender> {
        self.started.as_ref().ok().map(|started| started.runtime.events())
    }

    /// Ends an interactive session as `run` ends a script.
    pub fn finish(&mut self) -> Outcome {
        match &mut self.started {
            Ok(started) => {
                guarded(started, |started| started.finish(exit::FINE, End::Own), |outcome| outcome)
            }
            Err(error) => unusable(error),
        }
    }
}

/// Does something with a session. If that panics, which is a fault of this program and of no script, everything is
/// detached, and the session ends.
fn guarded<T>(
    started: &mut Started,
    work: impl FnOnce(&mut Started) -> T,
    ended: impl FnOnce(Outcome) -> T,
) -> T {
    match catch_unwind(AssertUnwindSafe(|| work(started))) {
        Ok(done) => done,
        Err(_) => {
            // The panic itself has been written to standard error.
            let code = catch_unwind(AssertUnwindSafe(|| {
                let diagnostic = Diagnostic::sentence("this is a bug of krsi-sh, and the session ends");
                started.runtime.diagnose(&diagnostic);
                started.runtime.close(&started.engine, Heard::No);
            }));
            // What still holds a probe then is dropped with the process.
            drop(code);
            ended(Outcome { code: BUG })
        }
    }
}

fn unusable(error: &str) -> Outcome {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr().lock(), "error: {}", printable_lines(error));
    Outcome { code: exit::ENVIRONMENT }
}

impl Started {
    fn new(runtime: Rc<Runtime>) -> Self {
        let mut scope = Scope::new();
        let args: Vec<Dynamic> = runtime.options.args.iter().map(|arg| arg.clone().into()).collect();
        scope.push_constant("args", args);
        scope.push_constant("sys", api::System);
        // For filters, which may also write `allow()`.
        scope.push_constant("allow", Answer::Allow);
        if runtime.options.interactive {
            scope.push(LAST_VALUE, ());
        }
        let mut engine = engine::build(&runtime);
        Started {
            receivers: Receivers::register(&mut engine),
            engine,
            runtime,
            scope,
            library: AST::empty(),
            imported: Imported::default(),
            beside: Vec::new(),
            lines: 0,
        }
    }

    fn attached(&self) -> impl Iterator<Item = ProbeHandle> {
        self.runtime.probes.used().into_iter().filter(|probe| probe.attached())
    }

    fn run(&mut self, source: &Source) -> Outcome {
        if let Err(code) = self.begin_hunt(source) {
            return self.finish(code, End::Own);
        }
        let (code, end) = match self.evaluate_beside().and_then(|()| self.evaluate(source)) {
            Ok(_) => {
                self.note_forgotten();
                self.say_what_stays();
                match self.runtime.serve::<()>(&self.engine, &never(), Until::Idle) {
                    Ok(_) => (exit::FINE, End::Own),
                    // Ctrl-C is how one ends a script that only waits.
                    Err(stop @ (Stop::Signal(_) | Stop::TimeUp)) => (exit::FINE, End::by(&stop)),
                    Err(stop) => (self.stopped(&stop), End::by(&stop)),
                }
            }
            Err(Failure::Stopped(stop, _)) => {
                if stop == Stop::Exit(exit::FINE) {
                    self.note_forgotten();
                }
                (self.stopped(&stop), End::by(&stop))
            }
            Err(Failure::Reported(code)) => (code, End::Own),
        };
        self.finish(code, end)
    }

    /// Takes note that the script is a hunt, if its header says so.
    ///
    /// # Errors
    /// If the header is none, which is said; the exit code.
    fn begin_hunt(&self, source: &Source) -> Result<(), i32> {
        match Header::of(&source.text) {
            Ok(Some(header)) if header.purpose.is_imported() => {
                let stem = source.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".rhai");
                let directory = if header.purpose == Purpose::Reaction { "reactions" } else { "lib" };
                let alias = stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                let text = format!(
                    "{} is a {}: it does nothing by itself, and is imported\nfix: in a script: import \"{directory}/{stem}\" as {alias};",
                    source.name,
                    header.purpose.name()
                );
                self.runtime.diagnose(&Diagnostic::sentence(&text));
                return Err(exit::FAILED);
            }
            Ok(Some(header)) => self.runtime.hunt.begin(source, header),
            Ok(None) => {}
            Err(error) => {
                self.runtime.diagnose(&Diagnostic::sentence(&format!("{}: {error}", source.name)));
                return Err(exit::FAILED);
            }
        }
        Ok(())
    }

    /// Says what keeps a session whose script is done, and what would end it; unless the script has seen to that.
    fn say_what_stays(&self) {
        let runtime = &self.runtime;
        let ends = runtime.backend.recorded().is_some()
            || runtime.target.get().is_some()
            || runtime.options.lasts.is_some()
            || !runtime.timers.borrow().is_empty();
        let stay = match self.attached().count() {
            0 => return,
            1 => "1 probe stays attached".to_owned(),
            count => format!("{count} probes stay attached"),
        };
        if !ends && runtime.pending_stop().is_none() {
            runtime.note(&format!(
                "the script is done; {stay}: Ctrl-C ends the session (or `exit()`, or --for 10s)"
            ));
        }
    }

    fn last_output(&self, outcome: Outcome) -> Outcome {
        let lost = self.runtime.last_output();
        if lost && outcome.code == exit::FINE { Outcome { code: exit::ENVIRONMENT } } else { outcome }
    }

    /// That nothing became of a probe, which may be a forgotten word.
    fn note_forgotten(&self) {
        for name in self.runtime.probes.forgotten() {
            self.runtime.note(&format!(
                "probe `{name}` was made and never attached, so it has done nothing; `.attach()` puts it in force"
            ));
        }
    }

    /// Compiles and evaluates a text.
    fn evaluate(&mut self, source: &Source) -> Result<Dynamic, Failure> {
        let source = Rc::new(source.clone());
        let (text, marks) = self.linked(&source)?;
        let compiled = self.receivers.compile(&mut self.engine, &self.scope, &text, marks);
        let compiled = compiled.map_err(|error| {
            let known: Vec<_> = self.scope.iter().map(|(name, ..)| name.to_owned()).collect();
            self.runtime.diagnose(&self.runtime.explain_parse(&error, &source, &known));
            Failure::Reported(exit::FAILED)
        })?;
        if let Some(taken) = compiled.iter_functions().find(|f| self.runtime.texts.imported(f.name).is_some())
        {
            let text = format!(
                "`{}` is how the program calls a function that is imported; name yours otherwise",
                taken.name
            );
            self.runtime.diagnose(&Diagnostic::sentence(&text));
            return Err(Failure::Reported(exit::FAILED));
        }
        self.runtime.texts.learn(&source, compiled.iter_functions().map(|f| f.name.to_owned()));
        let mut ast = self.library.merge(&compiled);
        ast.set_source(source.name.as_str());
        let program = Rc::new(Program { source, ast });
        let former = self.runtime.enter(&program);
        let outcome = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &program.ast);
        self.runtime.leave(former);
        self.library = program.ast.clone_functions_only();
        outcome.map_err(|error| match Stop::of(&error) {
            Some(stop) if !matches!(stop, Stop::Limit(_)) || !self.runtime.backend.is_live() => {
                Failure::Stopped(stop, error.position())
            }
            _ => {
                let diagnostic = self.runtime.explain_failure(&error, &program.source);
                self.runtime.diagnose(&diagnostic);
                Failure::Reported(diagnostic.exit_code())
            }
        })
    }

    fn stopped(&self, stop: &Stop) -> i32 {
        match stop {
            Stop::Exit(code) | Stop::CallbackFailed(code) => *code,
            Stop::Signal(signal) => exit::BY_SIGNAL + signal,
            Stop::TimeUp | Stop::OutputClosed | Stop::OnlyExplained(_) | Stop::Decided | Stop::ReplayOver => {
                exit::FINE
            }
            Stop::Limit(text) => {
                self.runtime.diagnose(&Diagnostic::sentence(text));
                exit::FAILED
            }
        }
    }

    fn line(&mut self, text: &str, echo: Echo) -> LineResult {
        self.lines += 1;
        self.runtime.forget_interrupt();
        self.runtime.begin_line();
        self.runtime.forget_introduced();
        let source = Source { name: format!("input {}", self.lines), text: text.to_owned() };
        let (result, stop) = match self.evaluate(&source) {
            Ok(value) => (self.keep(value, echo), self.runtime.pending_stop()),
            Err(Failure::Reported(_)) => (LineResult::Failed, None),
            Err(Failure::Stopped(Stop::Signal(SIGINT), _)) => {
                self.runtime.note("interrupted");
                (LineResult::Failed, None)
            }
            Err(Failure::Stopped(stop, _)) => (LineResult::Failed, Some(stop)),
        };
        match stop {
            None => result,
            Some(stop) => {
                let code = self.stopped(&stop);
                LineResult::Ended(self.finish(code, End::by(&stop)))
            }
        }
    }

    /// Keeps a value as `it`, and writes it unless it is to be kept alone.
    fn keep(&mut self, value: Dynamic, echo: Echo) -> LineResult {
        if value.is_unit() {
            return LineResult::Nothing;
        }
        if echo == Echo::Shown && !self.is_introduced(&value) {
            let events = value::events(&value).unwrap_or_default();
            let shown = Evaluated {
                text: &api::shown(&value),
                raw: &value::to_json(&value),
                is_rows: value::is_rows(&value),
                events: &events.iter().map(ScriptEvent::inner).collect::<Vec<_>>(),
            };
            self.runtime.report(|reporter| reporter.emit(Record::Value(shown)));
        }
        self.scope.set_or_push(LAST_VALUE, value);
        LineResult::Value
    }

    /// Whether the value is a probe that this very line has attached: the note on that has described it.
    fn is_introduced(&self, value: &Dynamic) -> bool {
        value.read_lock::<ProbeHandle>().is_some_and(|probe| self.runtime.has_introduced(&probe))
    }

    fn serve_until<T>(&mut self, other: &Receiver<T>) -> Served<T> {
        loop {
            match self.runtime.serve(&self.engine, other, Until::Never) {
                Ok(Turn::Received(received)) => return Served::Received(received),
                Ok(Turn::Disconnected) => return Served::Disconnected,
                // At the prompt Ctrl-C is the editor's; one that comes from elsewhere asks for nothing.
                Ok(Turn::Over) | Err(Stop::Signal(SIGINT)) => {}
                Err(stop) => {
                    let code = self.stopped(&stop);
                    return Served::Ended(self.finish(code, End::by(&stop)));
                }
            }
        }
    }

    fn finish(&mut self, code: i32, end: End) -> Outcome {
        // Whatever asked for the end must not keep the end from happening.
        let ended_by = self.runtime.take_stop();
        let (code, end) = self.on_exit(code, end);
        if end == End::Told {
            self.runtime.end_by(Instant::now() + LAST_EVENTS);
        }
        let heard = if ended_by == Some(Stop::OutputClosed) { Heard::No } else { Heard::Yes };
        let hands_on_a_code = self.hands_on_a_code();
        let books = self.runtime.close(&self.engine, heard);
        self.runtime.report(|reporter| reporter.emit(Record::Books(&books)));
        // Who waits for the command must not take its end for success.
        let cut_short = self.runtime.target.get().and_then(Target::cut_short);
        let code = cut_short.filter(|_| code == exit::FINE && end == End::Told).unwrap_or(code);
        // At a prompt a failed check has been seen.
        if self.runtime.options.interactive || code != exit::FINE {
            return Outcome { code };
        }
        let of_hunt =
            self.runtime.hunt.outcome(&books, self.runtime.clock.now()).map_or(exit::FINE, |hunted| {
                self.runtime.report(|reporter| reporter.emit(Record::Hunted(&hunted)));
                // Who runs a command in it wants to know what the command came to.
                if hands_on_a_code { exit::FINE } else { hunt::exit_code(&hunted) }
            });
        Outcome { code: self.runtime.checks.exit_code().max(of_hunt) }
    }

    /// Whether the session's exit code is that of its command, whatever was found: the script says that it is about one, and refuses what
    /// it finds. One that only tells is a trial of its own.
    fn hands_on_a_code(&self) -> bool {
        self.runtime.hunt.said().is_some_and(|said| said.header.needs_target)
            && self.runtime.target.get().is_some_and(Target::is_command)
            && self.runtime.probes.used().iter().any(|probe| probe.mode().enforces())
    }

    /// Calls what the script has for its end. Gives the exit code that comes of it, and who has ended the session:
    /// a signal may come meanwhile.
    fn on_exit(&mut self, mut code: i32, mut end: End) -> (i32, End) {
        let runtime = Rc::clone(&self.runtime);
        let told = || {
            // Nothing of the script's holds up the end of what it enforces.
            runtime.disarm();
            runtime.end_by(Instant::now() + LAST_WORDS);
        };
        if end == End::Told {
            told();
        }
        let callbacks = std::mem::take(&mut *runtime.on_exit.borrow_mut());
        for callback in callbacks {
            match runtime.call(&self.engine, &callback, None, &|| "on_exit".into()) {
                Err(Stop::Exit(other)) => code = other,
                Err(Stop::TimeUp) if end == End::Told => {
                    runtime.note("what `on_exit` still had to do was cut off: the session was told to end");
                    break;
                }
                Err(Stop::Signal(_)) if end == End::Told => break,
                Err(Stop::Signal(_) | Stop::TimeUp) => {
                    end = End::Told;
                    told();
                }
                _ => {}
            }
            // A stop that came meanwhile is none of the next one's.
            let _ = runtime.take_stop();
        }
        (code, end)
    }
}

thread_local! {
    static PARSER: Engine = {
        let mut engine = engine::bare();
        // A line may use what only evaluation knows.
        engine.set_strict_variables(false);
        engine
    };
}

/// Whether a text is a script without a syntax error.
#[must_use]
pub fn parses(text: &str) -> bool {
    PARSER.with(|parser| parser.compile(text)).is_ok()
}

/// Whether a text can be evaluated as it stands, by real parsing.
#[must_use]
pub fn completeness(text: &str) -> Completeness {
    let Err(error) = PARSER.with(|parser| parser.compile(text)) else { return Completeness::Complete };
    let open = match error.err_type() {
        ParseErrorType::UnexpectedEOF => true,
        ParseErrorType::BadInput(rhai::LexError::UnterminatedString) => true,
        // `)` is missing at the end of the text, not in the midst of it.
        ParseErrorType::MissingToken(..) | ParseErrorType::MissingSymbol(..) => {
            at_end(text, error.position())
        }
        _ => false,
    };
    if open { Completeness::Incomplete } else { Completeness::Complete }
}

/// Whether nothing but white space stands at and behind this place.
fn at_end(text: &str, position: Position) -> bool {
    match (position.line(), position.position()) {
        (Some(line), Some(column)) => {
            let mut rest = text.lines().skip(line - 1);
            let first = rest.next().unwrap_or_default();
            first.chars().skip(column.saturating_sub(1)).all(char::is_whitespace)
                && rest.all(|line| line.trim().is_empty())
        }
        _ => true,
    }
}
