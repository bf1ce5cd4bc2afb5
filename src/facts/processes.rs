//! Processes, as /proc shows them: who runs what, as whom, with which privileges.
//!
//! Names are the processes' own choice, so nothing is parsed by looking for words in them. A process that ends while it is
//! being read is left out; what this user may not read of another one is `None`.

use std::{collections::BTreeMap, ffi::OsString, sync::LazyLock};

use serde_json::{Map, Value};

use super::{FactError, Reader, accounts, error::is_missing, record::record};
use crate::raw;

record! {
    /// One process.
    Process {
        /// Process id.
        pid: u32,
        /// The parent's process id; 0 without one.
        ppid: u32,
        /// Name of its first thread, up to 15 bytes.
        name: String,
        /// `running`, `sleeping`, `waiting` (on a device), `stopped`, `traced`, `zombie`, `dead` or `idle`.
        state: String,
        /// A thread of the kernel's own.
        kernel: bool,
        /// What it executes; `()` for the kernel's threads and zombies, and for other users' processes without root.
        exe: Option<String>,
        /// Its executable has been removed or replaced since it was started.
        exe_deleted: bool,
        /// Its command line, word by word; empty for the kernel's threads.
        cmdline: Vec<String>,
        /// Working directory; `()` if it cannot be told.
        cwd: Option<String>,
        /// Root directory; `()` if it cannot be told.
        root: Option<String>,
        /// Real user id.
        uid: u32,
        /// Effective user id.
        euid: u32,
        /// Real group id.
        gid: u32,
        /// Effective group id.
        egid: u32,
        /// Other groups' ids.
        groups: Vec<u32>,
        /// Name of the real user; `()` if there is none of that id.
        user: Option<String>,
        /// The user that has logged in; `()` for what no login has started.
        loginuid: Option<u32>,
        /// Effective capabilities.
        capabilities: Vec<&'static str>,
        /// Permitted capabilities.
        permitted: Vec<&'static str>,
        /// Ambient capabilities.
        ambient: Vec<&'static str>,
        /// Bounding set: what it can ever get.
        bounding: Vec<&'static str>,
        /// Nothing that it executes gives it privileges.
        no_new_privs: bool,
        /// `none`, `strict` or `filter`.
        seccomp: String,
        /// Who traces it; `()` if nobody does.
        tracer: Option<u32>,
        /// Its namespaces, by kind (`net`, `mnt`, `pid`, `user` …) and number; `()` if they cannot be told.
        namespaces: Option<Map<String, Value>>,
        /// Its cgroup of version 2; `()` without one.
        cgroup: Option<String>,
        /// Its security context, of SELinux or AppArmor; `()` without one.
        context: Option<String>,
        /// How many threads it has.
        threads: u32,
        /// When it was started, in seconds since 1970.
        started: Option<i64>,
        /// Resident memory, in KiB.
        memory_kib: u64,
    }
}

/// Kinds of namespaces that a process is in.
pub const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

static CAPABILITIES: LazyLock<Vec<(&'static str, u64)>> = LazyLock::new(|| {
    let mut all: Vec<_> =
        caps::all().into_iter().map(|each| (&*each.to_string().leak(), each.bitmask())).collect();
    all.sort_unstable_by_key(|(_, bit)| *bit);
    all
});

/// Returns the names of the capabilities in a set, by number.
#[must_use]
pub fn capability_names(set: u64) -> Vec<&'static str> {
    CAPABILITIES.iter().filter(|(_, bit)| set & bit != 0).map(|(name, _)| *name).collect()
}

/// # Errors
/// If there is no /proc.
pub fn processes(reader: Reader<'_>) -> Result<Vec<Process>, FactError> {
    accounts::refresh_names(reader);
    let boot = boot_time(reader);
    let mut found = Vec::new();
    for pid in pids(reader)? {
        reader.check()?;
        found.extend(process(reader, pid, boot));
    }
    Ok(found)
}

/// Returns the ids of all processes, in order.
///
/// # Errors
/// If there is no /proc.
pub fn pids(reader: Reader<'_>) -> Result<Vec<u32>, FactError> {
    let names = reader.root().names("/proc").map_err(|error| FactError::read("/proc", &error))?;
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    match pids.is_empty() && !reader.root().has("/proc/sys") {
        true => Err(FactError::system("cannot list processes: /proc is not mounted")),
        false => Ok(pids),
    }
}

