//! One guest from power on to power off: QEMU's process, its ports, its limits.
//!
//! In: a machine. Out: the command's output while it comes, then a verdict or the
//! reason why there is none. Each port has a thread that reads it to its end; the
//! calling thread hears of what matters through one channel and is the only one
//! that decides. QEMU is killed on every way out, and dies with this process on
//! those that are not taken (its kernel sees to that); nothing else is to clean.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, BorrowedFd, RawFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, parent_id},
        },
    },
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::{
        prctl,
        signal::{Signal, killpg},
    },
    unistd::Pid,
};

use super::{
    Acceleration, Command, LabError, Streams, Verdict,
    accel::{Choice, Memory, TRIAL},
    console::Console,
    machine::{Machine, Port},
    signals::Watch,
    terminal,
};

/// How often limits and signals are looked at while nothing happens.
const TICK: Duration = Duration::from_millis(50);
/// How long a guest may take to power off once it has nothing more to say.
const LAST_BREATH: Duration = Duration::from_secs(3);

/// Runs the machine, on whichever acceleration works.
pub(super) fn boot(machine: &Machine, mut streams: Streams<'_>) -> Result<Verdict, LabError> {
    let memory = Memory::of_this_machine();
    let choice = if machine.kernel.is_user_mode() {
        Choice::Settled(Acceleration::UserMode)
    } else {
        memory.choice(machine.request.icount)
    };
    match choice {
        Choice::Settled(acceleration) => {
            let mut guest = Guest::new(machine, acceleration, None);
            guest.run(&mut streams)
        }
        Choice::Try => {
            let mut trial = Guest::new(machine, Acceleration::Kvm, Some(TRIAL));
            let outcome = trial.run(&mut streams);
            if trial.ready.is_some() {
                memory.remember(Acceleration::Kvm);
                return outcome;
            }
            // Not a reason to boot once more.
            if let Err(LabError::Interrupted | LabError::OutputClosed) = outcome {
                return outcome;
            }
            let mut guest = Guest::new(machine, Acceleration::Tcg, None);
            let outcome = guest.run(&mut streams);
            // Only if this one fared better was it the acceleration's fault.
            if guest.ready.is_some() {
                memory.remember(Acceleration::Tcg);
            }
            outcome
        }
    }
}

/// What the ports' threads have to tell.
enum Heard {
    Console(Vec<u8>),
    Ready,
    Exit(i32),
    /// Our own output is closed: its reader had enough.
    OutputClosed,
    /// Our own output takes nothing (a full disk): said once for each stream.
    Unwritten(String),
    /// The user pressed the key that ends the guest.
    Quit,
    /// A port is at its end: QEMU is gone.
    Ended,
}

/// What an interactive guest is given of this process's terminal.
struct Keyboard {
    terminal: UnixStream,
    /// Where the guest is told how large it is.
    sizes: UnixStream,
}

/// Why a guest was stopped before its time.
#[derive(Clone, Copy)]
enum Stopped {
    Interrupted,
    OutputClosed,
    TooLong,
}

/// One start of QEMU, and what is known of it.
struct Guest<'a> {
    machine: &'a Machine<'a>,
    acceleration: Acceleration,
    /// How long it may take to get ready, if it is on trial.
    trial: Option<Duration>,
    started: Instant,
    console: Console,
    ready: Option<Duration>,
    exit: Option<(i32, Duration)>,
    stopped: Option<Stopped>,
    /// Why some of its output is lost.
    unwritten: Vec<String>,
    /// When it is killed, if it does not end by itself.
    end: Option<Instant>,
}

impl<'a> Guest<'a> {
    fn new(machine: &'a Machine<'a>, acceleration: Acceleration, trial: Option<Duration>) -> Self {
        Guest {
            machine,
            acceleration,
            trial,
            started: Instant::now(),
            console: Console::default(),
            ready: None,
            exit: None,
            stopped: None,
            unwritten: Vec::new(),
            end: None,
        }
    }

