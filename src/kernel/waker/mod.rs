//! The wakers: two more processes of this program, each of which continues what probes hold when the shell does not.
//!
//! ```text
//! shell ── probes ── registrations ══ socket ══ waker ── krsi_held ── SIGCONT
//!                                       └ at the socket's end: continues everything, and ends
//! ```
//!
//! In: the tables of each probe that asks. A waker looks at them itself, so that it needs nobody to tell it: it continues what is
//! held past its time, or by a probe whose lease has run out, or that does not ask any more. The socket's end tells it that the
//! shell is gone, however that came. If a waker is killed, the shell starts another one at once; there are two so that shell and
//! waker may be killed at the same moment. If there cannot be any, nothing is held any more, and what would have been takes the way of
//! what cannot be.
//!
//! What must never happen: that a waker is held or denied by probes of this session. Each spares it, by its process id and
//! start, before it executes anything: one that is started while probes are attached waits until they do.

mod process;
mod start;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::Child,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use aya::maps::{HashMap, MapData, MapError};

use crate::{
    kernel::{KernelError, errno::chain, maps::settings::Settings},
    system::clock,
};

pub use self::process::{COMMAND, serve};

/// The table of whom a probe spares: pid and start in ticks since boot.
pub type Spared = HashMap<MapData, u32, u64>;

/// How many there are.
const WAKERS: usize = 2;
/// How long a waker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The bit of a mode's word that says: hold nothing.
const HOLD_NOTHING: u64 = 1 << 33;

/// What the waker looks at of one probe.
pub struct Watched {
    /// The kernel's number for the table of what is held.
    pub held: u32,
    /// The same for the settings, and the size of their value.
    pub settings_id: u32,
    pub settings_size: usize,
    /// Where in them mode and lease stand, in bytes.
    pub mode: usize,
    pub lease: usize,
    /// The settings, mapped once more.
    pub settings: Settings,
}

/// One attached probe. Dropped, the waker looks at it no longer.
pub struct Registration(u64);

struct Entry {
    spared: Spared,
    /// What is in there, as far as this process knows.
    known: BTreeMap<u32, u64>,
    watched: Option<Watched>,
}

/// The waker, as it runs.
struct Running {
    socket: BufReader<UnixStream>,
    pid: u32,
    ticks: u64,
}

/// A process has its wakers, as it has one end: so this is the process's.
#[derive(Default)]
struct State {
    running: Vec<Running>,
    entries: BTreeMap<u64, Entry>,
    last: u64,
    /// What has happened to one, since it was said last.
    trouble: Option<String>,
}

static STATE: Mutex<State> =
    Mutex::new(State { running: Vec::new(), entries: BTreeMap::new(), last: 0, trouble: None });

fn state() -> MutexGuard<'static, State> {
    // What a thread that panicked has left is whole: each change is one step.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a probe that is about to be attached spare the wakers, and lets them look at what the probe holds, if it asks.
///
/// # Errors
/// If there can be no waker: then nothing may be held.
pub fn register(spared: Spared, watched: Option<Watched>) -> Result<Registration, KernelError> {
    let mut state = state();
    state.last += 1;
    let number = state.last;
    let asks = watched.is_some();
    let unreadable = |error: MapError| KernelError::Table { table: "krsi_guard", reason: chain(&error) };
    // Nobody else knows of it yet.
    let known = spared.iter().collect::<Result<_, _>>().map_err(unreadable)?;
    state.entries.insert(number, Entry { spared, known, watched });
    let registration = Registration(number);
    let failed =
        |error| KernelError::Host { what: "start a process that continues what is held".into(), error };
    let done = if asks { state.watch(number) } else { state.spare(number) };
    drop(state);
    done.map_err(failed).map(|()| registration)
}

impl Registration {
    /// Looks whether another process has changed whom the probe spares, and puts that back. Gives which processes were put there, and
    /// which were taken out.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub fn restore(&self) -> Result<(Vec<u32>, Vec<u32>), MapError> {
        match state().entries.get_mut(&self.0) {
            Some(entry) => entry.restore(),
            None => Ok((Vec::new(), Vec::new())),
        }
    }
}

/// Says, once, what has happened to a waker.
pub fn take_trouble() -> Option<String> {
    state().trouble.take()
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = state();
        let Some(entry) = state.entries.remove(&self.0) else { return };
        let Some(watched) = &entry.watched else { return };
        for running in &mut state.running {
            // One that is gone looks at nothing.
            let _ = running.tell(&format!("- {}\n", watched.held));
        }
    }
}

impl State {
    /// Lets a probe spare the wakers that run.
    fn spare(&mut self, number: u64) -> io::Result<()> {
        let Some(entry) = self.entries.get_mut(&number) else { return Ok(()) };
        self.running.iter().try_for_each(|running| entry.spare(running.pid, running.ticks))
    }

