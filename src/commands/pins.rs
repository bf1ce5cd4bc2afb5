//! `krsi-sh pins`: probes that go on when their session has ended.
//!
//! In: a pin's name, and what is to be done. Out: what there is, whose it is and what it does now, in text or JSON; or what was done. All that
//! this knows comes from the pins themselves, so it does not matter which session, or which version, has made them.

mod hold;
mod page;

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{answer, complain};
use crate::{
    exit,
    globals::Globals,
    kernel::{
        KernelError,
        pins::{self, Pin},
        sessions,
    },
    report::Format,
    system::host_switch,
    values::nearest,
};

/// List the probes that are pinned, or look at one, change it, remove it
///
/// A script pins a probe by .pin("NAME"): it stays attached when the session has ended, until it is removed, or the next boot.
/// Without an action: a line a pin, with what it does now, what it has counted, who has pinned it and when.
/// With --format json, one array of objects: name, now, left_seconds, whole, counters, sessions, and what was
/// written down when it was pinned (template, rule, script, pinned, uid, loginuid, mode, lease, version); `trouble` in its place if that cannot be
/// read. --audit changes nothing about this command.
///
/// Exit code 0: done. 2: there is no such pin. 3: privilege is missing, or it cannot be done here, as it says.
#[derive(Debug, Clone, clap::Args)]
pub struct PinsArgs {
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What is to be done.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Action {
    /// List them
    List,
    /// Tell all about one
    Show(Name),
    /// Remove one: it refuses nothing from here on, and is detached unless a session holds it as well
    Remove(Name),
    /// Have one observe: it refuses nothing from here on, and stays attached
    Observe(Name),
    /// Give one the mode again that it was pinned in, and its lease from the beginning
    Resume(Name),
    /// Renew one's lease, again and again, until this is ended; for a unit of systemd
    ///
    /// With `ExecStart=/usr/bin/krsi-sh pins hold NAME` and `Restart=on-failure` in its [Service], the probe enforces as long as
    /// that unit runs, and lapses when the lease is over that it has then. Exit code 0: somebody has removed the pin.
    Hold(Name),
    /// Remove the empty directories that a process has left which was killed while it made or removed a pin
    Clean,
}

/// Which one.
#[derive(Debug, Clone, clap::Args)]
pub struct Name {
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// How long the kernel may take to detach what is kept by nobody any more.
const RELEASE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &PinsArgs, globals: &Globals) -> i32 {
    let done = match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(globals),
        Action::Show(Name { name }) => with(name, |pin| Ok(show(pin, globals))),
        Action::Remove(Name { name }) => remove(name),
        Action::Observe(Name { name }) => with(name, |pin| {
            pin.observe()?;
            Ok(answer(&format!(
                "`{name}` only observes; `krsi-sh pins resume {name}` has it enforce again\n"
            )))
        }),
        Action::Resume(Name { name }) => with(name, resume),
        Action::Hold(Name { name }) => with(name, |_| hold::hold(name, globals)),
        Action::Clean => pins::clean().map(|count| answer(&format!("{count} removed\n"))),
    };
    done.unwrap_or_else(|error| {
        complain(error);
        exit::ENVIRONMENT
    })
}

fn list(globals: &Globals) -> Result<i32, KernelError> {
    let all = pins::list()?;
    Ok(match globals.format.for_answer() {
        Format::Json => {
            let all: Vec<_> = all.iter().map(|pin| page::json(pin, &pin.sessions())).collect();
            answer(&(serde_json::to_string(&all).unwrap_or_default() + "\n"))
        }
        Format::Text => {
            let mut text = page::table(&all);
            let left = pins::leftovers().len();
            if left > 0 {
                text += &format!(
                    "{left} empty director{} in {}, left by a process that was killed; `krsi-sh pins clean` removes what keeps nothing\n",
                    if left == 1 { "y" } else { "ies" },
                    pins::PLACE
                );
            }
            answer(&text)
        }
    })
}

fn show(pin: &Pin, globals: &Globals) -> i32 {
    let holders = pin.sessions();
    match globals.format.for_answer() {
        Format::Json => answer(&(page::json(pin, &holders).to_string() + "\n")),
        Format::Text => answer(&page::page(pin, &holders)),
    }
}

fn with(name: &str, act: impl FnOnce(&Pin) -> Result<i32, KernelError>) -> Result<i32, KernelError> {
    match pins::find(name)? {
        Some(pin) => act(&pin),
        None => unknown(name),
    }
}

fn unknown(name: &str) -> Result<i32, KernelError> {
    let known: Vec<String> = pins::list()?.into_iter().map(|pin| pin.name).collect();
    let near = nearest(name, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    complain(format_args!("there is no pin `{name}`{near}\npinned: {known}"));
    Ok(exit::USAGE)
}

fn remove(name: &str) -> Result<i32, KernelError> {
    let Some(pin) = pins::remove(name)? else { return unknown(name) };
    let mut said = format!("`{name}` is removed");
    if let Ok(manifest) = &pin.manifest {
        said += &format!(": {}", manifest.rule);
    }
    said.push('\n');
    let left = || sessions::programs().map(|all| all.keys().any(|id| pin.programs.contains(id)));
    let begun = Instant::now();
    while left()? && pin.sessions().is_empty() && begun.elapsed() < RELEASE {
        thread::sleep(LOOK);
    }
    if left()? {
        let sessions: Vec<_> = pin.sessions().keys().map(i32::to_string).collect();
        said += &match sessions.is_empty() {
            false => format!("session {} still has the probe attached, and it only observes there\n", sessions.join(", ")),
            true => "its programs are still attached, and only observe: another program holds them (bpftool link)\n".into(),
        };
    }
    Ok(answer(&said))
}

fn resume(pin: &Pin) -> Result<i32, KernelError> {
    let name = &pin.name;
    if let Some(reason) = host_switch::reason().filter(|_| pin.was_pinned_enforcing()) {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        complain(format_args!(
            "this host only observes ({} is there{reason})\nfix: whoever keeps the host may remove the file",
            host_switch::FILE
        ));
        return Ok(exit::ENVIRONMENT);
    }
    pin.resume()?;
    let mode = pin.manifest.as_ref().map(|manifest| manifest.mode.clone()).unwrap_or_default();
    Ok(answer(&format!("`{name}` is in {mode} again{}\n", page::left(pin))))
}
