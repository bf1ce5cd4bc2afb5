//! Who reads the records, and what of the processor's time they take for it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    thread,
    time::Duration,
};

/// Time that passes at once where nothing else is to be done: guest time counts instructions. The shell looks at its probes twice a
/// second for each of two reasons, so there is always a rest of more than twice this.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks, and then it hangs.
const LOOKS: usize = 1000;
/// What a reader that looks again and again takes between two of ours while there is nothing to read: less than a
/// hundredth of the time.
const POLLING: u64 = 2_000_000;

/// The account of each of their threads, open from the beginning: to open one each time would be
/// an event of its own where opening is what is watched.
pub struct Readers {
    accounts: Vec<File>,
    /// Nanoseconds between two looks that still are rest.
    idle: u64,
}

impl Readers {
    /// All the threads of these processes.
    ///
    /// # Errors
    /// If /proc does not have them.
    pub fn of(processes: &[i32]) -> Result<Self, String> {
        let mut accounts = Vec::new();
        for pid in processes {
            let directory = format!("/proc/{pid}/task");
            let failed = |e: std::io::Error| format!("{directory}: {e}");
            for task in fs::read_dir(&directory).map_err(failed)? {
                let path = task.map_err(failed)?.path().join("schedstat");
                accounts.push(File::open(path).map_err(failed)?);
            }
        }
        Ok(Readers { accounts, idle: 0 })
    }

    /// The same, that never rest entirely.
    pub fn that_poll(self) -> Self {
        Readers { idle: POLLING, ..self }
    }

    /// Nanoseconds of the processor so far.
    fn time(&self) -> Result<u64, String> {
        let mut sum = 0;
        for account in &self.accounts {
            let mut text = [0; 64];
            let length = account.read_at(&mut text, 0).map_err(|e| format!("reading schedstat: {e}"))?;
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            let first = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            sum += first.ok_or_else(|| format!("schedstat is unclear: {text}"))?;
        }
        Ok(sum)
    }

    /// Waits until they rest.
    fn settled(&self) -> Result<u64, String> {
        let mut last = self.time()?;
        for _ in 0..LOOKS {
            thread::sleep(LOOK);
            let now = self.time()?;
            if now - last <= self.idle {
                return Ok(now);
            }
            last = now;
        }
        Err("the records' readers do not come to rest".to_owned())
    }

    /// What they take from before `work` until they rest after it, and what it gives.
    ///
    /// # Errors
    /// If it fails, or they do not come to rest.
    pub fn during<T>(&self, work: impl FnOnce() -> Result<T, String>) -> Result<(T, u64), String> {
        let before = self.settled()?;
        let given = work()?;
        Ok((given, self.settled()? - before))
    }
}

/// Waits until it is so.
///
/// # Errors
/// If that does not come.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) -> Result<(), String> {
    for _ in 0..LOOKS {
        if so() {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    Err(format!("waited in vain: {what}"))
}
