//! Attempts and their scratches, as a script makes them: answers compared with those that another program gets, and nothing
//! left however a session ends.
//!
//! Nothing is attempted here with privilege; that is proved in the lab.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use procfs::process::Process;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_krsi-sh");
/// How long the kernel and a keeper may take to be done with a scratch.
const SOON: Duration = Duration::from_secs(2);

/// Root alone can make processes of another user.
fn not_root() -> bool {
    let skipped = !geteuid().is_root();
    if skipped {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "needs root");
        println!("skipped: needs root");
    }
    skipped
}

/// A directory for the scratches of one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::Builder::new().prefix("krsi-sh-attempts").tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Place(place)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env("RUNTIME_DIRECTORY", self.0.path()).env("KRSI_SH_FORMAT", "json").args(words);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a script: its exit code, what it has printed, and standard error.
    fn run(&self, script: &str) -> (Option<i32>, Vec<String>, String) {
        let output = self.command(&["-e", script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let printed = records.filter_map(|record| Some(record["text"].as_str()?.to_owned())).collect();
        (output.status.code(), printed, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What one line of a script prints, as JSON.
    #[track_caller]
    fn value(&self, script: &str) -> Value {
        let (code, printed, stderr) = self.run(script);
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str(printed.last().unwrap_or_else(|| panic!("{stderr}"))).unwrap()
    }

    /// The scratches that are there.
    fn scratches(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path().join("scratch")).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| path.is_dir()).collect()
    }

    #[track_caller]
    fn is_empty_soon(&self) {
        soon("no scratch is left", || self.scratches().is_empty());
    }
}

#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: i32) -> bool {
    Process::new(pid).and_then(|process| process.stat()).is_ok_and(|stat| stat.state != 'Z')
}

/// The same operations by Python, each as the usual function does it; prints errnos by name.
const JUDGE: &str = r#"
import ctypes, errno, json, os, platform, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
victim = int(sys.argv[1])
found = {}
def answer(name, act):
    try:
        act()
        found[name] = None
    except OSError as error:
        found[name] = errno.errorcode[error.errno]
def call(name, function, *arguments):
    ctypes.set_errno(0)
    result = function(*arguments)
    found[name] = errno.errorcode[ctypes.get_errno()] if result < 0 else None
def syscall(name, *arguments):
    call(name, libc.syscall, *arguments)
