//! One engine, its scope, its probes: a script from its text to its exit code.

mod explain;
pub mod glance;
pub mod shell;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use crossbeam_channel::{Receiver, never};
use rhai::{AST, Dynamic, Engine, ParseErrorType, Position, Scope};
use signal_hook::consts::SIGINT;

use super::{
    Completeness, Echo, LineResult, Options, Outcome, Served, Source, api,
    diagnostics::Diagnostic,
    engine,
    handle::ProbeHandle,
    program::Program,
    receivers::Receivers,
    runtime::{Runtime, Turn, Until},
    stop::Stop,
    value,
};
use crate::{
    event::queue::Sender, filter::Answer, kernel::with_cause_and_cure, report::Sink, template::Catalogue,
};

/// What `--help` promises.
const FINE: i32 = 0;
const FAILED: i32 = 1;
const ENVIRONMENT: i32 = 3;
/// As Rust's own for a panic.
const BUG: i32 = 101;
/// What holds the value of the line before, at the prompt.
pub const LAST_VALUE: &str = "it";
/// Added to a signal's number, as shells do.
const BY_SIGNAL: i32 = 128;

pub struct Session {
    /// `None` only if signals cannot be watched, which is said when something is to run.
    started: Result<Started, String>,
}

struct Started {
    engine: Engine,
    receivers: Receivers,
    runtime: Rc<Runtime>,
    scope: Scope<'static>,
    /// Functions that former lines have defined.
    library: AST,
    lines: usize,
}

/// Why a text has no value.
enum Failure {
    /// With the place where the script had come to, if it is known.
    Stopped(Stop, Position),
    /// The exit code it comes to.
    Reported(i32),
}

impl Session {
    /// Nothing touches the kernel before the first attach.
    #[must_use]
    pub fn new(catalogue: Catalogue, options: Options, sink: Box<dyn Sink>) -> Self {
        let started = Runtime::new(catalogue, options, sink)
            .map(|runtime| Started::new(Rc::new(runtime)))
            .map_err(|error| format!("cannot watch for signals: {}", with_cause_and_cure(&error)));
        Session { started }
    }

    /// Runs a whole script: its text, then, while probes are attached or timers
    /// are pending, the event loop; then `on_exit`, detach, closing books.
    /// Errors are reported through the sink.
    pub fn run(&mut self, source: &Source) -> Outcome {
        match &mut self.started {
            Ok(started) => guarded(started, |started| started.run(source), |outcome| outcome),
            Err(error) => unusable(error),
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
            Ok(started) => guarded(started, |started| started.finish(FINE), |outcome| outcome),
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
                started.runtime.close(&started.engine, false);
            }));
            // What still holds a probe then is dropped with the process.
            drop(code);
            ended(Outcome { code: BUG })
        }
    }
}

fn unusable(error: &str) -> Outcome {
    eprintln!("error: {error}");
    Outcome { code: ENVIRONMENT }
}

impl Started {
    fn new(runtime: Rc<Runtime>) -> Self {
        let mut scope = Scope::new();
        let args: Vec<Dynamic> = runtime.options.args.iter().map(|arg| arg.clone().into()).collect();
        scope.push_constant("args", args);
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
            lines: 0,
        }
    }

    fn attached(&self) -> impl Iterator<Item = ProbeHandle> {
        self.runtime.probes().into_iter().filter(|probe| probe.attached())
    }

    fn run(&mut self, source: &Source) -> Outcome {
        let code = match self.evaluate(source) {
            Ok(_) => match self.runtime.serve::<()>(&self.engine, &never(), Until::Idle) {
                // Ctrl-C is how one ends a script that only waits.
                Err(Stop::Signal(_)) | Ok(_) => FINE,
                Err(stop) => self.stopped(&stop),
            },
            Err(Failure::Stopped(stop, _)) => self.stopped(&stop),
            Err(Failure::Reported(code)) => code,
        };
        self.finish(code)
    }

    /// Compiles and evaluates a text.
    fn evaluate(&mut self, source: &Source) -> Result<Dynamic, Failure> {
        let source = Rc::new(source.clone());
        let compiled = self.receivers.compile(&mut self.engine, &self.scope, &source.text);
        let compiled = compiled.map_err(|error| {
            let known: Vec<_> = self.scope.iter().map(|(name, ..)| name.to_owned()).collect();
            self.runtime.diagnose(&Diagnostic::of_parse(&error, &source, &known, &self.runtime));
            Failure::Reported(FAILED)
        })?;
        self.runtime.learn(&source, compiled.iter_functions().map(|f| f.name.to_owned()));
        let mut ast = self.library.merge(&compiled);
        ast.set_source(source.name.as_str());
        let program = Rc::new(Program { source, ast });
        let former = self.runtime.enter(&program);
        let outcome = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &program.ast);
        self.runtime.leave(former);
        self.library = program.ast.clone_functions_only();
        outcome.map_err(|error| match Stop::of(&error) {
            Some(stop) if !matches!(stop, Stop::Limit(_)) || self.runtime.options.policy.explains() => {
                Failure::Stopped(stop, error.position())
            }
            _ => {
                let diagnostic = Diagnostic::of_evaluation(&error, &program.source, &self.runtime);
                self.runtime.diagnose(&diagnostic);
                Failure::Reported(diagnostic.exit_code())
            }
        })
    }

    fn stopped(&self, stop: &Stop) -> i32 {
        match stop {
            Stop::Exit(code) | Stop::CallbackFailed(code) => *code,
            Stop::Signal(signal) => BY_SIGNAL + signal,
            Stop::OutputClosed | Stop::OnlyExplained(_) => FINE,
            Stop::Limit(text) => {
                self.runtime.diagnose(&Diagnostic::sentence(text));
                FAILED
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
                LineResult::Ended(self.finish(code))
            }
        }
    }

    /// Keeps a value as `it`, and writes it unless it is to be kept alone.
    fn keep(&mut self, value: Dynamic, echo: Echo) -> LineResult {
        if value.is_unit() {
            return LineResult::Nothing;
        }
        if echo == Echo::Shown && !self.is_introduced(&value) {
            let (shown, raw) = (api::shown(&value), value::to_json(&value));
            self.runtime.report(|reporter| match value::is_rows(&value) {
                true => reporter.rows(&shown, raw),
                false => reporter.value(&shown, raw),
            });
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
                    return Served::Ended(self.finish(code));
                }
            }
        }
    }

    fn finish(&mut self, code: i32) -> Outcome {
        // Whatever asked for the end must not keep the end from happening.
        let ended_by = self.runtime.take_stop();
        let callbacks = std::mem::take(&mut *self.runtime.on_exit.borrow_mut());
        let mut code = code;
        for callback in callbacks {
            if let Err(Stop::Exit(other)) =
                self.runtime.call(&self.engine, &callback, None, &|| "on_exit".into())
            {
                code = other;
            }
        }
        let heard = ended_by != Some(Stop::OutputClosed);
        let books = self.runtime.close(&self.engine, heard);
        self.runtime.report(|reporter| reporter.books(&books));
        Outcome { code }
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
