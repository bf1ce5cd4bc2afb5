//! Processes: run one, signal one, look at one.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use crossbeam_channel::never;
use rhai::{Array, Engine, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    raw,
    reaction::{self, Child, Deed, Ended},
    report::Record,
    script::{
        Fault, docs,
        event::ScriptEvent,
        policy::{Effect, Ruling},
        runtime::{Runtime, Turn, Until},
    },
    system::{accounts::Account, namespaces},
    values::{Signal, nearest},
};

pub(super) fn words(argv: &Array) -> Result<Vec<OsString>, Fault> {
    let word = |value: &Dynamic| {
        value.clone().into_string().map_err(|kind| {
            let kind = docs::plain_types(kind);
            Fault::script(format!(
                "`run` takes an array of strings, the program first; one of these is of type {kind}"
            ))
        })
    };
    let words = argv.iter().map(word).collect::<Result<Vec<_>, _>>()?;
    if words.first().is_none_or(String::is_empty) {
        return Err(Fault::script("`run` needs a program: `run([\"ls\", \"/\"])`"));
    }
    if let Some(word) = words.iter().find(|word| word.contains('\0')) {
        return Err(Fault::script("`run`: a word of a command line must not contain a NUL byte").about(word));
    }
    Ok(words.iter().map(|word| raw::os(word)).collect())
}

pub(super) fn as_map(ended: &Ended) -> Map {
    let mut map = Map::new();
    let text = |bytes: &[u8]| Dynamic::from(raw::text(bytes));
    let named = |name: &Option<String>| name.clone().map_or(Dynamic::UNIT, Dynamic::from);
    map.insert("code".into(), ended.code.map_or(Dynamic::UNIT, |code| i64::from(code).into()));
    map.insert("signal".into(), named(&ended.signal));
    map.insert("errno".into(), named(&ended.errno));
    map.insert("stdout".into(), text(&ended.stdout));
    map.insert("stderr".into(), text(&ended.stderr));
    map.insert("truncated".into(), ended.truncated.into());
    map
}

/// Numbers in a script are mostly those of events, which are the kernel's: where a signal would take them for others, it
/// must not be sent.
pub(super) fn of_the_kernel(what: &str) -> Result<(), Fault> {
    namespaces::process_ids().map_err(|foreign| Fault::environment(format!("cannot {what}: {foreign}")))
}

pub(super) fn pid(number: i64) -> Result<i32, Fault> {
    let refused = || {
        let text = format!(
            "a signal is sent to one process by its id, not to {number}; allowed: 2 and up, and not this shell's"
        );
        Fault::script(text).about(number)
    };
    // 0 and below are whole groups, 1 is init.
    let own = i64::from(std::process::id());
    let pid = i32::try_from(number).map_err(|_| refused())?;
    if pid <= 1 || number == own {
        return Err(refused());
    }
    of_the_kernel("send a signal")?;
    Ok(pid)
}

/// A capability's number.
pub(super) fn capability_number(name: &str) -> Result<u8, Fault> {
    let (_, number) = reaction::capability(name).ok_or_else(|| {
        let names = reaction::capabilities();
        let names = || names.iter().map(|(name, _)| name.as_str());
        let near = nearest(&name.to_ascii_uppercase(), names())
            .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        Fault::script(format!(
            "there is no capability `{name}`{near}; the names are those of capabilities(7)"
        ))
        .about(name)
    })?;
    Ok(number)
}

/// A capability's bit.
fn bit(name: &str) -> Result<u64, Fault> {
    Ok(1 << capability_number(name)?)
}

/// A process that `capable` and `capabilities` look at.
fn looked_at(number: i64) -> Result<i32, Fault> {
    let pid = i32::try_from(number).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| {
        Fault::script(format!("{number} is not a process id; allowed: 1 and up")).about(number)
    })?;
    if pid.unsigned_abs() != std::process::id() {
        of_the_kernel("look at a process")?;
    }
    Ok(pid)
}

fn of_event(event: &ScriptEvent) -> Result<Option<u64>, Fault> {
    of_the_kernel("look at the process of an event")?;
    let pid = i32::try_from(event.inner().number("pid")).ok();
    Ok(pid.and_then(|pid| reaction::effective(pid, Some(event.inner().number("start_ns")))))
}

fn names(set: u64) -> Array {
    let named = |(name, number): (String, u8)| (set & 1 << number != 0).then(|| name.into());
    reaction::capabilities().into_iter().filter_map(named).collect()
}

/// A signal of the terminal's reaches all who share it within this time.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// Sends the signal, or reports that it would have been sent, as the policy wants it. False if the process has gone.
fn send(runtime: &Runtime, pid: i32, start_ns: Option<u64>, signal: Signal) -> Fallible<bool> {
    let ruling = runtime.ask(Effect::Signal)?;
    runtime.options.policy.permit_signal()?;
    let deed = match ruling {
        Ruling::Do => Deed::Send,
        Ruling::Rehearse => Deed::Try,
    };
    if runtime.backend.recorded().is_some() {
        // Whoever has this number now is another one.
        runtime.report(|reporter| reporter.emit(Record::WouldSignal { pid, signal }));
        return Ok(true);
    }
    let reached = reaction::signal(pid, start_ns, signal, deed).map_err(Fault::environment)?;
    if reached && deed == Deed::Try {
        runtime.checks.rehearsed("--audit: a signal was not sent");
        runtime.report(|reporter| reporter.emit(Record::WouldSignal { pid, signal }));
    }
    Ok(reached)
}