zeroes = ctypes.create_string_buffer(4096)
answer("open /etc/shadow", lambda: os.open("/etc/shadow", os.O_RDONLY))
answer("open /etc/passwd", lambda: os.open("/etc/passwd", os.O_RDONLY))
answer("open /etc/passwd w", lambda: os.open("/etc/passwd", os.O_WRONLY))
answer("sysctl kernel.panic", lambda: os.open("/proc/sys/kernel/panic", os.O_WRONLY))
answer("setuid", lambda: os.setuid(0))
answer("setgroups", lambda: os.setgroups([0]))
answer("kill", lambda: os.kill(victim, 0))
answer("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
answer("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
answer("chroot", lambda: os.chroot("/"))
answer("chmod /etc/passwd", lambda: os.chmod("/etc/passwd", 0o644))
answer("unlink /etc/passwd", lambda: os.rmdir("/etc/passwd"))
answer("socket raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
answer("socket packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
answer("socket alg", lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0))
answer("socket unix", lambda: socket.socket(socket.AF_UNIX))
answer("sethostname", lambda: socket.sethostname("x" * 70))
answer("exec /etc/passwd", lambda: os.execv("/etc/passwd", ["/etc/passwd"]))
PTRACE_SEIZE = 0x4206
call("ptrace", libc.ptrace, PTRACE_SEIZE, victim, None, None)
call("mount", libc.mount, b"none", b"/", b"tmpfs", 0, None)
call("umount", libc.umount2, b"/", 0)
call("swapon", libc.swapon, b"", 0)
call("acct", libc.acct, b"")
call("dmesg", libc.klogctl, 3, zeroes, 1)
X = {"init_module": 175, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "reboot": 169}
syscall("module", X["init_module"], zeroes, 4096, b"")
syscall("reboot", X["reboot"], 0, 0, 0, None)
attribute = (ctypes.c_uint32 * 16)(2, 4, 4, 1)
syscall("bpf map", X["bpf"], 0, attribute, 64)
syscall("userfaultfd", X["userfaultfd"], 0)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
byte = ctypes.create_string_buffer(1)
here = Vector(ctypes.cast(byte, ctypes.c_void_p), 1)
there = Vector(16, 1)
call("process_vm_read", libc.process_vm_readv, victim, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
CLONE_NEWUSER = 0x10000000
call("unshare user", libc.unshare, CLONE_NEWUSER)
print(json.dumps(found))
"#;

#[test]
fn the_answers_are_those_that_another_program_gets() {
    if not_root() {
        return;
    }
    if !Path::new("/usr/bin/python3").exists() {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "needs Python");
        println!("skipped: needs Python");
        return;
    }
    let mut victim = Command::new("sleep").arg("60").spawn().unwrap();
    let words = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", JUDGE];
    let judged = Command::new("setpriv").args(words).arg(victim.id().to_string()).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let judged: serde_json::Map<String, Value> = serde_json::from_slice(&judged.stdout).unwrap();
    assert!(judged.len() >= 30, "{judged:?}");
    let script = format!(
        r#"
        let s = scratch(#{{ user: "nobody" }});
        let found = #{{}};
        for name in {names} {{
            let words = name.split(" ");
            if words.len() == 1 && words[0] in ["kill", "ptrace", "process_vm_read"] {{ words.push({victim}); }}
            let answer = switch words.len() {{
                1 => s.attempt(words[0]),
                2 => s.attempt(words[0], words[1]),
                _ => s.attempt(words[0], words[1], words[2]),
            }};
            found[name] = answer.errno;
        }}
        print(found.to_json());
        "#,
        names = serde_json::to_string(&judged.keys().collect::<Vec<_>>()).unwrap(),
        victim = victim.id()
    );
    let place = Place::new();
    let found = place.value(&script);
    assert!(lives(victim.id().cast_signed()), "what was traced has ended");
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(found, Value::Object(judged));
    // Of the two kinds that make it a test.
    assert_eq!((&found["setuid"], &found["open /etc/passwd"]), (&"EPERM".into(), &Value::Null));
    assert!(place.scratches().is_empty());
}

#[test]
fn a_program_is_run_as_the_user_in_the_cgroup_and_with_what_is_listed() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let found = place.value(
        r#"
        let s = scratch(#{ user: "nobody", capabilities: ["net_raw"], no_new_privs: true });
        let ran = s.run(["sh", "-c", "id -u; id -G; pwd; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; tail -1 /proc/self/cgroup; exit 7"]);
        print(#{ dir: s.dir, cgroup: s.cgroup, ran: ran, none: s.run(["/no/such"]).errno,
                 killed: s.run(["sh", "-c", "kill -TERM $$"]).signal, much: s.run(["head", "-c", "3000000", "/dev/zero"]).truncated }.to_json());
        "#,
    );
    assert_eq!(found["ran"]["code"], 7, "{found}");
    let lines: Vec<_> = found["ran"]["stdout"].as_str().unwrap().lines().collect();
    assert_eq!(lines[..3], ["65534", "65534", found["dir"].as_str().unwrap()]);
    assert_eq!(lines[3..6], ["CapEff:\t0000000000002000", "CapBnd:\t0000000000002000", "NoNewPrivs:\t1"]);
    if let Some(cgroup) = found["cgroup"].as_str() {
        let name = Path::new(cgroup).file_name().unwrap().to_str().unwrap();
        assert!(lines[6].ends_with(name), "{found}");
    }
    assert_eq!(
        (&found["none"], &found["killed"], &found["much"]),
        (&"ENOENT".into(), &"SIGTERM".into(), &true.into())
    );
}

#[test]
fn in_a_user_namespace_the_user_is_root_of_nothing_else() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let found = place.value(
        r#"
        let alone = scratch(#{ cgroup: false, namespaces: ["user", "mount", "net", "pid", "ipc", "uts"] });
        let inner = alone.run(["sh", "-c", "id -u; echo $$; hostname inner && hostname; cat /etc/shadow; mount -t tmpfs none /tmp && echo mounted; sleep 60 & :"]);
        print(#{ user: inner.stdout, connect: alone.attempt("connect", "127.0.0.1", 9).errno, chown: alone.attempt("mknod").errno,
                 without: scratch(#{ cgroup: false, namespaces: ["user"], capabilities: [] }).attempt("sethostname").errno }.to_json());
        "#,
    );
    assert_eq!(found["user"], "0\n1\ninner\nmounted\n", "{found}");
    assert_eq!((&found["connect"], &found["chown"]), (&"ENETUNREACH".into(), &"EPERM".into()));
    assert_eq!(found["without"], "EPERM");
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(), "inner");
    assert!(place.scratches().is_empty());
}

#[test]
fn what_is_not_right_is_said_before_anything_is_made() {
    let place = Place::new();
    for (script, said) in [
        ("attempt(\"modul\", #{})", "did you mean `module`?"),
        ("attempt(\"open\", [], #{})", "`open` needs `path`: open(path, access = \"r\")"),
        ("attempt(\"open\", [\"x\"], #{})", "a path that begins with `/`, not \"x\""),
        ("attempt(\"bpf\", [\"maps\"], #{})", "did you mean \"map\"?"),
        ("attempt(\"bpf\", #{ usr: 1 })", "a scratch has no `usr` (did you mean `user`?)"),
        ("attempt(\"bpf\", #{ user: \"no-such-user\" })", "no user \"no-such-user\""),
        ("scratch(#{ namespaces: [\"mnt\"] })", "there is no namespace \"mnt\""),
        ("scratch(#{ capabilities: [\"net_rw\"] })", "there is no capability `net_rw`"),
    ] {
        let (code, _, stderr) = place.run(script);
        assert_eq!(code, Some(1), "{script}: {stderr}");
        assert!(stderr.contains(said), "{script}: {stderr}");
    }
    assert!(!place.0.path().join("scratch").exists());
}

#[test]
fn under_audit_it_is_attempted_and_under_explain_nothing_is_made() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let script = "print(scratch(#{ cgroup: false }).attempt(\"setuid\").errno)";
    let output = place.command(&["--format=text", "--audit", "-e", script]).output().unwrap();
    assert_eq!(output.stdout, b"EPERM\n");
    let other = Place::new();
    assert!(other.command(&["explain", "-e", script]).output().unwrap().status.success());
    assert!(!other.0.path().join("scratch").exists());
}

#[test]
fn a_check_takes_its_scratch_with_it_also_when_its_time_is_up() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let script = r#"
        let kept = [];
        check("a", "made in a check", || { kept.push(scratch()); expect(kept[0].run(["true"]).code, 0) });
        print(run(["sh", "-c", `ls ${env("RUNTIME_DIRECTORY")}/scratch | grep -c scratch-`]).stdout);
        check("b", "too slow", #{ timeout: "300ms" }, || { scratch().run(["sleep", "1000"]); true });
        print(run(["sh", "-c", `ls ${env("RUNTIME_DIRECTORY")}/scratch | grep -c scratch-`]).stdout);
    "#;
    let output = place.command(&["-e", script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> =
        records.iter().filter(|r| r["type"] == "check").map(|r| r["result"].clone()).collect();
    let printed: Vec<_> =
        records.iter().filter(|r| r["type"] == "print").map(|r| r["text"].clone()).collect();
    assert_eq!(results, ["pass", "inconclusive"], "{text}");
    assert_eq!(printed, ["0\n", "0\n"], "{text}");
}

/// A session with a scratch in which processes go on, and what there is of it.
struct Victim {
    session: Child,
    pids: Vec<i32>,
    cgroup: Option<PathBuf>,
}

impl Victim {
    fn new(place: &Place) -> Self {
        let script = r#"
            let s = scratch(#{ user: "nobody" });
            let ran = s.run(["sh", "-c", "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; touch file; mkdir -p a/b"]);
            print(#{ pids: ran.stdout, cgroup: s.cgroup }.to_json());
            s.run(["sleep", "1000"]);
        "#;
        let mut session =
            place.command(&["-e", script]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(session.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let record: Value = serde_json::from_str(&line).unwrap();
        let said: Value = serde_json::from_str(record["text"].as_str().unwrap()).unwrap();
        let pids = said["pids"].as_str().unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
        let victim = Victim { session, pids, cgroup: said["cgroup"].as_str().map(PathBuf::from) };
        assert!(victim.pids.len() == 2 && victim.pids.iter().all(|pid| lives(*pid)), "{said}");
        victim
    }

    fn keeper(&self) -> i32 {
        let parent = self.session.id();
        let stats = procfs::process::all_processes().unwrap().filter_map(|process| process.ok()?.stat().ok());
        stats.into_iter().find(|stat| stat.ppid.unsigned_abs() == parent).unwrap().pid
    }

    fn kill(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.session.id().cast_signed()), signal).unwrap();
        self.session.wait().unwrap();
    }

    #[track_caller]
    fn is_gone_soon(&self, place: &Place) {
        place.is_empty_soon();
        soon("no process is left", || !self.pids.iter().any(|pid| lives(*pid)));
        soon("no cgroup is left", || !self.cgroup.as_ref().is_some_and(|path| path.exists()));
    }
}

#[test]
fn a_session_that_ends_leaves_nothing_whatever_ends_it() {
    if not_root() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let place = Place::new();
        let mut victim = Victim::new(&place);
        assert_eq!(place.scratches().len(), 1);
        victim.kill(signal);
        victim.is_gone_soon(&place);
    }
}

#[test]
fn a_keeper_hears_no_signal_but_the_end_of_its_session() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let mut victim = Victim::new(&place);
    let keeper = victim.keeper();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        kill(Pid::from_raw(keeper), signal).unwrap();
    }
    thread::sleep(Duration::from_millis(100));
    assert!(lives(keeper) && place.scratches().len() == 1);
    victim.kill(Signal::SIGKILL);
    victim.is_gone_soon(&place);
    soon("the keeper is gone", || !lives(keeper));
}

#[test]
fn what_is_left_when_the_keeper_is_killed_too_goes_with_the_next_scratch() {
    if not_root() {
        return;
    }
    let place = Place::new();
    let mut victim = Victim::new(&place);
    let other = Victim::new(&place);
    let keeper = victim.keeper();
    kill(Pid::from_raw(keeper), Signal::SIGSTOP).unwrap();
    victim.kill(Signal::SIGKILL);
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    soon("the keeper is gone", || !lives(keeper));
    assert_eq!(place.scratches().len(), 2);
    assert_eq!(place.value("print(scratch().run([\"true\"]).code)"), 0);
    assert_eq!(place.scratches().len(), 1, "that of a session that lives");
    if victim.cgroup.is_some() {
        soon("no process is left", || !victim.pids.iter().any(|pid| lives(*pid)));
        assert!(!victim.cgroup.as_ref().is_some_and(|path| path.exists()));
    }
    assert!(other.pids.iter().all(|pid| lives(*pid)));
    let mut other = other;
    other.kill(Signal::SIGKILL);
    other.is_gone_soon(&place);
    for pid in victim.pids {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[test]
fn by_hand_the_keeper_says_who_starts_it() {
    let output = Command::new(PROGRAM).arg("keep-scratch").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("krsi-sh starts this itself"));
}
