//! How the callback and what it is compared with are measured alike: everything that reads has one core, whoever makes
//! the events has another, and makes them at about the same pace, by the same clock.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// How long events are offered: of bpftrace's time some is its start.
pub const LONG: Duration = Duration::from_secs(6);
/// Made together; between two portions is a pause. That is more than anybody here reads.
pub const PORTION: u32 = 500;
const PAUSE: Duration = Duration::from_micros(500);

/// Makes portions, until it has been long enough.
///
/// # Errors
/// What making one fails with.
pub fn portions(mut make: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        make()?;
        sleep(PAUSE);
    }
    Ok(())
}

/// Who has which core.
pub struct Cores {
    all: CpuSet,
    readers: usize,
    maker: usize,
}

impl Cores {
    /// # Errors
    /// If this process may not use two.
    pub fn two() -> Result<Self, String> {
        let all = sched_getaffinity(Pid::from_raw(0)).map_err(|e| e.to_string())?;
        let mut usable = (0..CpuSet::count()).filter(|core| all.is_set(*core).unwrap_or_default());
        match (usable.next(), usable.next()) {
            (Some(readers), Some(maker)) => Ok(Cores { all, readers, maker }),
            _ => Err("one core for those who read and one for who makes events are needed".into()),
        }
    }

    /// This thread reads from now on, and so do the threads and processes that it starts.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn read(&self) -> Result<(), String> {
        only(self.readers)
    }

    /// This thread makes events from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make(&self) -> Result<(), String> {
        only(self.maker)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.all);
    }
}

fn only(core: usize) -> Result<(), String> {
    let mut one = CpuSet::new();
    let set = one.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
    set.map_err(|e| format!("core {core}: {e}"))
}
