//! Claims about where an operation comes from: the process at length, and those above it.

use std::{
    ffi::CString,
    fs, io,
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    libc,
    pty::openpty,
    unistd::{execve, setsid, setuid},
};

use super::{
    Outcome, holds,
    pace::until,
    same,
    shell::Shell,
    task::{self, Deed, ME},
};

const FILE: &str = "/tmp/origin/file";
/// Reads the file, in a process that is executed: called by its name busybox's shell would only fork.
const READ: &str = "/bin/busybox dd if=/tmp/origin/file of=/dev/null bs=7 count=1 2>/dev/null";

/// A probe that refuses to open the file to those descendants of this process for which the filter holds.
fn refusing(filter: &str) -> Result<Shell, String> {
    fs::create_dir_all("/tmp/origin").map_err(|e| e.to_string())?;
    fs::write(FILE, "text").map_err(|e| e.to_string())?;
    Shell::ready(&format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).when({filter}).deny(\"EACCES\").name(\"t\"); p.attach(); print(\"ready\");",
        std::process::id()
    ))
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/busybox");
    command.arg0("sh").args(["-c", script]).current_dir("/").stdin(Stdio::null());
    command
}

/// Whether what the command does last has been refused.
fn is_refused(mut command: Command) -> Result<bool, String> {
    command.status().map(|status| !status.success()).map_err(|e| e.to_string())
}

fn ends(shell: Shell) -> Outcome {
    let ended = shell.stop()?;
    same("no trouble", ended.books("t")?["errors"].as_u64(), Some(0))?;
    ended.well()
}

/// Arguments are those of the exec, of the process, of one that was only forked from it, and of its parent.
pub fn arguments() -> Outcome {
    let shell = refusing(
        "|e| e.process.argv.any(|a| a == \"bs=9\") || e.process.cmdline.matches(\"^sh -c .*by-fork\") \
         || (e.parent.exe.ends_with(\"/busybox\") && e.parent.cmdline.like(\"sh -c *by-parent*\")) || e.process.cwd == \"/tmp/origin\"",
    )?;
    for (script, refused) in [
        (READ.to_owned(), false),
        (READ.replace("bs=7", "bs=9"), true),
        (format!(": by-parent; {READ}"), true),
        // Two above: not the parent.
        (format!(": by-parent; sh -c '{READ}; exit $?'"), false),
        (format!(": by-fork; (: <{FILE}) 2>/dev/null"), true),
        // Where it is.
        (format!("cd /tmp/origin; {READ}"), true),
        (format!("cd /tmp; {READ}"), false),
        (format!("(: <{FILE}) 2>/dev/null"), false),
    ] {
        // A shell executes its last command in its own place.
        let kept = format!("{script}; exit $?");
        same(&script, is_refused(sh(&kept))?, refused)?;
    }
    ends(shell)
}

