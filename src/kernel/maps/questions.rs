//! What a probe in mode ask holds, and what was answered.
//!
//! The kernel writes down whom it has stopped for what (`krsi_held`), and takes it away when the operation goes on; this side
//! writes answers (`krsi_replies`), continues processes, and takes away what will never go on: of a process that has ended, or
//! does something else by now. Which operation it is, both know by 128 bits that the kernel makes of everything that the
//! event tells (ebpf-templates/include/krsi_identity.bpf.h).

use std::{
    fs::File,
    io::{self, Read},
    sync::OnceLock,
    time::Duration,
};

use aya::maps::{HashMap, IterableMap, Map, MapData, MapError};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        load::{constants::AskConstants, object::Object},
        maps::{full_of, take},
    },
    probe::ask::{Ask, Holds, Reply, Ruling, Standing, Whose},
    reaction,
    system::{clock, namespaces},
};

pub const HELD: &str = "krsi_held";
const REPLIES: &str = "krsi_replies";
/// `max_entries` of `krsi_replies`.
const MOST_REPLIES: u32 = 16384;

/// The waker continues what is past its time within this.
const WAKES_WITHIN: Duration = Duration::from_millis(100);

/// `enum krsi_reply_for` of the templates.
const ONCE: u32 = 0;
const PROCESS: u32 = 1;
const EXECUTABLE: u32 = 2;

/// `struct krsi_question` of the templates: an operation of somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Question {
    start_ns: u64,
    id: u32,
    kind: u32,
    identity: [u64; 2],
}

/// `struct krsi_held` of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Held {
    asked_ns: u64,
    pub until_ns: u64,
    pub start_ns: u64,
    pub pid: u32,
    zero: u32,
}

/// `struct krsi_reply` of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Stored {
    word: u64,
    until_ns: u64,
    identity: [u64; 2],
}

// SAFETY: numbers without padding; any bytes are a value.
unsafe impl aya::Pod for Question {}
// SAFETY: as above.
unsafe impl aya::Pod for Held {}
// SAFETY: as above.
unsafe impl aya::Pod for Stored {}

/// The table of what is held.
pub struct HeldTable(HashMap<MapData, Question, Held>);

impl HeldTable {
    /// # Errors
    /// If it is no such table.
    pub fn of(map: Map) -> Result<Self, KernelError> {
        let table = HashMap::try_from(map);
        Ok(HeldTable(table.map_err(|error| KernelError::Table { table: HELD, reason: chain(&error) })?))
    }

    /// Everything that is held now. What the kernel takes away meanwhile may be missing, and found by the next look.
    pub fn entries(&self) -> Vec<(Question, Held)> {
        /// More than the table has room for: a chain that changes while it is followed may lead to its beginning again.
        const MOST: usize = 1 << 14;
        self.0.iter().take(MOST).filter_map(Result::ok).collect()
    }

    /// The kernel's number for the table.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn id(&self) -> Result<u32, MapError> {
        Ok(self.0.map().info()?.id())
    }
}

impl Question {
    /// Whether its thread, which is of this process, is stopped.
    #[must_use]
    pub fn is_stopped(&self, held: &Held) -> bool {
        reaction::is_stopped(held.pid.cast_signed(), self.id.cast_signed())
    }
}

impl Held {
    /// Continues its process. False if that has ended.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn wake(&self) -> io::Result<bool> {
        reaction::continue_process(self.pid.cast_signed(), self.start_ns)
    }
}

/// See the module.
pub struct Questions {
    held: HeldTable,
    replies: HashMap<MapData, Question, Stored>,
    /// Taken away on this side.
    withdrawn: u64,
}

impl Questions {
    /// # Errors
    /// If the object has no such tables.
    pub fn open(object: &Object) -> Result<Self, KernelError> {
        let replies = HashMap::try_from(take(object, REPLIES)?);
        let unreadable = |error: MapError| KernelError::Table { table: REPLIES, reason: chain(&error) };
        let held = HeldTable::of(take(object, HELD)?)?;
        Ok(Questions { held, replies: replies.map_err(unreadable)?, withdrawn: 0 })
    }

