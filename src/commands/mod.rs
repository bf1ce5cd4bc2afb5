//! Commands: one file each, and one line each below.
//!
//! In: a command's own arguments, and the global flags. Out: what it has to say,
//! on the two streams, and an exit code. A command's file has its clap struct,
//! whose doc comment is its help, and `run(&Args, &Globals) -> i32`; it knows
//! nothing of the other commands.

mod confine;
mod guest;
pub mod keep_scratch;
mod only_log;
mod progress;
mod reports;
pub mod script_args;
pub mod shell;
mod target;
pub mod wake_held;

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use crate::{
    exit,
    globals::Globals,
    report::{columns, printable_lines, screened},
    source,
    template::Catalogue,
};

/// Declares each command's module and its subcommand of the same name.
macro_rules! commands {
    ($($module:ident: $variant:ident($arguments:ident),)+) => {
        $(pub mod $module;)+

        /// The subcommands, in the order of `--help`.
        #[derive(Debug, Clone, clap::Subcommand)]
        pub enum Command {
            $($variant($module::$arguments),)+
        }

        impl Command {
            /// Runs the command; gives the process's exit code.
            #[must_use]
            pub fn run(&self, globals: &Globals) -> i32 {
                match self {
                    $(Command::$variant(arguments) => $module::run(arguments, globals),)+
                }
            }
        }
    };
}

// rustfmt does not look for modules in here: `make lint` checks the files by name, and
// `rustfmt --edition 2024 src/commands/*.rs` formats them.
commands! {
    run: Run(RunArgs),
    check: Check(CheckArgs),
    record: Record(RecordArgs),
    replay: Replay(ReplayArgs),
    learn: Learn(LearnArgs),
    explain: Explain(ExplainArgs),
    why: Why(WhyArgs),
    scripts: Scripts(ScriptsArgs),
    templates: Templates(TemplatesArgs),
    doctor: Doctor(DoctorArgs),
    panic: Panic(PanicArgs),
    pins: Pins(PinsArgs),
    lab: Lab(LabArgs),
    redteam: Redteam(RedteamArgs),
}

/// The templates that are built in, and those of the directories that were named; why they cannot be had has been said.
fn catalogue(globals: &Globals) -> Option<Catalogue> {
    let built_in = Catalogue::builtin().inspect_err(|error| complain(error)).ok()?;
    globals.template_dirs.iter().try_fold(built_in, |catalogue, directory| {
        let objects = source::templates(directory).inspect_err(|error| complain(error)).ok()?;
        if objects.is_empty() {
            complain(format_args!(
                "no templates in {}: none of its files is named NAME.bpf.o",
                directory.display()
            ));
            return None;
        }
        catalogue.with(objects).inspect_err(|error| complain(error)).ok()
    })
}

/// Columns that a page may take; off a terminal nothing is cut.
fn width() -> Option<u16> {
    /// Of a terminal that does not say.
    const CUSTOMARY: u16 = 80;
    io::stdout().is_terminal().then(|| columns(io::stdout()).unwrap_or(CUSTOMARY))
}

/// Says on standard error why a command cannot go on.
pub(crate) fn complain(error: impl Display) {
    // It may name files and scripts by what others have called them. Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr().lock(), "krsi-sh: {}", printable_lines(&error.to_string()));
}

/// Writes a command's whole answer on standard output; gives the exit code.
fn answer(text: &str) -> i32 {
    let mut out = io::stdout().lock();
    match out.write_all(screened(text).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => exit::FINE,
        // A reader that has enough is content.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
        Err(error) => cannot_write(&error),
    }
}

/// Says that standard output takes nothing; gives the exit code.
pub(crate) fn cannot_write(error: &io::Error) -> i32 {
    complain(format_args!("cannot write to standard output: {error}"));
    exit::ENVIRONMENT
}