/// What ran before the probe has a record too, and all of its threads have.
pub fn before_the_probe() -> Outcome {
    let own: Vec<_> = std::env::args().collect();
    let mut waits = sh(&format!(": before; read go; : <{FILE}"));
    let mut waits = waits.stdin(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let shell = refusing(&format!(
        "|e| e.process.cmdline.contains(\": before;\") || (e.process.argv.len() == {} && e.process.argv[0] == {:?})",
        own.len(),
        own[0]
    ))?;
    drop(waits.stdin.take());
    let waited = waits.wait().map_err(|e| e.to_string())?;
    same("by a process that was there", waited.success(), false)?;
    // This process is the shell's own ancestor, and exempt.
    let opened = || fs::File::open(FILE).is_ok();
    same("by the first thread", opened(), true)?;
    let by_thread = std::thread::spawn(opened).join().map_err(|_| "the thread has failed")?;
    same("by another one", by_thread, true)?;
    same("by another child", is_refused(read_quietly())?, false)?;
    let ended = shell.stop()?;
    same("both threads would be refused", ended.books("t")?["guarded"].as_u64(), Some(2))?;
    same("no trouble", ended.books("t")?["errors"].as_u64(), Some(0))?;
    ended.well()
}

/// A thread that is not the first executes: it becomes the process, whose record is that of what it has executed.
pub fn exec_in_a_thread() -> Outcome {
    let shell = refusing("|e| e.process.argv.any(|a| a == \"bs=9\") && e.process.argv[0] == \"dd\"")?;
    for (size, refused) in [("bs=9", true), ("bs=7", false)] {
        let source = format!("if={FILE}");
        let task = task::perform(&ME, move || {
            let arguments = ["dd", &source, "of=/dev/null", size, "count=1"]
                .map(|text| CString::new(text).unwrap_or_default());
            let executes = std::thread::spawn(move || {
                execve(c"/bin/busybox", &arguments, &[c"A=1"]).unwrap_err() as i32
            });
            executes.join().unwrap_or(97)
        })?;
        same(size, task.deed != Deed::Done, refused)?;
    }
    ends(shell)
}

/// Ancestors up to the eighth, by executable, name and id; and what there is once a parent has gone.
pub fn ancestors() -> Outcome {
    let shell = refusing(&format!(
        "|e| e.ancestors.any(|p| p.pid == {} && p.exe.ends_with(\"{}\")) && e.ancestors.len() > 4 \
         || (e.ancestors.len() == 2 && e.ancestors.any(|p| p.pid == 1 && p.comm == \"init\"))",
        std::process::id(),
        Path::new(&super::cases::own_executable()).file_name().unwrap_or_default().to_string_lossy(),
    ))?;
    let nested = |depth: usize| {
        // Each level in a file of its own: quotes do not nest.
        fs::write("/tmp/origin/0.sh", format!("{READ}; exit $?")).map_err(|e| e.to_string())?;
        for level in 1..=depth {
            fs::write(format!("/tmp/origin/{level}.sh"), format!("sh /tmp/origin/{}.sh; exit $?", level - 1))
                .map_err(|e| e.to_string())?;
        }
        is_refused(sh(&format!("sh /tmp/origin/{depth}.sh; exit $?")))
    };
    same("as the grandparent", nested(0)?, false)?;
    same("as the fifth", nested(4)?, true)?;
    // What is above the eighth is not told.
    same("too far above", nested(9)?, false)?;
    let status = "/tmp/origin/status";
    let _ = fs::remove_file(status);
    let orphan = format!(
        "(while [ -d /proc/$$ ]; do :; done; {READ}; echo $? >{status}.new; mv {status}.new {status}) &"
    );
    is_refused(sh(&orphan))?;
    until("the orphan has ended", Duration::from_secs(20), || Ok(Path::new(status).exists()))?;
    same("an orphan's", fs::read_to_string(status).map_err(|e| e.to_string())?.trim(), "1")?;
    ends(shell)
}

/// A process with a controlling terminal, and one that only has it open.
pub fn terminal() -> Outcome {
    let shell = refusing("|e| e.tty.starts_with(\"pts/\")")?;
    for controls in [true, false] {
        let pty = openpty(None, None).map_err(|e| e.to_string())?;
        let mut reads = read_quietly();
        reads.stdin(pty.slave);
        let begin = move || {
            setsid()?;
            // SAFETY: TIOCSCTTY takes a number; standard input is the terminal by now.
            match controls && unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } != 0 {
                true => Err(io::Error::last_os_error()),
                false => Ok(()),
            }
        };
        // SAFETY: setsid and ioctl are async-signal-safe.
        unsafe { reads.pre_exec(begin) };
        same(if controls { "at a terminal" } else { "beside one" }, is_refused(reads)?, controls)?;
    }
    ends(shell)
}

/// The session, and what the first descriptors are.
pub fn descriptors() -> Outcome {
    let listening = || -> io::Result<_> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (_one, address) = listening().map_err(|e| e.to_string())?;
    let (_another, elsewhere) = listening().map_err(|e| e.to_string())?;
    let shell = refusing(&format!(
        "|e| (e.stdin.kind == \"socket\" && e.stdin.peer in cidr(\"127.0.0.0/8\") && e.stdin.peer_port == {}) || (e.stdout.kind == \"pipe\" && e.stdin.kind == \"file\") \
         || (e.leader.pid == e.parent.pid && e.leader.exe.ends_with(\"/busybox\") && e.leader.comm == \"busybox\")",
        address.port()
    ))?;
    let read = || sh(&format!("dd if={FILE} bs=7 count=1 2>/dev/null; exit $?"));
    let with = |stdin: Stdio, stdout: Stdio| {
        let mut command = read();
        command.stdin(stdin).stdout(stdout);
        is_refused(command)
    };
    let file = || fs::File::open("/etc/hostname").map(Stdio::from).map_err(|e| e.to_string());
    let connected = |to| TcpStream::connect(to).map(OwnedFd::from).map_err(|e| e.to_string());
    let (pair, _other) = UnixStream::pair().map_err(|e| e.to_string())?;
    same("a connection", with(connected(address)?.into(), Stdio::null())?, true)?;
    same("one to another port", with(connected(elsewhere)?.into(), Stdio::null())?, false)?;
    same("a unix socket", with(OwnedFd::from(pair).into(), Stdio::null())?, false)?;
    same("a file, and a pipe", with(file()?, Stdio::piped())?, true)?;
    same("a device, and a pipe", with(Stdio::null(), Stdio::piped())?, false)?;
    same("a file, and a device", with(file()?, Stdio::null())?, false)?;
    let mut leads = Command::new("/bin/busybox");
    leads.args(["sh", "-c", &format!("{READ}; exit $?")]).stdin(Stdio::null());
    // SAFETY: setsid is async-signal-safe.
    unsafe { leads.pre_exec(|| Ok(setsid().map(drop)?)) };
    same("in a session of its own", is_refused(leads)?, true)?;
    same("in this one", is_refused(read_quietly())?, false)?;
    ends(shell)
}

fn read_quietly() -> Command {
    sh(&format!("{READ}; exit $?"))
}