    fn run(&mut self, streams: &mut Streams<'_>) -> Result<Verdict, LabError> {
        let starting = |error: io::Error| LabError::io("starting QEMU", error);
        let watch = Watch::start().map_err(|error| LabError::io("watching for signals", error))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in Port::ALL {
            let (our, their) = UnixStream::pair().map_err(starting)?;
            ours.push(our);
            theirs.push(their);
        }
        let ports = [0, 1, 2, 3].map(|number: usize| theirs[number].as_raw_fd());
        let (terminal, sizes) = (ours[1].try_clone(), ours[3].try_clone());
        let keyboard = Keyboard { terminal: terminal.map_err(starting)?, sizes: sizes.map_err(starting)? };
        self.started = Instant::now();
        let mut qemu = Qemu::start(self.machine, self.acceleration, ports).map_err(starting)?;
        drop(theirs);

        let (tell, heard) = unbounded();
        let complaint = thread::scope(|scope| {
            let mut ours = ours.into_iter();
            let (stdout, stderr) = (&mut *streams.stdout, &mut *streams.stderr);
            let mut sinks: [Option<&mut (dyn Write + Send)>; 4] = [None, Some(stdout), Some(stderr), None];
            for (port, sink) in Port::ALL.into_iter().zip(&mut sinks) {
                let (Some(stream), tell) = (ours.next(), tell.clone()) else { break };
                let sink = sink.take();
                scope.spawn(move || listen(port, stream, sink, &tell));
            }
            let complaint = qemu.complaint.take().map(|pipe| scope.spawn(move || last_words(pipe)));
            let supervised = self.supervise(&mut qemu, &heard, &tell, &watch, keyboard, &mut streams.console);
            // The threads end when their ports do, and those with QEMU.
            qemu.kill();
            let complaint = complaint.and_then(|thread| thread.join().ok()).unwrap_or_default();
            supervised.map(|()| complaint)
        });
        self.verdict(&complaint.map_err(|error| LabError::io("giving the terminal to the guest", error))?)
    }

    fn supervise(
        &mut self,
        qemu: &mut Qemu,
        heard: &Receiver<Heard>,
        tell: &Sender<Heard>,
        watch: &Watch,
        keyboard: Keyboard,
        log: &mut Option<&mut (dyn Write + Send)>,
    ) -> io::Result<()> {
        let mut keyboard = Some(keyboard);
        let (mut raw, mut window) = (None, None);
        let mut open = Port::ALL.len();
        while open > 0 {
            match heard.recv_timeout(TICK) {
                Ok(Heard::Console(bytes)) => self.log(&bytes, log),
                Ok(Heard::Ready) => {
                    self.ready = Some(self.started.elapsed());
                    if let (Command::Interactive { .. }, Some(keyboard)) =
                        (&self.machine.request.command, keyboard.take())
                    {
                        raw = terminal::Raw::enter()?;
                        window = Some(terminal::Window::new(keyboard.sizes));
                        let tell = tell.clone();
                        terminal::forward_input(keyboard.terminal, move || drop(tell.send(Heard::Quit)));
                    }
                }
                Ok(Heard::Exit(code)) => {
                    self.exit = Some((code, self.started.elapsed()));
                    self.ends_within(LAST_BREATH);
                }
                Ok(Heard::OutputClosed) => self.stop(Stopped::OutputClosed),
                // No reason to end what runs there.
                Ok(Heard::Unwritten(reason)) => self.unwritten.push(reason),
                Ok(Heard::Quit) => self.stop(Stopped::Interrupted),
                Ok(Heard::Ended) => open -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if watch.seen() {
                self.stop(Stopped::Interrupted);
            }
            if let Some(window) = &mut window {
                window.look();
            }
            self.check_limits();
            if self.end.is_some_and(|end| Instant::now() >= end) {
                qemu.kill();
            }
        }
        drop(raw);
        Ok(())
    }

    fn log(&mut self, bytes: &[u8], log: &mut Option<&mut (dyn Write + Send)>) {
        for mut line in self.console.take(bytes) {
            if let Some(log) = log {
                // In one write, or the command's standard error may come between.
                line.push('\n');
                // The log is an extra: that nobody reads it ends nothing.
                let _ = log.write_all(line.as_bytes());
            }
        }
        if self.console.panicked() {
            self.ends_within(LAST_BREATH);
        }
    }

    fn check_limits(&mut self) {
        let passed = self.started.elapsed();
        let late = self.ready.is_none() && self.trial.is_some_and(|limit| passed > limit);
        if late || passed > self.machine.request.timeout {
            self.stop(Stopped::TooLong);
        }
    }

    fn stop(&mut self, reason: Stopped) {
        self.stopped.get_or_insert(reason);
        self.end = Some(self.started);
    }

    fn ends_within(&mut self, limit: Duration) {
        self.end.get_or_insert_with(|| Instant::now() + limit);
    }

    fn verdict(&self, qemu: &str) -> Result<Verdict, LabError> {
        let log = || self.console.tail();
        match (self.stopped, self.exit) {
            (Some(Stopped::Interrupted), _) => Err(LabError::Interrupted),
            (Some(Stopped::OutputClosed), _) => Err(LabError::OutputClosed),
            // Even after a verdict: what the command left behind broke the kernel.
            _ if self.console.panicked() => Err(LabError::Panic { log: log() }),
            (_, Some((exit_code, total))) => Ok(Verdict {
                exit_code,
                acceleration: self.acceleration,
                boot: self.ready.unwrap_or(total),
                total,
                unwritten: self.unwritten.clone(),
            }),
            (Some(Stopped::TooLong), None) => {
                Err(LabError::Timeout { after: self.machine.request.timeout, log: log() })
            }
            (None, None) => {
                let qemu = if qemu.is_empty() { String::new() } else { format!("\nQEMU said: {qemu}") };
                Err(LabError::NoVerdict { log: log(), qemu })
            }
        }
    }
}

/// Reads a port to its end.
fn listen(port: Port, mut stream: UnixStream, sink: Option<&mut (dyn Write + Send)>, tell: &Sender<Heard>) {
    let outcome = match (port, sink) {
        (Port::Stdout, Some(sink)) => copy(&mut stream, sink, "standard output", tell),
        (Port::Stderr, Some(sink)) => copy(&mut stream, sink, "standard error", tell),
        (Port::Verdict, _) => read_verdict(&mut stream, tell),
        _ => each_chunk(&mut stream, |bytes| tell.send(Heard::Console(bytes.to_vec())).is_ok()),
    };
    // A port that breaks off is at its end as well; what is missing will show.
    drop(outcome);
    drop(tell.send(Heard::Ended));
}

/// Copies a port to a stream of ours. What the stream does not take is lost, and the guest goes on, unless the reader has
/// gone.
fn copy(
    stream: &mut UnixStream,
    sink: &mut (dyn Write + Send),
    name: &str,
    tell: &Sender<Heard>,
) -> io::Result<()> {
    let mut failed = false;
    each_chunk(stream, |bytes| match sink.write_all(bytes).and_then(|()| sink.flush()) {
        Ok(()) => true,
        // A socket says it in another word than a pipe.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            drop(tell.send(Heard::OutputClosed));
            false
        }
        Err(error) => {
            if !std::mem::replace(&mut failed, true) {
                drop(tell.send(Heard::Unwritten(format!("cannot write to {name}: {error}"))));
            }
            true
        }
    })
}

