//! The waker's own process: it has one thread, executes nothing, and hears no signal that asks for its end.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::{
        fd::{AsFd, FromRawFd},
        unix::{fs::FileTypeExt, net::UnixStream},
    },
    sync::{Arc, atomic::AtomicBool},
    thread::sleep,
    time::{Duration, Instant},
};

use aya::maps::{Map, MapData};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        maps::{questions::HeldTable, settings::Settings},
    },
    reaction,
    system::clock,
};

/// The command by which this program is the waker.
pub const COMMAND: &str = "wake-held";

/// How often it looks, in milliseconds: no more than that is an operation held past its time.
const LOOKS: u16 = 50;
/// How long after the shell's end an operation can still be held: by a program that was running when it left its hook.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// `KRSI_MODE_ASK` of the templates, and the bits of the mode.
const ASK: u64 = 4;
const MODE: u64 = 0xff;

/// A probe, as the waker has it.
struct Probe {
    held: HeldTable,
    settings: Settings,
    mode: usize,
    lease: usize,
}

/// Continues what the session at the other end of standard input holds and does not continue itself, until that is over.
///
/// # Errors
/// If there is no session.
pub fn serve() -> Result<(), String> {
    let is_socket = fs::metadata("/proc/self/fd/0").is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Err("standard input is not the socket of a session: krsi-sh starts this itself, for `.ask(…)` in a script".into());
    }
    // SAFETY: it is open, and nothing else in this process uses standard input.
    let session = unsafe { UnixStream::from_raw_fd(0) };
    // The terminal's signals are the session's.
    let _ = unistd::setsid();
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    reaction::spare_from_oom();
    let mut lines = BufReader::new(&session);
    let mut probes = BTreeMap::new();
    while hear(&session, &mut lines, &mut probes) {
        probes.values().for_each(Probe::wake_what_is_due);
    }
    // Nobody asks any more.
    let begun = Instant::now();
    while begun.elapsed() < AFTERWARDS && !probes.is_empty() {
        probes.values().for_each(Probe::wake_all);
        sleep(Duration::from_millis(LOOKS.into()));
    }
    Ok(())
}

/// Waits for a moment, or for what the session has to say; false if it is gone.
fn hear(session: &UnixStream, lines: &mut BufReader<&UnixStream>, probes: &mut BTreeMap<u32, Probe>) -> bool {
    let patience = if probes.is_empty() { PollTimeout::NONE } else { PollTimeout::from(LOOKS) };
    let mut wanted = [PollFd::new(session.as_fd(), PollFlags::POLLIN)];
    match poll(&mut wanted, patience) {
        Ok(0) | Err(nix::Error::EINTR) => return true,
        Ok(_) => {}
        Err(_) => return false,
    }
    let mut line = String::new();
    if !lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        return false;
    }
    let reply = match understand(&line, probes) {
        Ok(()) => "ok\n".to_owned(),
        Err(why) => format!("{}\n", why.replace('\n', " ")),
    };
    let mut session = session;
    session.write_all(reply.as_bytes()).is_ok()
}

fn understand(line: &str, probes: &mut BTreeMap<u32, Probe>) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let what = words.next().unwrap_or_default();
    let numbers: Vec<i64> = words.filter_map(|word| word.parse().ok()).collect();
    let unsigned = |number: i64| u32::try_from(number).map_err(|error| error.to_string());
    match (what, numbers.as_slice()) {
        ("clock", [monotonic, boottime]) => clock::adopt([*monotonic, *boottime]),
        ("+", [held, settings, size, mode, lease]) => {
            let place = |number: i64| usize::try_from(number).map_err(|error| error.to_string());
            let size = place(*size)?;
            let probe = Probe {
                held: table(unsigned(*held)?, Map::HashMap)
                    .and_then(HeldTable::of)
                    .map_err(|e| e.to_string())?,
                settings: table(unsigned(*settings)?, Map::Array)
                    .and_then(|map| Settings::new(map, size))
                    .map_err(|error| error.to_string())?,
                mode: place(*mode)?,
                lease: place(*lease)?,
            };
            probes.insert(unsigned(*held)?, probe);
        }
        ("-", [held]) => {
            probes.remove(&unsigned(*held)?);
        }
        _ => return Err(format!("it does not understand `{}`", line.trim_end())),
    }
    Ok(())
}

/// A map of the kernel's, by its number there.
fn table(id: u32, kind: impl Fn(MapData) -> Map) -> Result<Map, KernelError> {
    let opened = MapData::from_id(id);
    opened.map(kind).map_err(|error| KernelError::Table { table: "krsi_held", reason: chain(&error) })
}

impl Probe {
    /// Continues what is held past its time, or has nothing to wait for any more.
    fn wake_what_is_due(&self) {
        let entries = self.held.entries();
        if entries.is_empty() {
            return;
        }
        let now = clock::monotonic_ns().unsigned_abs();
        // A word that cannot be read is no reason to wait.
        let word = |at: usize| self.settings.load(at).unwrap_or_default();
        let lease = word(self.lease);
        let nobody_decides = word(self.mode) & MODE != ASK || (lease != 0 && lease < now);
        for (question, held) in &entries {
            let is_due = nobody_decides || held.until_ns <= now;
            // What goes on already is not continued again, if another process stops it; what has not stopped yet is in a moment.
            if is_due && question.is_stopped(held) {
                let _ = held.wake();
            }
        }
    }

    fn wake_all(&self) {
        for (question, held) in self.held.entries() {
            if question.is_stopped(&held) {
                let _ = held.wake();
            }
        }
    }
}