/// Capabilities, the parent's user, and the process's id in its own namespace.
pub fn credentials() -> Outcome {
    let shell = refusing(
        "|e| (!(\"CAP_SYS_ADMIN\" in e.caps) && e.parent.uid == 65534) || (\"CAP_NET_RAW\" in e.caps && e.ns_pid == 1)",
    )?;
    let mut nobody = read_quietly();
    // SAFETY: setuid is async-signal-safe.
    unsafe { nobody.pre_exec(|| Ok(setuid(65534.into())?)) };
    same("without capabilities", is_refused(nobody)?, true)?;
    same("with all of them", is_refused(read_quietly())?, false)?;
    let mut first = Command::new("/bin/busybox");
    first.args(["unshare", "-p", "-f", "busybox", "sh", "-c", &format!(": <{FILE}")]);
    first.stdin(Stdio::null()).stderr(Stdio::null());
    same("the first of a namespace", is_refused(first)?, true)?;
    let mut second = Command::new("/bin/busybox");
    second.args(["unshare", "-p", "-f", "busybox", "sh", "-c", &format!("{READ}; exit $?")]);
    second.stdin(Stdio::null()).stderr(Stdio::null());
    same("the second of one", is_refused(second)?, false)?;
    ends(shell)
}

/// The container, by the names that runtimes give its cgroup.
pub fn container() -> Outcome {
    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let shell = refusing(&format!("|e| e.container == \"{ID}\" || e.container == \"web\""))?;
    let top = Path::new("/sys/fs/cgroup");
    for (cgroup, inside) in [
        (format!("docker-{ID}.scope"), true),
        (format!("kubepods/cri-containerd-{ID}.scope/inner/more"), true),
        (format!("libpod-{ID}.scope"), true),
        (format!("libpod-conmon-{ID}.scope"), false),
        (format!("crio-{ID}"), true),
        (format!("plain/{ID}"), true),
        (format!("x{ID}"), false),
        (format!("docker-{}.scope", &ID[1..]), false),
        ("machine-web.scope".to_owned(), true),
        ("lxc.payload.web/init.scope".to_owned(), true),
        ("web.service".to_owned(), false),
    ] {
        let directory = top.join(&cgroup);
        fs::create_dir_all(&directory).map_err(|e| format!("{cgroup}: {e}"))?;
        let script = format!("echo $$ >{}/cgroup.procs || exit 7; {READ}; exit $?", directory.display());
        let code = sh(&script).status().map_err(|e| e.to_string())?.code();
        same(&cgroup, code, Some(i32::from(inside)))?;
    }
    ends(shell)
}

/// Hundreds of processes that come and go at once: what each was executed with is never another's.
pub fn storm() -> Outcome {
    const EACH: usize = 60;
    let shell =
        refusing("|e| e.process.argv.any(|a| a == \"bs=9\") && e.parent.cmdline.contains(\"storm\")")?;
    let script = format!(
        ": storm; n=0; wrong=0; while [ $n -lt {EACH} ]; do n=$((n+1)); {READ} || wrong=$((wrong+1)); {} && wrong=$((wrong+1)); done; exit $wrong",
        READ.replace("bs=7", "bs=9")
    );
    let children: Result<Vec<_>, _> = (0..4).map(|_| sh(&script).spawn()).collect();
    let mut codes = Vec::new();
    for mut child in children.map_err(|e| e.to_string())? {
        codes.push(child.wait().map_err(|e| e.to_string())?.code());
    }
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    holds(codes.iter().all(|code| *code == Some(0)), format!("so many were wrong: {codes:?}; {books}"))?;
    same("refused", books["deny"].as_u64(), Some(4 * EACH as u64))?;
    same("no trouble", books["errors"].as_u64(), Some(0))?;
    ended.well()
}

/// A callback reads what a filter reads; where nothing names it, it is not told.
pub fn callbacks() -> Outcome {
    fs::create_dir_all("/tmp/origin").map_err(|e| e.to_string())?;
    fs::write(FILE, "text").map_err(|e| e.to_string())?;
    let mut shell = Shell::ready(&format!(
        "let told = []; \
         probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).name(\"t\").on_event(|e| {{ \
           told.push([e.process.cmdline, e.parent.exe, e.parent.cmdline, e.ancestors[0].comm, e.ancestors.any(|p| p.pid == {0}), e.stdin.kind, e.container, e.tty, e.process.cwd, e.cgroup_path()]); \
           emit(#{{told: told[0]}}); \
         }}).attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("allowed", is_refused(sh(&format!(": marked; {READ}; exit $?")))?, false)?;
    let line = shell.wait_for(|line| line["type"] == "emit")?;
    let read = READ.split(" 2>").next().unwrap_or_default();
    let told = &line["told"];
    same("its command line", told[0].as_str(), Some(read))?;
    same("the parent's executable", told[1].as_str(), Some("/bin/busybox"))?;
    holds(told[2].as_str().is_some_and(|line| line.starts_with("sh -c : marked")), format!("{told}"))?;
    same(
        "the rest",
        told.as_array().map(|all| all[3..].to_vec()),
        serde_json::json!(["busybox", true, "device", "", "", "/", "/"]).as_array().cloned(),
    )?;
    ends(shell)
}
