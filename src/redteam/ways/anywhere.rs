//! Ways that are about who does it, and not about what.

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

use super::{Deed, Scene, plain};
use crate::redteam::child::{self, Answer, Trouble};

/// By a thread that is not the process's first.
pub fn thread(deed: &Deed, _: &Scene) -> Answer {
    let deed = deed.clone();
    let ended = std::thread::spawn(move || plain(&deed)).join();
    ended.unwrap_or_else(|_| Err(Trouble::Cannot("its thread was lost".into())))
}

/// By the first process of another pid namespace.
pub fn pid_namespace(deed: &Deed, _: &Scene) -> Answer {
    unshare(CloneFlags::CLONE_NEWPID)?;
    child::run(|| plain(deed))
}

/// As nobody in particular, in a user namespace of one's own.
pub fn user_namespace(deed: &Deed, _: &Scene) -> Answer {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    plain(deed)
}

/// As another user: nobody, or the one beside.
pub fn another_user(deed: &Deed, _: &Scene) -> Answer {
    const NOBODY: u32 = 65534;
    let is_already = nix::unistd::getuid().as_raw() == NOBODY;
    let id = if is_already { NOBODY - 1 } else { NOBODY };
    setgroups(&[])?;
    setresgid(Gid::from_raw(id), Gid::from_raw(id), Gid::from_raw(id))?;
    setresuid(Uid::from_raw(id), Uid::from_raw(id), Uid::from_raw(id))?;
    plain(deed)
}