/// Returns the link of a namespace as its number: `net:[4026531992]`.
#[must_use]
pub fn namespace(reader: Reader<'_>, pid: u32, kind: &str) -> Option<u64> {
    let link = reader.root().link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// When the system was started, in seconds since 1970.
fn boot_time(reader: Reader<'_>) -> Option<i64> {
    let text = reader.root().text("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// `None` if it has ended.
fn process(reader: Reader<'_>, pid: u32, boot: Option<i64>) -> Option<Process> {
    let root = reader.root();
    let at = |name: &str| format!("/proc/{pid}/{name}");
    let link = |name: &str| root.link(at(name)).ok().map(raw::from_os);
    let stat = root.bytes(at("stat")).ok()?;
    let stat = Stat::parse(&stat)?;
    let status = root.bytes(at("status")).ok()?;
    let status = Status::parse(&status);
    let (uids, gids) = (status.numbers("Uid"), status.numbers("Gid"));
    let set = |name: &str| capability_names(status.hex(name).unwrap_or_default());
    let cmdline = match root.bytes(at("cmdline")) {
        Ok(bytes) => arguments(&bytes),
        Err(error) if is_missing(&error) => return None,
        Err(_) => Vec::new(),
    };
    let (exe, exe_deleted) = match root.link(at("exe")) {
        Ok(link) => executable(&link),
        Err(_) => (None, false),
    };
    let uid = *uids.first()?;
    Some(Process {
        pid,
        ppid: stat.ppid,
        kernel: stat.is_kernel(),
        name: stat.name,
        state: state(stat.state).to_owned(),
        exe,
        exe_deleted,
        cmdline,
        cwd: link("cwd"),
        root: link("root"),
        uid,
        euid: *uids.get(1)?,
        gid: *gids.first()?,
        egid: *gids.get(1)?,
        groups: status.numbers("Groups"),
        user: accounts::user_name(reader, uid).map(|name| (*name).to_owned()),
        loginuid: root
            .line(at("loginuid"))
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|uid| *uid != u32::MAX),
        capabilities: set("CapEff"),
        permitted: set("CapPrm"),
        ambient: set("CapAmb"),
        bounding: set("CapBnd"),
        no_new_privs: status.number("NoNewPrivs") == Some(1),
        seccomp: match status.number("Seccomp") {
            Some(1) => "strict",
            Some(2) => "filter",
            _ => "none",
        }
        .to_owned(),
        tracer: status.number("TracerPid").filter(|pid| *pid != 0),
        namespaces: namespaces(reader, pid),
        cgroup: root.text(at("cgroup")).ok().and_then(|text| cgroup(&text)),
        context: context(root.line(at("attr/current")).ok()),
        threads: status.number("Threads").unwrap_or(1),
        started: boot.and_then(|boot| Some(boot + i64::try_from(stat.start_ticks?).ok()? / 100)),
        memory_kib: status.number("VmRSS").map_or(0, u64::from),
    })
}

fn namespaces(reader: Reader<'_>, pid: u32) -> Option<Map<String, Value>> {
    let found: Map<_, _> = KINDS
        .iter()
        .filter_map(|kind| Some(((*kind).to_owned(), Value::from(namespace(reader, pid, kind)?))))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

fn context(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim_end_matches('\0').to_owned()).filter(|text| !text.is_empty())
}

fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|b| *b == 0).map(raw::text).collect() }
}

/// A file may itself be called `… (deleted)`; the kernel does not tell that apart.
fn executable(link: &OsString) -> (Option<String>, bool) {
    let text = raw::from_os(link);
    match text.strip_suffix(" (deleted)") {
        Some(path) => (Some(path.to_owned()), true),
        None => (Some(text), false),
    }
}

fn state(letter: u8) -> &'static str {
    match letter {
        b'R' => "running",
        b'S' => "sleeping",
        b'D' => "waiting",
        b'T' => "stopped",
        b't' => "traced",
        b'Z' => "zombie",
        b'I' => "idle",
        _ => "dead",
    }
}

/// What /proc/PID/stat says.
pub struct Stat {
    pub name: String,
    state: u8,
    ppid: u32,
    flags: u64,
    start_ticks: Option<u64>,
}

impl Stat {
    /// `pid (name) state ppid …`; the name may contain anything, `)` and newlines too.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        const KERNEL_FLAGS: usize = 6;
        const START: usize = 19;
        let open = bytes.iter().position(|b| *b == b'(')?;
        let close = bytes.iter().rposition(|b| *b == b')')?;
        let name = raw::text(bytes.get(open + 1..close)?);
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Stat {
            name,
            state: words.first()?.bytes().next()?,
            ppid: words.get(1)?.parse().ok()?,
            flags: words.get(KERNEL_FLAGS)?.parse().ok()?,
            start_ticks: words.get(START).and_then(|word| word.parse().ok()),
        })
    }

    /// PF_KTHREAD.
    fn is_kernel(&self) -> bool {
        self.flags & 0x0020_0000 != 0
    }
}

