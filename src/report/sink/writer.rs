//! Standard output and standard error, written by threads of their own: whoever writes a line never waits for its
//! reader.
//!
//! In: whole lines, from the session's thread. Out: the same lines, in that order, in as few `write` calls as there
//! are; and what went wrong, as [`Notice`]s for the session to report. A stream that nobody reads, a full disk and a
//! file server that does not answer hold up a thread here, and never a heartbeat, a lease or a signal.
//!
//! Where both streams are one file (a terminal, `2>&1`), one thread writes both, so that their order stays. A
//! descriptor is never made non-blocking: that is a property of the open file, which the parent shell shares.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::{SFlag, fstat},
};

use crate::report::printable::screened;

/// Bytes that may wait before whoever writes more should wait for room ([`Writer::wait_for_room`]).
const ROOM: usize = 1 << 20;
/// Bytes beyond which a line is dropped, whoever writes it.
const MOST: usize = 64 << 20;
/// Bytes of one `write` to a pipe, socket or terminal: whole lines of no more than this stay whole (PIPE_BUF) beside
/// those of other writers, and each one written shows that somebody reads.
const AT_ONCE: usize = 4096;
/// The same for a file.
const AT_ONCE_IN_FILE: usize = 1 << 16;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Out,
    Err,
}

impl Target {
    const BOTH: [Target; 2] = [Target::Out, Target::Err];

    /// What a message calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Target::Out => "standard output",
            Target::Err => "standard error",
        }
    }
}

/// What happened to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Lines are lost since now, for this reason.
    Failing { target: Target, error: Errno },
    /// It can be written again; this many lines were lost.
    Recovered { target: Target, lost: u64 },
    /// It is read again; this many lines were dropped while nobody read it.
    ReadAgain { target: Target, dropped: u64 },
}

/// How a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    /// The last write failed; lines lost since it began.
    Failing {
        lost: u64,
    },
    /// Nobody will read it any more.
    Closed,
}

struct Chunk {
    target: Target,
    bytes: Vec<u8>,
}

struct State {
    waiting: VecDeque<Chunk>,
    /// The thread waits for a chunk.
    parked: bool,
    /// When a byte was last taken, or there was none to take.
    moved: Instant,
}

/// A thread and what waits for it.
struct Lane {
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes waiting, and those being written.
    pending: AtomicUsize,
}

/// What is known of one stream.
struct Stream {
    lane: Arc<Lane>,
    health: Mutex<Health>,
    closed: AtomicBool,
    /// Lines dropped since nobody reads.
    dropped: AtomicU64,
    /// Lines that were lost or dropped, all in all.
    lost: AtomicU64,
    /// A line was cut in the middle: the next one begins below it.
    torn: AtomicBool,
    /// Bytes of one `write`.
    at_once: usize,
}

struct Shared {
    streams: [Stream; 2],
    /// Lines that find no room are dropped.
    discarding: AtomicBool,
    notices: Mutex<Vec<Notice>>,
    wake: Sender<()>,
}