    /// The kernel's number for the table of what is held.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn id(&self) -> Result<u32, KernelError> {
        self.held.id().map_err(|error| KernelError::Table { table: HELD, reason: chain(&error) })
    }

    fn find(&self, tid: u32, asked_ns: u64) -> Option<(Question, Held)> {
        let is_it = |(question, held): &(Question, Held)| question.id == tid && held.asked_ns == asked_ns;
        self.held.entries().into_iter().find(is_it)
    }

    /// What has become of the question that this thread's event of this time was.
    #[must_use]
    pub fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        match self.find(tid, asked_ns) {
            None => Standing::Over,
            Some((question, held)) if self.replies.get(&question, 0).is_ok() => {
                // Asked again in the moment in which it was answered: it has stopped behind that.
                let _ = held.wake();
                Standing::Answered
            }
            Some((_, held)) => Standing::Open(held.until_ns),
        }
    }

    /// Answers it, and lets it go on. False if it is not held any more; then nothing is remembered either.
    ///
    /// # Errors
    /// If the kernel takes no answer, or does not continue the process; the waker does that when its time is up.
    pub fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, KernelError> {
        let Some((question, held)) = self.find(tid, asked_ns) else { return Ok(false) };
        let (key, until_ns) = match reply.holds {
            // One that is never fetched is swept away later.
            Holds::Once => (question, 0),
            Holds::For(lasts, whose) => (Question { ..of(whose, question, held) }, until(lasts)),
        };
        let stored = Stored { word: word(reply.ruling), until_ns, identity: question.identity };
        let inserted = self.replies.insert(key, stored, 0);
        inserted.map_err(|error| full_of(REPLIES, &error, MOST_REPLIES))?;
        let woken = held.wake();
        let failed =
            |error| KernelError::Host { what: "continue the process that was asked about".into(), error };
        woken.map_err(failed)
    }

    /// How many are held.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.entries().len() as u64
    }

    /// How many were taken away on this side.
    #[must_use]
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// Takes away what will not go on, and answers that nobody will fetch any more.
    pub fn sweep(&mut self) {
        /// Overdue for so long, it has been continued, and did something else.
        const LATE_NS: u64 = 2_000_000_000;
        let now = now_ns();
        let entries = self.held.entries();
        for (question, held) in &entries {
            let gone =
                !reaction::has_thread(held.pid.cast_signed(), question.id.cast_signed(), question.start_ns);
            if gone || now > held.until_ns.saturating_add(LATE_NS) {
                self.take_away(question);
            }
        }
        let is_stale = |question: &Question, reply: &Stored| match question.kind {
            ONCE => !entries.iter().any(|(asked, _)| asked == question),
            PROCESS => {
                is_past(reply, now) || !reaction::has_process(question.id.cast_signed(), question.start_ns)
            }
            _ => is_past(reply, now),
        };
        let replies: Vec<_> = self.replies.iter().filter_map(Result::ok).collect();
        for (question, _) in replies.iter().filter(|(question, reply)| is_stale(question, reply)) {
            let _ = self.replies.remove(question);
        }
    }

    /// Lets everything go on that is held. Programs that could hold more must be through.
    pub fn release(&mut self) {
        for (question, held) in self.held.entries() {
            self.take_away(&question);
            // Nothing is there to hold it again; what has ended needs nothing.
            let _ = held.wake();
        }
    }

    fn take_away(&mut self, question: &Question) {
        // What the kernel has taken away itself, it has counted.
        if self.held.0.remove(question).is_ok() {
            self.withdrawn += 1;
        }
    }
}

fn is_past(reply: &Stored, now: u64) -> bool {
    reply.until_ns != 0 && reply.until_ns <= now
}

fn of(whose: Whose, question: Question, held: Held) -> Question {
    match whose {
        Whose::Process => Question { start_ns: held.start_ns, id: held.pid, kind: PROCESS, ..question },
        Whose::Executable => Question { start_ns: 0, id: 0, kind: EXECUTABLE, ..question },
    }
}

fn until(lasts: Option<Duration>) -> u64 {
    lasts.map_or(0, |lasts| now_ns().saturating_add(u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX)))
}

fn now_ns() -> u64 {
    clock::monotonic_ns().unsigned_abs()
}

/// Signal and errno of a ruling, where the mode's word has them.
#[must_use]
pub fn arguments(ruling: Ruling) -> u64 {
    match ruling {
        Ruling::Allow => 0,
        Ruling::Deny(errno) => u64::from(errno.number().unsigned_abs()) << 16,
        Ruling::Kill(signal) => u64::from(signal.number().unsigned_abs()) << 8 | 1 << 16,
    }
}

/// `struct krsi_reply.word` of the templates.
fn word(ruling: Ruling) -> u64 {
    let verdict = match ruling {
        Ruling::Allow => 0,
        Ruling::Deny(_) => 2,
        Ruling::Kill(_) => 3,
    };
    verdict | arguments(ruling)
}

/// What goes into the program.
///
/// # Errors
/// If process ids here are not the kernel's, or there are no random numbers.
pub fn constants(ask: Ask) -> Result<AskConstants, KernelError> {
    namespaces::process_ids().map_err(|foreign| KernelError::ProcessIds { what: "ask", foreign })?;
    // Whoever continues it needs a moment for that.
    let timeout = ask.timeout.saturating_sub(WAKES_WITHIN);
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let random = |error| KernelError::Host { what: "read a random number".into(), error };
    Ok(AskConstants { milliseconds, shell: std::process::id(), key: key().map_err(random)? })
}

/// The same for each generation of a probe's programs, and in no other session.
fn key() -> io::Result<[u64; 2]> {
    static KEY: OnceLock<[u64; 2]> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(*key);
    }
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let word = |at: usize| bytes[at..at + 8].iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    Ok(*KEY.get_or_init(|| [word(0), word(8)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        template::shapes::Shapes,
        values::{Errno, Signal},
    };

    #[test]
    fn tables_are_laid_out_as_the_templates_have_them() {
        let shapes = Shapes::of("file_open");
        assert_eq!(shapes.size("krsi_question"), size_of::<Question>());
        assert_eq!(shapes.size("krsi_held"), size_of::<Held>());
        assert_eq!(shapes.size("krsi_reply"), size_of::<Stored>());
        for (kind, name) in [
            (ONCE, "KRSI_REPLY_ONCE"),
            (PROCESS, "KRSI_REPLY_PROCESS"),
            (EXECUTABLE, "KRSI_REPLY_EXECUTABLE"),
        ] {
            assert_eq!(u64::from(kind), shapes.number("krsi_reply_for", name));
        }
    }

    #[test]
    fn verdicts_have_the_templates_own_numbers() {
        let shapes = Shapes::of("file_open");
        let number = |name: &str| shapes.number("krsi_verdict", name);
        let deny = Ruling::Deny(Errno::from_number(13).unwrap());
        assert_eq!(word(Ruling::Allow), number("KRSI_ALLOW"));
        assert_eq!(word(deny), number("KRSI_DENY") | 13 << 16);
        assert_eq!(word(Ruling::Kill(Signal::KILL)), number("KRSI_KILL") | 9 << 8 | 1 << 16);
    }
}
