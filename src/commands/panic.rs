//! `krsi-sh panic`: everything of ours on this system lets go.
//!
//! In: nothing. Out: what was done, a line each. First every probe of every session is made to observe,
//! which a session cannot refuse, be it stopped or hung. Then the sessions are ended, since only that takes
//! their programs off the hooks: by SIGTERM, so that they close their books, and by SIGKILL if they do not go.

mod trail;

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::Process;

use self::trail::Ending;
use super::{answer, complain};
use crate::{
    exit,
    globals::Globals,
    kernel::{
        KernelError,
        pins::{self, Pin},
        sessions::{self, Keepers, Programs},
    },
    system::namespaces,
};

/// Detach everything of krsi-sh on this system, whichever session it belongs to
///
/// First every probe is made to observe: from then on nothing is denied and nobody killed. Then the
/// sessions are ended, which detaches their probes: by SIGTERM, and after three seconds by SIGKILL, so a
/// session that hangs or is stopped goes, too. What is pinned stays attached, and only observes: `krsi-sh pins` lists and removes it.
///
/// Where executions are denied everywhere, a shell can start nothing: there, say `exec krsi-sh panic` in the
/// shell that has started the session. It and its ancestors are spared, and exec keeps the process. From any other
/// login it cannot be started then, and where opening files is denied everywhere it cannot even be loaded: there the
/// lease ends it, which the kernel does by itself. `--audit` changes nothing about this command.
///
/// Exit code 0: nothing is attached any more, but for pins. 3: privilege is missing, or something is still
/// attached, which then only observes.
#[derive(Debug, Clone, clap::Args)]
pub struct PanicArgs {
    /// Why, which is noted with who, when, and what was attached
    ///
    /// A line of JSON in /var/lib/krsi-sh/panic.ndjson; without one, all but the reason is noted.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// How long sessions have to close their books.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the kernel may take to free what a dead process held.
const RELEASE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &PanicArgs, _: &Globals) -> i32 {
    match let_go(args.reason.as_deref()) {
        Ok((said, code)) => match answer(&said) {
            exit::FINE => code,
            other => other,
        },
        Err(error) => {
            complain(error);
            exit::ENVIRONMENT
        }
    }
}

fn let_go(reason: Option<&str>) -> Result<(String, i32), KernelError> {
    let mut said = String::new();
    let found = sessions::programs();
    let probes = found.as_ref().map(|found| found.values().collect::<BTreeSet<_>>().len());
    match sessions::observe() {
        Err(error @ KernelError::Privilege) => return Err(error),
        // The others observe, and all sessions still go.
        Err(error) => complain(error),
        Ok(()) => {
            let probes = probes.unwrap_or_default();
            if probes > 0 {
                said +=
                    &format!("{} made to observe: nothing is refused any more\n", counted(probes, "probe"));
            }
        }
    }
    let pinned = pins::list().unwrap_or_else(|error| {
        complain(format_args!("pins cannot be looked at: {error}"));
        Vec::new()
    });
    let attached = found.as_ref().map_or_else(|_| BTreeSet::new(), sessions::labels);
    let mut ended = BTreeSet::new();
    // Otherwise an id of /proc is another process's here, and that one would be ended.
    let signals: &[Signal] =
        if namespaces::lists_our_ids() { &[Signal::SIGTERM, Signal::SIGKILL] } else { &[] };
    for signal in signals.iter().copied() {
        let keepers = keepers();
        for (pid, _) in keepers.iter().filter(|keeper| end(keeper, signal)) {
            said += &format!("session {pid} told to end ({signal})\n");
            ended.insert(*pid);
        }
        wait_for(&keepers, &pinned, if signal == Signal::SIGTERM { PATIENCE } else { RELEASE });
    }
    let left = beside(&sessions::programs()?, &pinned);
    if left == 0 && said.is_empty() {
        return Ok(("nothing was attached\n".into(), exit::FINE));
    }
    match trail::keep(&Ending { reason, sessions: ended.into_iter().collect(), probes: attached, left }) {
        Ok(file) => said += &format!("noted in {}\n", file.display()),
        Err(why) => complain(why),
    }
    for Pin { name, .. } in &pinned {
        said += &format!(
            "pin `{name}` stays attached, and only observes; `krsi-sh pins remove {name}` removes it\n"
        );
    }
    match left {
        0 if pinned.is_empty() => Ok((said + "nothing is attached any more\n", exit::FINE)),
        0 => Ok((said + "nothing else is attached any more\n", exit::FINE)),
        left => {
            let why = match namespaces::process_ids() {
                Ok(()) => "another program holds or has pinned a link to it (bpftool link)".to_owned(),
                Err(foreign) => {
                    format!("its session cannot be ended from here: {foreign}\nfix: krsi-sh panic there")
                }
            };
            said += &format!("{} still attached, and only observing: {why}\n", counted(left, "program"));
            Ok((said, exit::ENVIRONMENT))
        }
    }
}

/// The sessions. A probe that denies bpf(2) to everybody keeps us from asking which these are: then they are told by their
/// executable.
fn keepers() -> Keepers {
    match sessions::programs() {
        Ok(programs) => sessions::keepers(&programs),
        Err(error) => {
            complain(format_args!("{error}; sessions are found by what they execute"));
            sessions::keepers_by_executable()
        }
    }
}

/// How many of the programs no pin keeps.
fn beside(programs: &Programs, pinned: &[Pin]) -> usize {
    programs.keys().filter(|id| pinned.iter().all(|pin| !pin.programs.contains(id))).count()
}

/// Until these processes are gone and nothing of theirs is left.
fn wait_for(keepers: &Keepers, pinned: &[Pin], patience: Duration) {
    let begun = Instant::now();
    let lives = |keeper: (&i32, &u64)| is_the_one(keeper) && begun.elapsed() < patience;
    while keepers.iter().any(lives) {
        thread::sleep(LOOK);
    }
    // The kernel frees a link a moment after its last descriptor is closed.
    let is_some_left = || sessions::programs().map_or(true, |left| beside(&left, pinned) > 0);
    while !keepers.is_empty() && begun.elapsed() < patience && is_some_left() {
        thread::sleep(LOOK);
    }
}

/// False if it has gone already.
fn end(keeper: &(&i32, &u64), signal: Signal) -> bool {
    let (pid, _) = *keeper;
    if !is_the_one(*keeper) {
        return false;
    }
    let send = |signal| kill(Pid::from_raw(*pid), signal);
    let sent = send(signal);
    // One that is stopped does not hear it.
    let _ = send(Signal::SIGCONT);
    match sent {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => {
            complain(format_args!("cannot end session {pid}: {error}"));
            false
        }
    }
}

/// Whether the process that has this id is alive, and still the one that was found.
fn is_the_one((pid, start): (&i32, &u64)) -> bool {
    let stat = Process::new(*pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == *start && !matches!(stat.state, 'Z' | 'X'))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