/// The process's standard output and standard error. Clones are the same.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    woken: Receiver<()>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// Locks what no panic leaves half done: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Writer {
    /// Gives the process's one writer. Its threads are started with the first call.
    #[must_use]
    pub fn get() -> Writer {
        static WRITER: OnceLock<Writer> = OnceLock::new();
        WRITER.get_or_init(Writer::start).clone()
    }

    fn start() -> Writer {
        let lane = || {
            let state = State { waiting: VecDeque::new(), parked: false, moved: Instant::now() };
            let (changed, pending) = (Condvar::new(), AtomicUsize::new(0));
            Arc::new(Lane { state: Mutex::new(state), changed, pending })
        };
        let out = lane();
        let err = if are_one_file() { Arc::clone(&out) } else { lane() };
        let stream = |target, lane: &Arc<Lane>| Stream {
            lane: Arc::clone(lane),
            at_once: at_once(target),
            health: Mutex::new(Health::Well),
            closed: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            torn: AtomicBool::new(false),
        };
        let (wake, woken) = bounded(1);
        let shared = Arc::new(Shared {
            streams: [stream(Target::Out, &out), stream(Target::Err, &err)],
            discarding: AtomicBool::new(false),
            notices: Mutex::default(),
            wake,
        });
        let mut lanes = vec![out];
        if !Arc::ptr_eq(&lanes[0], &err) {
            lanes.push(err);
        }
        for lane in lanes {
            let (served, of) = (Arc::clone(&lane), Arc::clone(&shared));
            let started = thread::Builder::new().name("krsi-writer".into()).spawn(move || of.serve(&served));
            if started.is_err() {
                // Without a thread a line is written by whoever has it, as any program does.
                lane.pending.store(usize::MAX, Ordering::Release);
            }
        }
        Writer { shared, woken }
    }

    /// Adds a line, of which the newline is added here.
    pub fn push_line(&self, target: Target, line: &str) {
        let mut text = screened(line).into_owned();
        text.push('\n');
        self.add(target, text);
    }

    /// Adds whole lines, each with its newline. Control characters other than newline, tab and colour are written out.
    pub fn push(&self, target: Target, text: &str) {
        self.add(target, screened(text).into_owned());
    }

    /// Clears the terminal on standard output, and puts the cursor into its upper left corner: the one thing that goes
    /// out unscreened.
    pub fn clear_screen(&self) {
        self.add(Target::Out, "\x1b[H\x1b[2J".to_owned());
    }

    fn add(&self, target: Target, text: String) {
        let stream = self.shared.stream(target);
        if text.is_empty() || stream.closed.load(Ordering::Acquire) {
            return;
        }
        let pending = stream.lane.pending.load(Ordering::Acquire);
        if pending == usize::MAX {
            self.shared.write(target, text.as_bytes(), &stream.lane);
            return;
        }
        if pending >= MOST || (pending >= ROOM && self.shared.discarding.load(Ordering::Acquire)) {
            let count = lines(text.as_bytes());
            stream.dropped.fetch_add(count, Ordering::AcqRel);
            stream.lost.fetch_add(count, Ordering::AcqRel);
            return;
        }
        let dropped = stream.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            self.shared.notify(Notice::ReadAgain { target, dropped });
        }
        let mut state = lock(&stream.lane.state);
        if stream.lane.pending.fetch_add(text.len(), Ordering::AcqRel) == 0 {
            state.moved = Instant::now();
        }
        match state.waiting.back_mut() {
            Some(last) if last.target == target && last.bytes.len() < AT_ONCE_IN_FILE => {
                last.bytes.extend_from_slice(text.as_bytes());
            }
            _ => state.waiting.push_back(Chunk { target, bytes: text.into_bytes() }),
        }
        if state.parked {
            state.parked = false;
            stream.lane.changed.notify_all();
        }
    }

    /// Whether lines that find no room are dropped, and counted.
    pub fn discard(&self, discarding: bool) {
        self.shared.discarding.store(discarding, Ordering::Release);
    }

    fn pending(&self) -> usize {
        let of = |stream: &Stream| match stream.lane.pending.load(Ordering::Acquire) {
            usize::MAX => 0,
            bytes => bytes,
        };
        self.shared.streams.iter().map(of).max().unwrap_or_default()
    }

    /// Whether a line can be added without more waiting than there is room for.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending() < ROOM
    }

    /// Waits this long for room; gives whether there is some.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        self.wait(patience, ROOM)
    }

    /// Waits this long until everything is written; gives whether it is.
    pub fn wait_until_written(&self, patience: Duration) -> bool {
        self.wait(patience, 1)
    }

    fn wait(&self, patience: Duration, less_than: usize) -> bool {
        let until = Instant::now() + patience;
        self.shared.streams.iter().all(|stream| {
            let pending = || match stream.lane.pending.load(Ordering::Acquire) {
                usize::MAX => 0,
                bytes => bytes,
            };
            let left = until.saturating_duration_since(Instant::now());
            let state = lock(&stream.lane.state);
            let waited = stream.lane.changed.wait_timeout_while(state, left, |_| pending() >= less_than);
            drop(waited);
            pending() < less_than
        })
    }

    /// The stream that has no room, and of which nothing was taken for this long.
    #[must_use]
    pub fn stalled(&self, patience: Duration) -> Option<Target> {
        let now = Instant::now();
        Target::BOTH.into_iter().find(|target| {
            let lane = &self.shared.stream(*target).lane;
            let full = (ROOM..usize::MAX).contains(&lane.pending.load(Ordering::Acquire));
            full && now.saturating_duration_since(lock(&lane.state).moved) >= patience
        })
    }

    /// Whether nobody will read it any more.
    #[must_use]
    pub fn is_closed(&self, target: Target) -> bool {
        self.shared.stream(target).closed.load(Ordering::Acquire)
    }

    /// Becomes readable when there is something new: a notice, or a stream that was closed.
    #[must_use]
    pub fn woken(&self) -> &Receiver<()> {
        &self.woken
    }

    /// What happened since the last call.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.shared.notices))
    }

    /// Lines that were lost so far: to errors, and since nobody read them. Those that a reader who has closed the
    /// stream does not want are not counted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.streams.iter().map(|stream| stream.lost.load(Ordering::Acquire)).sum()
    }

    /// Lines that were lost to an error which still stands.
    #[must_use]
    pub fn failing(&self, target: Target) -> Option<u64> {
        match *lock(&self.shared.stream(target).health) {
            Health::Failing { lost } => Some(lost),
            Health::Well | Health::Closed => None,
        }
    }

    /// Gives up on what waits for a stream; gives the number of lines.
    pub fn abandon(&self, target: Target) -> u64 {
        let stream = self.shared.stream(target);
        let mut state = lock(&stream.lane.state);
        let (gone, kept) =
            state.waiting.drain(..).partition::<VecDeque<_>, _>(|chunk| chunk.target == target);
        state.waiting = kept;
        drop(state);
        let count: u64 = gone.iter().map(|chunk| lines(&chunk.bytes)).sum();
        let bytes = gone.iter().map(|chunk| chunk.bytes.len()).sum();
        stream.lane.pending.fetch_sub(bytes, Ordering::AcqRel);
        stream.lost.fetch_add(count, Ordering::AcqRel);
        count + stream.dropped.swap(0, Ordering::AcqRel)
    }
}

