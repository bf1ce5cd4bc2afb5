//! Processes that open a file again and again until they are stopped; the suite sees what comes of it while they do.
//!
//! In: a file that both map, the process's place in it, and what to open. Out: counters in that place.

use std::{
    ffi::CString,
    fs,
    os::fd::AsRawFd,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    sys::{prctl, signal::Signal},
};

use super::{Outcome, holds, pace::until, same};

/// Begins the arguments of a process that opens.
pub const OPEN: &str = "--open";
const PATIENCE: Duration = Duration::from_secs(30);

/// What one of them has counted.
#[derive(Default)]
#[repr(C)]
struct Place {
    begun: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    /// Another error than a refusal, or none of these.
    trouble: AtomicU64,
    /// Set to end it.
    over: AtomicU64,
    /// How long it rests between two opens, in microseconds.
    rest_us: AtomicU64,
}

const PLACES: usize = 16;
type Places = [Place; PLACES];

fn places(path: &str) -> Result<&'static Places, String> {
    let file = fs::File::options().read(true).write(true).open(path).map_err(|e| format!("{path}: {e}"))?;
    let length = size_of::<Places>();
    // SAFETY: a mapping of its own, at a place that the kernel chooses.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(format!("{path}: {}", Errno::last()));
    }
    // SAFETY: the file is this long; any bytes are such numbers, and it stays mapped until the process ends.
    Ok(unsafe { &*memory.cast::<Places>() })
}

pub fn main(arguments: &[String]) -> ExitCode {
    match open_forever(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{arguments:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open_forever(arguments: &[String]) -> Outcome {
    let [counters, number, file] = arguments else { return Err("where to count, which, and what?".into()) };
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| e.to_string())?;
    let number: usize = number.parse().map_err(|_| "which?")?;
    let place = places(counters)?.get(number).ok_or("no such place")?;
    let file = CString::new(file.as_str()).map_err(|e| e.to_string())?;
    // Whoever looks at them needs a processor as well.
    // SAFETY: takes a number only.
    unsafe { libc::nice(10) };
    while place.over.load(Ordering::SeqCst) == 0 {
        place.begun.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the text lives, and has its NUL.
        let opened = Errno::result(unsafe { libc::open(file.as_ptr(), libc::O_RDONLY) });
        let counter = match opened {
            Ok(_) => &place.opened,
            Err(Errno::EPERM | Errno::EACCES) => &place.refused,
            Err(error) => {
                place.trouble.store(error as u64, Ordering::SeqCst);
                continue;
            }
        };
        counter.fetch_add(1, Ordering::SeqCst);
        if let Ok(file) = opened {
            // SAFETY: it is this process's own.
            unsafe { libc::close(file) };
        }
        match place.rest_us.load(Ordering::SeqCst) {
            0 => {}
            rest => std::thread::sleep(Duration::from_micros(rest)),
        }
    }
    Ok(())
}

/// One of them; it ends with this.
pub struct Opener {
    child: Child,
    place: &'static Place,
    pub file: String,
}

/// What an opener has counted at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub opened: u64,
    pub refused: u64,
}

impl Opener {
    /// Starts one for each file; they count in a file of this name.
    pub fn start(counters: &str, files: &[&str]) -> Result<Vec<Self>, String> {
        holds(files.len() <= PLACES, "too many openers")?;
        fs::write(counters, [0; size_of::<Places>()]).map_err(|e| format!("{counters}: {e}"))?;
        let places = places(counters)?;
        let start = |(number, file): (usize, &&str)| {
            let mut command = Command::new("/proc/self/exe");
            command.args([OPEN, counters, &number.to_string(), file]).stdout(Stdio::null());
            let child = command.spawn().map_err(|e| format!("cannot start an opener: {e}"))?;
            Ok(Opener { child, place: &places[number], file: (*file).to_owned() })
        };
        files.iter().enumerate().map(start).collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it rest this long between two opens; without a rest it is as fast as it can.
    pub fn rest(&self, time: Duration) {
        self.place.rest_us.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Waits until what it had begun by now is done.
    pub fn is_through(&self) -> Outcome {
        let begun = self.place.begun.load(Ordering::SeqCst);
        until(&format!("{} was opened once more, or refused", self.file), PATIENCE, || {
            Ok(self.place.begun.load(Ordering::SeqCst) > begun)
        })
    }

    /// What it has counted.
    pub fn counted(&self) -> Result<Counted, String> {
        let trouble = self.place.trouble.load(Ordering::SeqCst);
        holds(trouble == 0, format!("{}: {}", self.file, Errno::from_raw(trouble as i32)))?;
        let [opened, refused] =
            [&self.place.opened, &self.place.refused].map(|counter| counter.load(Ordering::SeqCst));
        Ok(Counted { opened, refused })
    }

    /// Ends it between two operations, and gives the last of its numbers.
    pub fn stop(mut self) -> Result<Counted, String> {
        self.place.over.store(1, Ordering::SeqCst);
        until("an opener ends", PATIENCE, || {
            self.child.try_wait().map(|status| status.is_some()).map_err(|e| e.to_string())
        })?;
        let counted = self.counted()?;
        same(
            "counted of what was begun",
            counted.opened + counted.refused,
            self.place.begun.load(Ordering::SeqCst),
        )?;
        Ok(counted)
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