#[export_module]
mod functions {
    /// Runs a program and waits for its end: `run(["ls", "/"])`. No shell is in between, and a name that is not
    /// UTF-8 is found again: `run(["ls", e.path])`. Gives a map: code, signal,
    /// errno (each `()` where there is none: `errno` if the program could not be executed), stdout, stderr,
    /// truncated. Events are delivered meanwhile. `--audit` does not hold it back: what the program does is done.
    #[rhai_fn(return_raw)]
    pub fn run(context: NativeCallContext, command: Array) -> Fallible<Map> {
        let runtime = runtime(&context)?;
        let words = words(&command)?;
        runtime.ask(Effect::Run)?;
        let mut child = match Child::start(&words) {
            Ok(child) => child,
            Err(reaction::StartError::Refused(ended)) => {
                runtime.settle(context.engine())?;
                return Ok(as_map(&ended));
            }
            Err(error) => return Err(Fault::environment(error).into()),
        };
        match runtime.serve(context.engine(), &child.ended(), Until::Never)? {
            Turn::Received(()) | Turn::Disconnected | Turn::Over => {}
        }
        let ended = child.finish().map_err(Fault::environment)?;
        if ended.signal.as_deref() == Some("SIGINT") {
            // From a terminal it has come to this shell as well, and is on its way: then nobody wants the child's end.
            let deadline = Until::Deadline(Instant::now() + ON_ITS_WAY);
            runtime.serve(context.engine(), &never::<()>(), deadline)?;
        }
        runtime.settle(context.engine())?;
        Ok(as_map(&ended))
    }

    /// Sends a process a signal: `kill(1234, "SIGTERM")`. False if there is no such process any more. Under `--audit`
    /// nothing is sent, and what would have been is reported.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_pid(context: NativeCallContext, number: i64, signal: &str) -> Fallible<bool> {
        let signal = Signal::from_name(signal).map_err(Fault::from)?;
        send(&*runtime(&context)?, pid(number)?, None, signal)
    }

    /// Sends a process a signal, by its number.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_pid_number(context: NativeCallContext, number: i64, signal: i64) -> Fallible<bool> {
        let signal = Signal::from_number(signal).map_err(Fault::from)?;
        send(&*runtime(&context)?, pid(number)?, None, signal)
    }

    /// Sends the process of an event a signal: `kill(e, "SIGKILL")`. It is looked at by its start time as well, so
    /// a process that got the same id later is left alone; false then.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_event(context: NativeCallContext, event: ScriptEvent, signal: &str) -> Fallible<bool> {
        let signal = Signal::from_name(signal).map_err(Fault::from)?;
        let number = event.inner().number("pid").cast_signed();
        let start = event.inner().number("start_ns");
        send(&*runtime(&context)?, pid(number)?, Some(start), signal)
    }

    /// Returns whether a process has a capability in its effective set now: `capable(1234, "CAP_SYS_ADMIN")`. False if
    /// there is no such process.
    #[rhai_fn(return_raw)]
    pub fn capable(number: i64, capability: &str) -> Fallible<bool> {
        let bit = bit(capability)?;
        Ok(reaction::effective(looked_at(number)?, None).unwrap_or_default() & bit != 0)
    }

    /// Returns whether the process of an event has a capability now, not when the event happened: `capable(e, "CAP_BPF")`.
    /// False if the process is gone.
    #[rhai_fn(name = "capable", return_raw)]
    pub fn capable_event(event: &mut ScriptEvent, capability: &str) -> Fallible<bool> {
        let bit = bit(capability)?;
        Ok(of_event(event)?.unwrap_or_default() & bit != 0)
    }

    /// Returns the capabilities in a process's effective set now: `capabilities(getpid())`. `()` if there is no such
    /// process.
    #[rhai_fn(return_raw)]
    pub fn capabilities(number: i64) -> Fallible<Dynamic> {
        Ok(reaction::effective(looked_at(number)?, None).map_or(Dynamic::UNIT, |set| names(set).into()))
    }

    /// Returns the capabilities that the process of an event has now: `capabilities(e)`. `()` if the process is gone.
    #[rhai_fn(name = "capabilities", return_raw)]
    pub fn capabilities_event(event: &mut ScriptEvent) -> Fallible<Dynamic> {
        Ok(of_event(event)?.map_or(Dynamic::UNIT, |set| names(set).into()))
    }

    /// Returns the id of a user, by name, from /etc/passwd: `e.uid == uid("alice")`.
    #[rhai_fn(return_raw)]
    pub fn uid(name: &str) -> Fallible<i64> {
        Ok(Account::User.id(name).map_err(|error| Fault::script(error).about(name))?.into())
    }

    /// Returns the id of a group, by name, from /etc/group: `e.gid == gid("audio")`.
    #[rhai_fn(return_raw)]
    pub fn gid(name: &str) -> Fallible<i64> {
        Ok(Account::Group.id(name).map_err(|error| Fault::script(error).about(name))?.into())
    }

    /// Returns the id of this shell's process: its children are in `.scope(#{ pid: getpid() })`.
    pub fn getpid() -> i64 {
        std::process::id().into()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
