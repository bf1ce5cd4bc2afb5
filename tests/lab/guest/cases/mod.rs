//! What is claimed of every template alike: that observing and shadow allow and tell, that deny and kill refuse, that a
//! detach restores, and that the books are exact.
//!
//! A template has one row in [`TABLE`]: params that confine its probe, and acts that the probe is about. One session of
//! the shell (`session`) attaches the probe of each row and goes through [`ROUNDS`]; in each, a task of its own does
//! each act. Each claim is then judged (`judge`) from what became of the tasks and from what the shell has written.

mod judge;
mod session;
pub use session::own_executable;

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
};

use nix::errno::Errno;
use serde_json::Value;

use super::{
    Outcome, Step, accept, bind, bpf, bpf_object, cap_use, capset, chmod, connect, create, exec, exec_unlink,
    exit, fd_receive, file_ioctl, file_open, fork, io_uring, ipc, key_add, link, listen, lockdown, memfd,
    mmap_exec, module, mount, mprotect, netlink, perf, prctl, privileged_exec, proc_mem, ptrace, rename,
    same, sched, sendto, setid, setsockopt, settime, signal, socket, stat, syslog,
    task::{Identity, Task},
    truncate, unix_connect, unlink, userns, xattr,
};
use session::Session;

/// A row for each template.
pub const TABLE: &[Case] = &[
    exec::CASE,
    file_open::CASE,
    exec_unlink::CASE,
    proc_mem::CASE,
    connect::CASE,
    unlink::CASE,
    rename::CASE,
    create::CASE,
    link::CASE,
    chmod::CASE,
    truncate::CASE,
    xattr::CASE,
    file_ioctl::CASE,
    stat::CASE,
    module::CASE,
    mount::CASE,
    bpf::CASE,
    bpf_object::CASE,
    mmap_exec::CASE,
    mprotect::CASE,
    perf::CASE,
    lockdown::CASE,
    syslog::CASE,
    settime::CASE,
    ipc::CASE,
    io_uring::CASE,
    sched::CASE,
    fd_receive::CASE,
    key_add::CASE,
    socket::CASE,
    bind::CASE,
    listen::CASE,
    accept::CASE,
    sendto::CASE,
    unix_connect::CASE,
    setsockopt::CASE,
    netlink::CASE,
    setid::CASE,
    privileged_exec::CASE,
    fork::CASE,
    signal::CASE,
    ptrace::CASE,
    prctl::CASE,
    exit::CASE,
    cap_use::CASE,
    capset::CASE,
    userns::CASE,
    memfd::CASE,
];

/// Templates whose hooks have no verdict: whatever else than observing is asked of their probes is refused, and they go on.
pub const OBSERVERS: &[&str] = &["exit"];

/// No template is without a row, and each can deny that is not known to be without a verdict.
pub fn complete() -> Outcome {
    let catalogue = crate::guest::catalogue()?;
    let rows: BTreeSet<_> = TABLE.iter().map(|case| case.template).collect();
    same("templates", catalogue.names().collect(), rows)?;
    let observers = catalogue.iter().filter(|template| !template.can_deny);
    let observers: BTreeSet<_> = observers.map(|template| template.name.as_str()).collect();
    same("templates that only observe", observers, OBSERVERS.iter().copied().collect())
}

/// A template's row.
pub struct Case {
    pub template: &'static str,
    /// Params that confine the probe to the acts, as far as its scope does not: that is the [`actor`]'s name.
    pub params: &'static str,
    /// Makes what the acts need, before the probe is attached.
    pub prepare: fn() -> Outcome,
    pub acts: &'static [Act],
}

/// Keeps for all acts what one preparation makes: a row is prepared once for each session that runs it.
pub fn keep<T>(place: &OnceLock<T>, make: impl FnOnce() -> Result<T, String>) -> Outcome {
    if place.get().is_none() {
        let _ = place.set(make()?);
    }
    Ok(())
}

/// Whether this kernel has the hook, by its own list of symbols; what is no LSM hook is on every kernel.
pub fn has_hook(hook: &str) -> bool {
    static LSM: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let names = symbols.lines().filter_map(|line| line.split_whitespace().nth(2));
        names.filter_map(|name| name.strip_prefix("bpf_lsm_")).map(str::to_owned).collect()
    });
    LSM.contains(hook) || NO_LSM_HOOKS.contains(&hook)
}

/// What templates are attached to besides LSM hooks.
const NO_LSM_HOOKS: &[&str] = &["security_file_alloc", "taskstats_exit"];

/// Whether probes are attached to the functions that ask the hooks, since `bpf` is no active LSM.
pub fn by_function() -> bool {
    let lsms = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    !lsms.trim().split(',').any(|lsm| lsm == "bpf")
}