    fn watch(&mut self, number: u64) -> io::Result<()> {
        self.spare(number)?;
        let message = self.entries.get(&number).and_then(Entry::message).unwrap_or_default();
        // One that does not hear it has ended: whoever waits for that starts another one, and tells that of every probe.
        let told = self.running.iter_mut().filter_map(|running| running.tell(&message).ok()).count();
        let missing = WAKERS.saturating_sub(self.running.len());
        let started = (0..missing).try_for_each(|_| self.start());
        if told > 0 { Ok(()) } else { started }
    }

    /// Starts a waker that all probes spare, and tells it of those that ask.
    fn start(&mut self) -> io::Result<()> {
        let entries = &mut self.entries;
        let spare = |pid: u32, ticks: u64| entries.values_mut().try_for_each(|entry| entry.spare(pid, ticks));
        let started = start::start(spare)?;
        let start::Started { mut child, socket, pid, ticks } = started;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut running = Running { socket: BufReader::new(socket), pid, ticks };
        let [monotonic, boottime] = clock::learned();
        let told = running.tell(&format!("clock {monotonic} {boottime}\n")).and_then(|()| {
            self.entries.values().filter_map(Entry::message).try_for_each(|message| running.tell(&message))
        });
        if let Err(error) = told {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        // Before anybody waits for its end, which asks who runs.
        self.running.push(running);
        thread::Builder::new().name("krsi-waker".into()).spawn(move || wait(child)).map(drop)
    }

    /// Makes every probe hold, or hold nothing.
    fn let_hold(&self, may: bool) {
        for watched in self.entries.values().filter_map(|entry| entry.watched.as_ref()) {
            let change = |word: u64| if may { word & !HOLD_NOTHING } else { word | HOLD_NOTHING };
            // The offset was good when the probe was attached.
            if let Ok(word) = watched.settings.load(watched.mode) {
                let _ = watched.settings.store(watched.mode, change(word));
            }
        }
    }
}

/// Waits for a waker's end. If it is needed still, another one is started at once.
fn wait(mut child: Child) {
    let pid = child.id();
    let _ = child.wait();
    let mut state = state();
    state.running.retain(|running| running.pid != pid);
    for entry in state.entries.values_mut() {
        // Else they would have no room for others at some time.
        let _ = entry.spared.remove(&pid);
        entry.known.remove(&pid);
    }
    if !state.entries.values().any(|entry| entry.watched.is_some()) {
        return;
    }
    let alone = state.running.is_empty();
    if alone {
        // Until there is another one.
        state.let_hold(false);
    }
    let text = match state.start() {
        Ok(()) => {
            if alone {
                state.let_hold(true);
            }
            "a process that continues what is held was killed; another one was started".to_owned()
        }
        Err(error) if alone => format!(
            "the processes that continue what is held were killed, and there can be no other ({}): nothing is held any more, and what \
             would be is dealt with as `otherwise` says",
            chain(&error)
        ),
        Err(error) => format!(
            "one of the two processes that continue what is held was killed, and there can be no other ({}): the one that is left goes on",
            chain(&error)
        ),
    };
    state.trouble = Some(text);
}

impl Entry {
    fn spare(&mut self, pid: u32, ticks: u64) -> io::Result<()> {
        self.spared.insert(pid, ticks, 0).map_err(io::Error::other)?;
        self.known.insert(pid, ticks);
        Ok(())
    }

    fn restore(&mut self) -> Result<(Vec<u32>, Vec<u32>), MapError> {
        let found = self.spared.iter().collect::<Result<BTreeMap<u32, u64>, _>>()?;
        if found == self.known {
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut put, mut taken) = (Vec::new(), Vec::new());
        for pid in found.keys().filter(|pid| !self.known.contains_key(pid)) {
            let _ = self.spared.remove(pid);
            put.push(*pid);
        }
        for (pid, ticks) in self.known.iter().filter(|(pid, ticks)| found.get(pid) != Some(ticks)) {
            self.spared.insert(*pid, *ticks, 0)?;
            taken.push(*pid);
        }
        Ok((put, taken))
    }

    fn message(&self) -> Option<String> {
        let Watched { held, settings_id, settings_size, mode, lease, .. } = self.watched.as_ref()?;
        Some(format!("+ {held} {settings_id} {settings_size} {mode} {lease}\n"))
    }
}

impl Running {
    /// Tells the waker something, and waits until it has understood.
    fn tell(&mut self, message: &str) -> io::Result<()> {
        self.socket.get_mut().write_all(message.as_bytes())?;
        let mut reply = String::new();
        self.socket.read_line(&mut reply)?;
        match reply.trim_end() {
            "ok" => Ok(()),
            "" => Err(io::Error::other("it has ended")),
            why => Err(io::Error::other(why.to_owned())),
        }
    }
}
