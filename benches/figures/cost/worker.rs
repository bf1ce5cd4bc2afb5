//! The measured task: does one operation many times, and tells what of the processor's
//! time was its own and its children's. What the readers of records take is not in that,
//! though they share the processor; interrupts are.

use std::{
    ffi::CString,
    fmt,
    fs::{self, File},
    process::{Command, Stdio},
};

use nix::{
    sys::{
        prctl::set_name,
        resource::{UsageWho, getrusage},
        time::TimeValLike,
        wait::{WaitStatus, waitpid},
    },
    time::{ClockId, clock_gettime},
    unistd::{ForkResult, execve, fork},
};
use serde::{Deserialize, Serialize};

use super::{WORKER, noop};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Open,
    Exec,
}

const FOLDER: &str = "/tmp/figures";
const FILE: &str = "/tmp/figures/file";
pub const NOOP: &str = "/tmp/figures/noop";
/// What the task is called while it works; reading a name costs some instructions for each of its letters.
pub const COMM: &str = "worker";
/// As deep as a service of systemd's.
const CGROUP: &str = "/sys/fs/cgroup/system.slice/figures.service";

/// What a login on a server has, in names, number and length; the variable that is
/// audited is set, and is the last.
const ENVIRONMENT: [&str; 16] = [
    "SHELL=/bin/bash",
    "PWD=/home/operator",
    "LOGNAME=operator",
    "XDG_SESSION_TYPE=tty",
    "HOME=/home/operator",
    "LANG=en_GB.UTF-8",
    "LS_COLORS=rs=0:di=01;34:ln=01;36:mh=00:pi=40;33:so=01;35:do=01;35:bd=40;33;01:cd=40;33;01",
    "SSH_CONNECTION=192.0.2.17 51234 192.0.2.1 22",
    "XDG_SESSION_CLASS=user",
    "TERM=xterm-256color",
    "USER=operator",
    "SHLVL=1",
    "XDG_SESSION_ID=42",
    "XDG_RUNTIME_DIR=/run/user/1000",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LD_PRELOAD=/usr/lib/libexample.so",
];

/// What the task says at its end.
#[derive(Serialize, Deserialize)]
struct Said {
    /// Nanoseconds of the processor.
    own: u64,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Open => "open and close of a file on tmpfs",
            Work::Exec => "fork, execution of a no-op, its end, and the wait for it",
        })
    }
}

impl Work {
    fn word(self) -> &'static str {
        match self {
            Work::Open => "open",
            Work::Exec => "exec",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Work::Open, Work::Exec].into_iter().find(|work| work.word() == word)
    }

    /// The file that is opened or executed.
    pub fn file(self) -> &'static str {
        match self {
            Work::Open => FILE,
            Work::Exec => NOOP,
        }
    }

    /// How often it is measured.
    pub fn measured(self) -> u64 {
        match self {
            Work::Open => 5000,
            Work::Exec => 1000,
        }
    }

    /// How often it is done in all: caches of the kernel's have to be filled first.
    pub fn done(self) -> u64 {
        self.measured() + self.measured() / 10
    }

    /// Does it in a task of its own, made only now: audit looks at those alone that are
    /// younger than itself. Gives nanoseconds for one.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn run(self) -> Result<f64, String> {
        let own = std::env::current_exe().map_err(|e| format!("finding this program's file: {e}"))?;
        let output = Command::new(own)
            .args([WORKER, self.word(), &self.measured().to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot start the worker: {e}"))?;
        let said: Said = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("the worker failed: {e}; {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(said.own as f64 / self.measured() as f64)
    }
}

/// Makes what the operations need. Addresses are no longer random: how many pages of page tables
/// a fork copies would differ from one worker to the next, by more than what is measured.
///
/// # Errors
/// If that cannot be had.
pub fn prepare() -> Result<(), String> {
    let failed = |e: std::io::Error| format!("preparing the work: {e}");
    fs::create_dir_all(FOLDER).map_err(failed)?;
    fs::create_dir_all(CGROUP).map_err(failed)?;
    fs::write(FILE, "content").map_err(failed)?;
    fs::write("/proc/sys/kernel/randomize_va_space", "0").map_err(failed)?;
    noop::write(NOOP)
}

/// The worker's role.
///
/// # Errors
/// If an operation fails.
pub fn work(what: &str, times: &str) -> Result<(), String> {
    let work = Work::parse(what).ok_or_else(|| format!("no work `{what}`"))?;
    let times: u64 = times.parse().map_err(|e| format!("{times}: {e}"))?;
    fs::write(format!("{CGROUP}/cgroup.procs"), "0").map_err(|e| format!("entering {CGROUP}: {e}"))?;
    let name = CString::new(COMM).map_err(|e| e.to_string())?;
    set_name(&name).map_err(|e| format!("taking the name {COMM}: {e}"))?;
    let program = CString::new(NOOP).map_err(|e| e.to_string())?;
    let environment: Result<Vec<CString>, _> = ENVIRONMENT.iter().map(|text| CString::new(*text)).collect();
    let environment = environment.map_err(|e| e.to_string())?;
    let once = || match work {
        Work::Open => File::open(FILE).map(drop).map_err(|e| format!("opening {FILE}: {e}")),
        Work::Exec => execute(&program, &environment),
    };
    for _ in 0..work.done() - work.measured() {
        once()?;
    }
    let before = processor_time()?;
    for _ in 0..times {
        once()?;
    }
    let said = Said { own: processor_time()? - before };
    serde_json::to_writer(std::io::stdout(), &said).map_err(|e| e.to_string())
}

/// Fork, execution, end, and the wait for it.
fn execute(program: &CString, environment: &[CString]) -> Result<(), String> {
    // SAFETY: this task has one thread, and the child calls nothing but execve and _exit.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Child => {
            let _ = execve(program, &[program], environment);
            // SAFETY: ends the child at once; no destructor of the parent's may run here.
            unsafe { nix::libc::_exit(1) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).map_err(|e| format!("wait: {e}"))? {
            WaitStatus::Exited(_, 0) => Ok(()),
            other => Err(format!("{NOOP}: {other:?}")),
        },
    }
}

/// Nanoseconds that this task and its children have had of the processor.
fn processor_time() -> Result<u64, String> {
    let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_err(|e| format!("clock: {e}"))?;
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| format!("getrusage: {e}"))?;
    let children = (children.user_time() + children.system_time()).num_microseconds() * 1000;
    let own = clock.tv_sec() * 1_000_000_000 + clock.tv_nsec();
    u64::try_from(own + children).map_err(|e| e.to_string())
}