impl Shared {
    fn stream(&self, target: Target) -> &Stream {
        &self.streams[usize::from(target == Target::Err)]
    }

    fn notify(&self, notice: Notice) {
        lock(&self.notices).push(notice);
        self.wake();
    }

    fn wake(&self) {
        // One that was not heard yet is enough.
        let _ = self.wake.try_send(());
    }

    /// The thread of a lane.
    fn serve(&self, lane: &Lane) {
        loop {
            let chunk = {
                let mut state = lock(&lane.state);
                loop {
                    match state.waiting.pop_front() {
                        Some(chunk) => break chunk,
                        None => {
                            state.parked = true;
                            state = lane.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                }
            };
            self.write(chunk.target, &chunk.bytes, lane);
            let state = lock(&lane.state);
            lane.pending.fetch_sub(chunk.bytes.len(), Ordering::AcqRel);
            drop(state);
            lane.changed.notify_all();
        }
    }

    /// Writes lines; what goes wrong is noted, and what could not be written is lost.
    fn write(&self, target: Target, bytes: &[u8], lane: &Lane) {
        let stream = self.stream(target);
        let mut rest = bytes;
        while !rest.is_empty() && !stream.closed.load(Ordering::Acquire) {
            let torn = stream.torn.load(Ordering::Acquire);
            let piece = if torn { b"\n" } else { &rest[..whole_lines(rest, stream.at_once)] };
            match write_some(target, piece) {
                Ok(_) if torn => stream.torn.store(false, Ordering::Release),
                Ok(written) => {
                    rest = &rest[written..];
                    lock(&lane.state).moved = Instant::now();
                    self.recovered(target);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => until_writable(target),
                // A socket says it in another word than a pipe.
                Err(Errno::EPIPE | Errno::ECONNRESET) => {
                    *lock(&stream.health) = Health::Closed;
                    stream.closed.store(true, Ordering::Release);
                    self.wake();
                }
                Err(error) => {
                    let written = &bytes[..bytes.len() - rest.len()];
                    let cut = written.last().is_some_and(|byte| *byte != b'\n');
                    stream.torn.fetch_or(cut, Ordering::AcqRel);
                    return self.failed(target, error, lines(rest));
                }
            }
        }
    }

    fn recovered(&self, target: Target) {
        let mut health = lock(&self.stream(target).health);
        if let Health::Failing { lost } = *health {
            *health = Health::Well;
            drop(health);
            self.notify(Notice::Recovered { target, lost });
        }
    }

    fn failed(&self, target: Target, error: Errno, count: u64) {
        let stream = self.stream(target);
        stream.lost.fetch_add(count, Ordering::AcqRel);
        let mut health = lock(&stream.health);
        match &mut *health {
            Health::Failing { lost } => *lost += count,
            other => {
                *other = Health::Failing { lost: count };
                drop(health);
                self.notify(Notice::Failing { target, error });
            }
        }
    }
}

/// How many bytes to write in one call: as many whole lines as the limit takes, or one line that is longer.
fn whole_lines(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let newline = |byte: &u8| *byte == b'\n';
    let last = bytes[..limit].iter().rposition(newline);
    let end = last.or_else(|| bytes[limit..].iter().position(newline).map(|at| limit + at));
    end.map_or(bytes.len(), |end| end + 1)
}

fn at_once(target: Target) -> usize {
    let is_file = with(target, |descriptor| fstat(descriptor))
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
    if is_file { AT_ONCE_IN_FILE } else { AT_ONCE }
}

/// Passes over the buffers of `std`, which other code uses.
fn with<T>(target: Target, act: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    match target {
        Target::Out => act(io::stdout().as_fd()),
        Target::Err => act(io::stderr().as_fd()),
    }
}

fn write_some(target: Target, bytes: &[u8]) -> Result<usize, Errno> {
    with(target, |descriptor| nix::unistd::write(descriptor, bytes))
}

/// Somebody who shares the open file has made it non-blocking.
fn until_writable(target: Target) {
    /// Looked at again then, whatever the file says.
    const PATIENCE: u16 = 1000;
    with(target, |descriptor| {
        let _ = poll(&mut [PollFd::new(descriptor, PollFlags::POLLOUT)], PollTimeout::from(PATIENCE));
    });
}

fn are_one_file() -> bool {
    let of = |target| with(target, |descriptor| fstat(descriptor));
    match (of(Target::Out), of(Target::Err)) {
        (Ok(out), Ok(err)) => (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_whole_where_that_is_possible() {
        assert_eq!(whole_lines(b"ab\ncd\n", 100), 6);
        assert_eq!(whole_lines(b"ab\ncd\n", 5), 3);
        assert_eq!(whole_lines(b"abcdefgh\ncd\n", 5), 9);
        assert_eq!(whole_lines(b"abcdefgh", 5), 8);
    }
}
