//! One run at a time: two at once would disturb each other, and mail twice.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
};

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::system::whole_file;

/// Held as long as a run goes on. The kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

/// Who runs, as the lock's file tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub since: Timestamp,
    /// What was asked for.
    pub words: Vec<String>,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// With who holds it, unless that could not be read.
    #[error("another run of checks goes on{}", .0.as_ref().map_or_else(String::new, told))]
    Held(Option<Holder>),
    #[error(transparent)]
    File(#[from] io::Error),
}

fn told(holder: &Holder) -> String {
    let words: Vec<_> = holder.words.iter().map(|word| word.escape_debug().to_string()).collect();
    format!(": process {}, since {}: {}", holder.pid, holder.since.strftime("%F %T UTC"), words.join(" "))
}

impl Lock {
    /// Takes the lock, and says in its file who has it; waits for nobody.
    ///
    /// # Errors
    /// If somebody has it, or its file cannot be made.
    pub fn take(path: &Path, words: Vec<String>) -> Result<Self, LockError> {
        if let Some(directory) = path.parent() {
            whole_file::private_directory(directory)?;
        }
        let file = whole_file::open_own(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let holder = Holder { pid: std::process::id(), since: Timestamp::now(), words };
                held.set_len(0)?;
                held.rewind()?;
                held.write_all(&serde_json::to_vec(&holder).map_err(io::Error::from)?)?;
                Ok(Lock { _held: held })
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let holder =
                    file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
                Err(LockError::Held(holder))
            }
            Err((_, errno)) => Err(io::Error::from(errno).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it_and_gets_it_after_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("krsi-sh/check.lock");
        let first = Lock::take(&path, vec!["krsi-sh".into(), "check".into()]).unwrap();
        let refused = Lock::take(&path, vec!["other".into()]).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.ends_with("krsi-sh check"), "{refused}");
        drop(first);
        Lock::take(&path, vec!["other".into()]).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(matches!(Lock::take(&path, vec![]), Err(LockError::File(_))));
        assert!(!directory.path().join("elsewhere").exists());
    }
}
