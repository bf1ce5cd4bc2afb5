//! The directory of a scratch, and the lock that says that its keeper lives.
//!
//! ```text
//! /run/krsi-sh-scratch        0711  and in it `lock`, held while one is made or old ones are looked for
//!     scratch-PID             0711  the keeper's: `owner`, which it holds locked as long as it lives, and `cgroup`, a path
//!         own                 0700  the user's
//! ```
//!
//! A directory whose `owner` is not locked has lost its keeper, and goes.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MntFlags, umount2},
    unistd::geteuid,
};
use procfs::process::Process;

use super::cgroup;
use crate::{
    raw,
    system::{login::Login, whole_file},
};

const OWNER: &str = "owner";
const CGROUP: &str = "cgroup";
const PREFIX: &str = "scratch-";
/// Scratches whose number is taken, as by a keeper in another pid namespace.
const MOST: u32 = 1000;
/// How long one that was left may take to be removed.
const PATIENCE: Duration = Duration::from_secs(2);

/// A scratch's directory while its keeper lives.
pub struct Home {
    path: PathBuf,
    /// What its user has of it.
    pub own: PathBuf,
    _owner: Flock<fs::File>,
}

/// Returns where the directories of this user's scratches are.
fn base() -> PathBuf {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = geteuid().is_root();
    let unit = variable("RUNTIME_DIRECTORY").map(|path| path.join("scratch"));
    let own = || match variable("XDG_RUNTIME_DIR") {
        _ if root => PathBuf::from("/run/krsi-sh-scratch"),
        Some(path) => path.join("krsi-sh-scratch"),
        None => PathBuf::from(format!("/tmp/krsi-sh-scratch-{}", geteuid())),
    };
    unit.unwrap_or_else(own)
}

fn make_base(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
        // Whatever the umask is.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o711))?,
    }
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(io::Error::other("it is not a directory that this user alone may write to"))
    }
}

fn held(path: &Path, how: FlockArg) -> io::Result<Flock<fs::File>> {
    Flock::lock(whole_file::open_own(path)?, how).map_err(|(_, errno)| errno.into())
}

fn explained(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Home {
    /// Removes what keepers have left that were killed, and makes a directory for a user.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(login: &Login) -> io::Result<Self> {
        let base = base();
        make_base(&base).map_err(explained(&base))?;
        let _making = held(&base.join("lock"), FlockArg::LockExclusive).map_err(explained(&base))?;
        remove_left(&base);
        let path = make_numbered(&base).map_err(explained(&base))?;
        let made = || {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o711))?;
            let owner = held(&path.join(OWNER), FlockArg::LockExclusiveNonblock)?;
            let own = path.join("own");
            fs::DirBuilder::new().mode(0o700).create(&own)?;
            if geteuid().is_root() {
                chown(&own, Some(login.uid), Some(login.gid))?;
            }
            Ok(Home { path: path.clone(), own, _owner: owner })
        };
        made().inspect_err(|_| drop(fs::remove_dir_all(&path))).map_err(explained(&path))
    }

    /// Returns its name, which no other has.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes down which cgroup belongs to it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_cgroup(&self, cgroup: &Path) -> io::Result<()> {
        whole_file::write(&self.path.join(CGROUP), raw::bytes(&raw::from_os(cgroup)).as_ref())
    }

    /// Removes it.
    ///
    /// # Errors
    /// If something of it cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

fn make_numbered(base: &Path) -> io::Result<PathBuf> {
    let own = std::process::id();
    for number in 0..MOST {
        let name = if number == 0 { format!("{PREFIX}{own}") } else { format!("{PREFIX}{own}-{number}") };
        let path = base.join(name);
        match fs::DirBuilder::new().mode(0o711).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What cannot be removed now, the next one finds.
fn remove_left(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_scratch = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if !is_scratch || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Held until it is gone.
        let Ok(_owner) = held(&path.join(OWNER), FlockArg::LockExclusiveNonblock) else { continue };
        let of_cgroup =
            fs::read(path.join(CGROUP)).ok().map(|bytes| PathBuf::from(raw::os(&raw::text(&bytes))));
        let is_gone = of_cgroup.is_none_or(|cgroup| cgroup::remove(&cgroup, PATIENCE).is_ok());
        if is_gone {
            let _ = remove_tree(&path);
        }
    }
}

/// Removes a directory and what is in it, but nothing that is mounted there: that is unmounted before.
fn remove_tree(path: &Path) -> io::Result<()> {
    for _ in 0..MOST {
        let Some(mounted) = mounted_below(path)? else { return fs::remove_dir_all(path) };
        umount2(&mounted, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    Err(io::Error::other("too much is mounted there"))
}

fn mounted_below(path: &Path) -> io::Result<Option<PathBuf>> {
    let mounts = Process::myself().and_then(|process| process.mountinfo()).map_err(io::Error::other)?;
    // The last is uppermost.
    Ok(mounts.into_iter().map(|mount| mount.mount_point).rfind(|point| point.starts_with(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_stays_and_what_is_not_goes_without_following_links() {
        let base = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("kept"), "").unwrap();
        let at = |name: &str| base.path().join(name);
        for name in ["scratch-1", "scratch-2", "elsewhere"] {
            fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(other.path(), at("scratch-1/link")).unwrap();
        std::os::unix::fs::symlink(other.path(), at("scratch-3")).unwrap();
        let lock = held(&at("scratch-2/owner"), FlockArg::LockExclusiveNonblock).unwrap();
        remove_left(base.path());
        assert!(!at("scratch-1").exists() && at("scratch-2").exists() && at("elsewhere").exists());
        assert!(other.path().join("kept").exists());
        drop(lock);
        remove_left(base.path());
        assert!(!at("scratch-2").exists());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().join("base");
        make_base(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make_base(&base).is_err());
        std::os::unix::fs::symlink(place.path(), place.path().join("link")).unwrap();
        assert!(make_base(&place.path().join("link")).is_err());
    }
}