impl Case {
    /// Those of its acts that this kernel has a hook for.
    pub fn acts(&self) -> impl Iterator<Item = &'static Act> + use<> {
        self.acts.iter().filter(|act| has_hook(act.hook) && (act.possible)())
    }

    /// Does something while this row is acted.
    pub fn acting<T>(&self, work: impl FnOnce() -> T) -> T {
        let set = |row| *ACTING.lock().unwrap_or_else(PoisonError::into_inner) = row;
        set(Some(self.template));
        let done = work();
        set(None);
        done
    }

    fn only_observes(&self) -> bool {
        OBSERVERS.contains(&self.template)
    }
}

/// Something that the probe decides about, once, and that succeeds if it may.
pub struct Act {
    pub name: &'static str,
    pub hook: &'static str,
    /// Does it in a task of that name.
    pub perform: fn() -> Result<Performed, String>,
    /// What the task is refused with when the probe says this errno.
    pub refusal: fn(Errno) -> Errno,
    /// Whether there is something to see on this kernel, by this door, beyond that the kernel has the hook.
    pub possible: fn() -> bool,
}

impl Act {
    pub const fn new(
        name: &'static str,
        hook: &'static str,
        perform: fn() -> Result<Performed, String>,
    ) -> Self {
        Act { name, hook, perform, refusal: |errno| errno, possible: || true }
    }
}

/// An act that was done.
pub struct Performed {
    pub task: Task,
    /// Each field of the template's own, and what it has to be. Of a time, `X_ticks` stands for `X_ns`.
    pub tells: Value,
}

/// Whose row is acted now.
static ACTING: Mutex<Option<&'static str>> = Mutex::new(None);

/// The name that a task of this name takes: while a row is acted, its [`ACTOR`] has the template's name, so that the probes
/// of other rows, which are attached meanwhile, do not have it in scope.
pub fn name_for(comm: &str) -> &str {
    let acting = ACTING.lock().unwrap_or_else(PoisonError::into_inner);
    acting.filter(|_| ACTOR.comm == Some(comm)).unwrap_or(comm)
}

/// The name of who acts now.
pub fn actor() -> &'static str {
    name_for(ACTOR.comm.unwrap_or_default())
}

/// Who acts: every id is another, so that no field can be mistaken for one beside it.
pub const ACTOR: Identity = Identity {
    uid: 1234,
    euid: Some(1235),
    gid: 4321,
    comm: Some("actor"),
    cgroup: Some("/sys/fs/cgroup/actors"),
    loginuid: Some(777),
    new_namespaces: false,
    privileged: true,
};

/// What becomes of an act in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Allow,
    WouldDeny,
    Deny(Errno),
    Kill(i32),
    /// The probe is not asked.
    Detached,
}

/// What is done to each probe before the acts, and what becomes of them then.
const ROUNDS: &[(&str, Ruling)] = &[
    ("observe()", Ruling::Allow),
    ("shadow()", Ruling::WouldDeny),
    ("deny(\"EPERM\")", Ruling::Deny(Errno::EPERM)),
    ("deny(\"EIO\")", Ruling::Deny(Errno::EIO)),
    ("deny(13)", Ruling::Deny(Errno::EACCES)),
    ("kill(\"SIGKILL\")", Ruling::Kill(9)),
    ("kill(\"TERM\")", Ruling::Kill(15)),
    ("detach()", Ruling::Detached),
];

/// What is claimed of every template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Observe,
    Shadow,
    Deny,
    Kill,
    Detach,
    Books,
    Example,
}

impl Claim {
    pub const ALL: [Claim; 7] = [
        Claim::Observe,
        Claim::Shadow,
        Claim::Deny,
        Claim::Kill,
        Claim::Detach,
        Claim::Books,
        Claim::Example,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Claim::Observe => "common: observing allows and tells every field",
            Claim::Shadow => "common: shadow tells and allows",
            Claim::Deny => "common: deny gives the errno that was asked for",
            Claim::Kill => "common: kill kills",
            Claim::Detach => "common: detach restores",
            Claim::Books => "common: the books are exact",
            Claim::Example => "common: its example attaches",
        }
    }
}

/// The table, of which only the rows that are asked for are run: once, when the first claim is judged.
pub struct Cases {
    wanted: Vec<&'static Case>,
    session: OnceLock<Result<Session, String>>,
}

impl Cases {
    pub fn of(wanted: &[&'static Step]) -> Self {
        let is_wanted = |case: &&Case| wanted.iter().any(|step| step.is_common_of(case));
        Cases { wanted: TABLE.iter().filter(is_wanted).collect(), session: OnceLock::new() }
    }

    pub fn judge(&self, case: &'static Case, claim: Claim) -> Outcome {
        let session = self.session.get_or_init(|| Session::run(&self.wanted));
        judge::judge(session.as_ref().map_err(Clone::clone)?, case, claim)
    }
}
