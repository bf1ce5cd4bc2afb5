//! What a command has left running when it ended: in a jail nothing of it goes on once nobody keeps it there.
//!
//! In: from [`Orphans::adopt`] on, whoever loses its parent becomes this process's child, as the kernel has it for a subreaper; who is its child
//! before the command executes anything is its own, and spared. Out: [`Orphans::end`] ends the others, and whoever they have
//! started, until there are none.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{Pid, getpid},
};

/// How long it is looked for what is left; whoever starts processes faster than they are ended goes on.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// Who is this process's own: pids, each with its start in ticks since boot.
#[derive(Debug, Default)]
pub struct Orphans {
    own: BTreeSet<(i32, u64)>,
}

/// What has become of those that were left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub ended: usize,
    /// There still.
    pub left: usize,
}

impl Orphans {
    /// Makes this process the parent of all that are left behind from here on.
    ///
    /// # Errors
    /// If the kernel does not do that.
    pub fn adopt() -> Result<Self, Errno> {
        prctl::set_child_subreaper(true)?;
        Ok(Orphans { own: children() })
    }

    /// Ends what has been left behind.
    #[must_use]
    pub fn end(&self) -> Swept {
        let until = Instant::now() + PATIENCE;
        let mut ended = 0;
        loop {
            let left: Vec<i32> = children().difference(&self.own).map(|(pid, _)| *pid).collect();
            if left.is_empty() || Instant::now() >= until {
                return Swept { ended, left: left.len() };
            }
            for pid in left.into_iter().map(Pid::from_raw) {
                // A child that nobody has waited for keeps its number.
                let _ = kill(pid, Signal::SIGKILL);
                let waited = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                ended += usize::from(waited.is_ok_and(|status| status.pid().is_some()));
            }
            thread::sleep(LOOK);
        }
    }
}

fn children() -> BTreeSet<(i32, u64)> {
    let Ok(processes) = procfs::process::all_processes() else { return BTreeSet::new() };
    let me = getpid().as_raw();
    let stats = processes.flatten().filter_map(|process| process.stat().ok());
    stats.filter(|stat| stat.ppid == me).map(|stat| (stat.pid, stat.starttime)).collect()
}