/// /proc/PID/status, where the kernel escapes the name: a line for each value.
struct Status<'s>(BTreeMap<&'s str, &'s str>);

impl<'s> Status<'s> {
    fn parse(bytes: &'s [u8]) -> Self {
        let lines =
            bytes.split(|b| *b == b'\n').filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':'));
        // The name comes first, and nothing after it is the process's own choice.
        Status(lines.map(|(name, value)| (name, value.trim())).collect())
    }

    fn numbers(&self, name: &str) -> Vec<u32> {
        let words = self.0.get(name).map(|value| value.split_ascii_whitespace());
        words.into_iter().flatten().filter_map(|word| word.parse().ok()).collect()
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.0.get(name)?.split_ascii_whitespace().next()?.parse().ok()
    }

    fn hex(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.0.get(name)?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    fn here() -> Vec<Process> {
        processes(reader(&Facts::default())).unwrap()
    }

    #[test]
    fn this_process_is_as_the_system_tells_it() {
        let own = std::process::id();
        let all = here();
        let me = all.iter().find(|p| p.pid == own).unwrap();
        assert_eq!(me.exe.as_deref(), std::env::current_exe().unwrap().to_str());
        assert_eq!(me.cmdline, std::env::args().collect::<Vec<_>>());
        assert_eq!((me.uid, me.egid), (nix::unistd::getuid().as_raw(), nix::unistd::getegid().as_raw()));
        assert_eq!(me.ppid, std::os::unix::process::parent_id());
        assert_eq!(me.cwd.as_deref(), std::env::current_dir().unwrap().to_str());
        let effective = caps::read(None, caps::CapSet::Effective).unwrap();
        assert_eq!(me.capabilities.len(), effective.len());
        assert!(!me.kernel && !me.exe_deleted);
        let net = std::fs::read_link("/proc/self/ns/net").unwrap();
        assert_eq!(format!("net:[{}]", me.namespaces.as_ref().unwrap()["net"]), net.to_str().unwrap());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(me.started.unwrap().abs_diff(now.cast_signed()) < 3600);
    }

    #[test]
    fn the_pids_are_those_that_the_shell_lists() {
        let Some(said) = told("sh", &["-c", "cd /proc; ls -d [0-9]*"]) else { return };
        let found = here();
        let said: Vec<u32> = said.lines().filter_map(|line| line.parse().ok()).collect();
        // What has started or ended in between is no difference.
        let there = |pid: &&u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        for pid in said.iter().filter(there) {
            assert!(found.iter().any(|p| p.pid == *pid) || *pid > found.last().unwrap().pid, "{pid}");
        }
    }

    #[test]
    fn a_removed_executable_and_a_hostile_name_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("a) Z 1 (\n\u{fffd}b");
        std::fs::copy("/bin/sleep", &copy).unwrap();
        let mut child = Command::new(&copy).arg("60").stdin(Stdio::null()).spawn().unwrap();
        std::fs::remove_file(&copy).unwrap();
        let found = here();
        child.kill().unwrap();
        child.wait().unwrap();
        let process = found.iter().find(|p| p.pid == child.id()).unwrap();
        assert!(process.exe_deleted);
        assert_eq!(process.exe.as_deref(), copy.to_str());
        assert_eq!(process.name, "a) Z 1 (\n\u{fffd}b");
        assert_eq!(process.ppid, std::process::id());
    }

    #[test]
    fn what_is_no_process_and_what_lacks_files_does_no_harm() {
        let made = MadeUp::new(&[
            ("/proc/sys/x", ""),
            ("/proc/7/stat", "garbage"),
            ("/proc/8/comm", "x"),
            ("/proc/99999999999/stat", ""),
        ]);
        made.file("/proc/9/stat", b"9 (a\xff) S 1 9 9 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0");
        made.file("/proc/9/status", "Name:\ta\\377\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapEff:\t0000000000200001\nSeccomp:\t2\nGroups:\t\n");
        made.file("/proc/9/cmdline", b"x\0\0y z\0");
        made.file("/proc/stat", "btime 1000\n");
        let found = processes(made.reader()).unwrap();
        assert_eq!(found.len(), 1);
        let one = &found[0];
        assert_eq!((one.pid, one.ppid, one.euid, one.egid, &*one.name), (9, 1, 2, 6, "a\u{efff}"));
        assert_eq!(one.cmdline, ["x", "", "y z"]);
        assert_eq!(one.capabilities, ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
        assert_eq!(
            (&*one.seccomp, one.started, &one.namespaces, &one.exe),
            ("filter", Some(1005), &None, &None)
        );
        assert!(processes(MadeUp::new(&[]).reader()).is_err());
    }
}