fn read_verdict(stream: &mut UnixStream, tell: &Sender<Heard>) -> io::Result<()> {
    let mut text = Vec::new();
    each_chunk(stream, |bytes| {
        text.extend_from_slice(bytes);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if let Some(heard) = verdict_line(&String::from_utf8_lossy(&line)) {
                drop(tell.send(heard));
            }
        }
        true
    })
}

fn verdict_line(line: &str) -> Option<Heard> {
    match line.trim() {
        "ready" => Some(Heard::Ready),
        other => other.strip_prefix("exit ")?.parse().ok().map(Heard::Exit),
    }
}

/// Calls back with what comes, until the stream's end or the callback's `false`.
fn each_chunk(stream: &mut UnixStream, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if take(&buffer[..count]) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The end of what QEMU itself says on standard error.
fn last_words(mut pipe: impl Read) -> String {
    const KEPT: usize = 2048;
    let mut text = Vec::new();
    // An error ends it like an end.
    let _ = pipe.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(KEPT)..]).into_owned();
    text.trim().to_owned()
}

/// QEMU's process; killed when dropped.
struct Qemu {
    child: Child,
    complaint: Option<std::process::ChildStderr>,
}

impl Qemu {
    fn start(machine: &Machine, acceleration: Acceleration, ports: [RawFd; 4]) -> io::Result<Self> {
        let mut command = machine.command(acceleration, ports);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C at the terminal is for us to act on.
        command.process_group(0);
        let initramfs = machine.initramfs.as_raw_fd();
        let parent = std::process::id();
        let prepare = move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            if parent_id() != parent {
                return Err(io::Error::other("the lab ended before its guest began"));
            }
            for descriptor in ports.into_iter().chain([initramfs]) {
                // SAFETY: these are open in the parent until `spawn` returns, and
                // the child has the same.
                let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
                fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec only plain system calls are made, and no
        // memory is allocated but for an error nobody recovers from.
        unsafe { command.pre_exec(prepare) };
        let mut child = command.spawn()?;
        let complaint = child.stderr.take();
        Ok(Qemu { child, complaint })
    }

    fn kill(&mut self) {
        // The whole group: a user-mode Linux has a process for each of its own. It may be gone already,
        // which is as well.
        if let Ok(pid) = i32::try_from(self.child.id())
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}
