//! `krsi-sh why`: who refuses what a process asks of the kernel.
//!
//! In: a command line, which is started, or a process. Out: each system call that is refused, with the layer that has said no;
//! and the command's exit code.

use std::{
    ffi::OsString,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nix::libc::{SIGHUP, SIGINT, SIGTERM};

use super::{
    cannot_write, complain,
    target::{TargetArgs, TargetError},
};
use crate::{
    exit,
    globals::Globals,
    report::{Format, line_json},
    script::Target,
    why::{self, Told, Watcher},
};

/// Show which layer of the kernel refuses each failing system call
///
/// Each system call of the command, and of all it starts, that ends with EPERM, EACCES or EROFS is told with its object and with
/// who has refused it: a program of BPF's (its id and name, whose it is, where it is pinned), AppArmor, SELinux, Landlock, Yama,
/// seccomp, a capability that is missing (which one, in which user namespace), the file's mode or access list (whose bits), a mount
/// option, an immutable flag, lockdown. What the kernel was not seen to say is inferred from the object, and called probable. What
/// cannot be told is unknown, with what was ruled out. Nothing is refused or changed by it; while it runs, system calls of all
/// processes cost a little more.
///
/// Exit code: the command's own; 3 if nothing can be watched here.
#[derive(Debug, Clone, clap::Args)]
pub struct WhyArgs {
    /// Watch this process and all that descends from it, until it ends
    #[arg(short = 'p', value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,

    /// Tell also where in the program each of these calls was made, innermost first
    ///
    /// Of a process that has ended by then there are addresses, without names.
    #[arg(long)]
    pub stack: bool,

    /// The command, with its arguments
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "pid",
        conflicts_with = "pid"
    )]
    pub command: Vec<OsString>,
}

/// How long is waited for refusals before looking whether the process has ended.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &WhyArgs, globals: &Globals) -> i32 {
    match target(args) {
        Ok(target) => explain(args, &target, globals),
        Err(error) => {
            match error {
                TargetError::Start { program, why } => {
                    complain(format_args!("cannot start `{program}`: {why}"));
                }
                other => complain(other),
            }
            exit::USAGE
        }
    }
}

/// The command, which waits, or the process.
fn target(args: &WhyArgs) -> Result<Target, TargetError> {
    let asked = TargetArgs { command: args.pid.is_none(), pid: args.pid };
    asked.target(&args.command)?.ok_or(TargetError::NoCommand)
}

fn explain(args: &WhyArgs, target: &Target, globals: &Globals) -> i32 {
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        let value = usize::try_from(number).unwrap_or(1);
        if let Err(error) = signal_hook::flag::register_usize(number, Arc::clone(&signal), value) {
            complain(format_args!("cannot watch for signals: {error}"));
            return exit::ENVIRONMENT;
        }
    }
    let mut watcher = match Watcher::begin(target.pid(), args.stack) {
        Ok(watcher) => watcher,
        Err(error) => {
            complain(error);
            let _ = target.end();
            return exit::ENVIRONMENT;
        }
    };
    if !globals.quiet {
        watcher.remarks().iter().for_each(complain);
    }
    if globals.verbose > 0 {
        for (function, why) in watcher.refused() {
            complain(format_args!("{function} cannot be watched: {why}"));
        }
    }
    if args.pid.is_some() {
        announce(&watcher, target.pid(), globals);
    }
    let mut page = Page { globals, last: None, more: 0 };
    target.release();
    let begun = Instant::now();
    let ended = loop {
        if let Err(code) = page.tell(watcher.read(PATIENCE)) {
            let _ = target.end();
            break code;
        }
        if target.over().try_recv().is_ok() {
            let (code, said) = target.ended();
            if let Some(said) = said.filter(|_| !globals.quiet) {
                complain(said);
            }
            break code;
        }
        if globals.lasts.is_some_and(|lasts| begun.elapsed() >= lasts) {
            let _ = target.end();
            break exit::FINE;
        }
        let number = i32::try_from(signal.swap(0, Ordering::Relaxed)).unwrap_or_default();
        // As at a terminal: Ctrl-C is the command's.
        if number != 0 && !(number == SIGINT && target.takes_interrupts()) {
            let _ = target.end();
            break target.cut_short().unwrap_or(exit::BY_SIGNAL + number);
        }
    };
    // What came before the end is told, too.
    let told = page.tell(watcher.read(Duration::ZERO)).and_then(|()| page.close());
    match watcher.lost() {
        Ok(0) => {}
        Ok(lost) => complain(format_args!(
            "{lost} refusals could not be told: more came at once than there is room for"
        )),
        Err(error) => complain(error),
    }
    told.err().unwrap_or(ended)
}

/// Says that the process is watched from here on. Whoever takes nothing is told so by the first refusal.
fn announce(watcher: &Watcher, pid: i32, globals: &Globals) {
    let functions = watcher.functions();
    match globals.format.for_session() {
        Format::Json => {
            let mut fields = serde_json::Map::new();
            fields.insert("pid".into(), pid.into());
            fields.insert("functions".into(), functions.into());
            let mut out = io::stdout().lock();
            let _ = writeln!(out, "{}", line_json("watching", &fields)).and_then(|()| out.flush());
        }
        Format::Text if !globals.quiet => {
            let too = if functions > 0 {
                format!(", and {functions} functions of the kernel")
            } else {
                String::new()
            };
            complain(format_args!("process {pid} is watched{too}; Ctrl-C ends it"));
        }
        Format::Text => {}
    }
}

/// What tells a refusal from another one, for people: whose, which call, about what, and how.
type Alike = (u32, String, Option<String>, i32);

/// What is written. For people, refusals that are alike and come one after the other are told once and counted.
struct Page<'g> {
    globals: &'g Globals,
    last: Option<Alike>,
    more: usize,
}

impl Page<'_> {
    /// Writes what has been refused; gives the exit code if nobody takes it.
    fn tell(&mut self, told: Vec<Told>) -> Result<(), i32> {
        let mut text = String::new();
        for one in told {
            if self.globals.format.for_session() == Format::Json {
                text += &(why::json(&one) + "\n");
                continue;
            }
            let alike = (one.denial.pid, one.call.clone(), one.object.clone(), one.denial.result);
            if self.last.as_ref() == Some(&alike) {
                self.more += 1;
                continue;
            }
            text += &self.counted();
            text += &why::text(&one, self.globals.color());
            self.last = Some(alike);
        }
        write(&text)
    }

    /// Says how many more there were of the last one.
    fn counted(&mut self) -> String {
        match std::mem::take(&mut self.more) {
            0 => String::new(),
            1 => "    once more\n".to_owned(),
            more => format!("    {more} times more\n"),
        }
    }

    fn close(&mut self) -> Result<(), i32> {
        let text = self.counted();
        write(&text)
    }
}

fn write(text: &str) -> Result<(), i32> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(exit::FINE),
        Err(error) => Err(cannot_write(&error)),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_counted() {
        let globals = Globals::default();
        let mut page = Page { globals: &globals, last: None, more: 2 };
        assert_eq!((page.counted(), page.counted()), ("    2 times more\n".to_owned(), String::new()));
    }
}
