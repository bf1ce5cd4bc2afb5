//! Claims about the template `exec_unlink`.

use std::{
    fs,
    io::Read,
    os::unix::{fs::MetadataExt, process::CommandExt},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount, umount},
    sys::{
        ptrace,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, keep},
    exec::{device, program},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

fn probe(params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"exec_unlink\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// A running process, ended with the test.
struct Running(Child);

impl Running {
    fn start(program: &str) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg0("sleep").arg("86400").stdout(Stdio::null());
        task::start(&mut command).map(Running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn code(result: std::io::Result<()>) -> i32 {
    exit_code(result.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0))))
}

fn unlink(path: &str) -> Result<Task, String> {
    unlink_as(&ME, path)
}

fn unlink_as(identity: &Identity, path: &str) -> Result<Task, String> {
    task::perform(identity, || code(fs::remove_file(path)))
}

fn rename(from: &str, to: &str) -> Result<Task, String> {
    rename_as(&ME, from, to)
}

fn rename_as(identity: &Identity, from: &str, to: &str) -> Result<Task, String> {
    task::perform(identity, || code(fs::rename(from, to)))
}

fn link(from: &str, to: &str) -> Outcome {
    let _ = fs::remove_file(to);
    fs::hard_link(from, to).map_err(|e| format!("{to}: {e}"))
}

const LOST: &str = "/tmp/programs/lost";
/// Runs since before the probe is attached.
static FIRST: OnceLock<Running> = OnceLock::new();

pub const CASE: Case = Case {
    template: "exec_unlink",
    params: "path_prefix: [\"/tmp/programs/lost\", \"/tmp/programs/replaced\"]",
    prepare: || {
        keep(&FIRST, || {
            // A process of an earlier run may execute it.
            let _ = fs::remove_file(LOST);
            Running::start(&program("lost")?)
        })
    },
    acts: &[Act::new("unlink", "inode_unlink", unlinked), Act::new("rename", "inode_rename", renamed_over)],
};

/// One of two names of a file that runs under both.
fn unlinked() -> Result<Performed, String> {
    let name = format!("{LOST}-link");
    link(LOST, &name)?;
    let second = Running::start(&name)?;
    let first = FIRST.get().ok_or("nothing runs")?;
    let mut tells = lost(&name, "")?;
    tells["processes"] = json!(2);
    tells["process_pids"] = json!([first.0.id(), second.0.id()]);
    tells["process_comms"] = json!(["lost", "lost-link"]);
    let task = unlink_as(&ACTOR, &name)?;
    is_kept(&name, &task)?;
    Ok(Performed { task, tells })
}

fn renamed_over() -> Result<Performed, String> {
    let (path, source) = (program("replaced")?, program("usurper")?);
    let running = Running::start(&path)?;
    let mut tells = lost(&path, &source)?;
    tells["processes"] = json!(1);
    tells["process_pids"] = json!([running.0.id()]);
    tells["process_comms"] = json!(["replaced"]);
    let task = rename_as(&ACTOR, &source, &path)?;
    is_kept(&source, &task)?;
    Ok(Performed { task, tells })
}

/// What an event tells of the name, before it is lost.
fn lost(path: &str, source: &str) -> Result<Value, String> {
    let file = fs::metadata(path).map_err(|e| e.to_string())?;
    Ok(json!({
        "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "inode": file.ino(), "device": device(file.dev()), "links": file.nlink(), "source": source, "path": path,
        "path_length": path.len(),
    }))
}

/// A name that the task would have taken away is there, unless it was allowed.
fn is_kept(name: &str, task: &Task) -> Outcome {
    same(name, fs::exists(name).unwrap_or(false), task.deed != Deed::Done)
}

pub fn deny() -> Outcome {
    let path = program("kept")?;
    let running = Running::start(&path)?;
    let shell = probe("", ".deny(\"EBUSY\")")?;
    let refused = Deed::Refused(Errno::EBUSY);
    let link_path = format!("{path}-link");
    link(&path, &link_path)?;
    same("a hard link", unlink(&link_path)?.deed, refused)?;
    // Another name for the running file is no loss of one.
    let moved = format!("{path}-moved");
    same("being moved away itself", rename(&path, &moved)?.deed, Deed::Done)?;
    same("under its new name", unlink(&moved)?.deed, refused)?;
    // Whatever its permissions are by now.
    fs::set_permissions(&moved, std::os::unix::fs::PermissionsExt::from_mode(0o0))
        .map_err(|e| e.to_string())?;
    same("without permission to execute", unlink(&moved)?.deed, refused)?;
    drop(running);
    same("once it has ended", unlink(&moved)?.deed, Deed::Done)?;
    shell.stop()?.well()?;
    let path = program("kept")?;
    let _running = Running::start(&path)?;
    same("after the shell's end", unlink(&path)?.deed, Deed::Done)
}

pub fn others() -> Outcome {
    let (idle, wanted, unwanted) = (program("idle")?, program("wanted-x")?, program("unwanted-x")?);
    let _running = (Running::start(&wanted)?, Running::start(&unwanted)?);
    let shell = probe("path_prefix: \"/tmp/programs/wanted\"", ".deny(\"EPERM\")")?;
    same("not running", unlink(&idle)?.deed, Deed::Done)?;
    same("renamed over, not running", rename(&program("idle")?, &program("idle-too")?)?.deed, Deed::Done)?;
    same("running, of another path", unlink(&unwanted)?.deed, Deed::Done)?;
    same("running, of this path", unlink(&wanted)?.deed, REFUSED)?;
    // A script is executed by its interpreter.
    let script = "/tmp/programs/wanted-script";
    fs::write(script, "#!/bin/sh\necho ready\nread end\n").map_err(|e| e.to_string())?;
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(|e| e.to_string())?;
    let mut child = Command::new(script);
    let mut child =
        Running(child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?);
    child.0.stdout.as_mut().map(|out| out.read(&mut [0; 6])).transpose().map_err(|e| e.to_string())?;
    same("a running script", unlink(script)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// Counted is what an event would be sent of, and not a file that was executed once.
pub fn counted() -> Outcome {
    let (ended, runs) = (program("counted-ended")?, program("counted-runs")?);
    let _running = Running::start(&runs)?;
    let shell = probe("", ".count_by(\"comm\")")?;
    drop(Running::start(&ended)?);
    same("executed once", unlink(&ended)?.deed, Deed::Done)?;
    same("running", unlink(&runs)?.deed, Deed::Done)?;
    let ended = shell.stop()?;
    ended.well()?;
    same("counted", &ended.books("t")?["matched"], &json!(1))
}

pub fn many() -> Outcome {
    let path = program("many")?;
    let running = (0..11).map(|_| Running::start(&path)).collect::<Result<Vec<_>, _>>()?;
    let mut shell = probe("", "")?;
    let event = event_of(&mut shell, &path)?;
    same("processes", &event["processes"], &json!(11))?;
    let first: Vec<_> = running.iter().take(8).map(|r| r.0.id()).collect();
    same("process_pids", &event["process_pids"], &json!(first))?;
    same("process_comms", &event["process_comms"], &json!(vec!["many"; 8]))?;
    shell.stop()?.well()
}

fn event_of(shell: &mut Shell, path: &str) -> Result<Value, String> {
    let task = unlink(path)?;
    shell.event(task.pid, path)
}

/// The argument that makes a copy of this suite a process whose first thread has left.
pub const LEADERLESS: &str = "--leaderless";

/// More threads than the hook looks at.
const CROWD: usize = 300;
/// The argument behind that: as many threads before the one that stays, which leave when standard input ends.
const IN_A_CROWD: &str = "crowd";

/// Leaves a second thread behind that says so, and sleeps.
pub fn leave() -> ! {
    static GATE: Mutex<()> = Mutex::new(());
    let crowd = std::env::args().nth(2).as_deref() == Some(IN_A_CROWD);
    let shut = GATE.lock();
    for _ in 0..if crowd { CROWD } else { 0 } {
        let builder = std::thread::Builder::new().stack_size(64 << 10);
        let _ = builder.spawn(|| drop(GATE.lock()));
    }
    stay();
    if crowd {
        println!("ready");
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
    drop(shut);
    // SAFETY: ends this thread alone; nothing on its stack is used by the others.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
    unreachable!()
}

fn stay() {
    std::thread::spawn(|| {
        // The leader is a zombie once /proc has no executable for it.
        while fs::read_link("/proc/self/exe").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        println!("ready");
        std::thread::sleep(std::time::Duration::from_secs(600));
        std::process::exit(0);
    });
}

/// A copy of this suite.
fn copy_of_suite(path: &str) -> Outcome {
    fs::create_dir_all("/tmp/programs").map_err(|e| e.to_string())?;
    let _ = fs::remove_file(path);
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    fs::copy(own, path).map(drop).map_err(|e| e.to_string())
}

/// A tracer keeps threads that have left in their process: with enough of these, the one that lives is not found.
pub fn crowded() -> Outcome {
    let path = "/tmp/programs/crowded";
    copy_of_suite(path)?;
    let mut command = Command::new(path);
    command.args([LEADERLESS, IN_A_CROWD]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().map_err(|e| e.to_string())?);
    let mut told = child.0.stdout.take().ok_or("no output")?;
    let mut line = [0; 6];
    told.read_exact(&mut line).map_err(|e| e.to_string())?;
    let mut threads: Vec<i32> = fs::read_dir(format!("/proc/{}/task", child.0.id()))
        .map_err(|e| e.to_string())?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    threads.sort_unstable();
    // All but the first and the one that stays.
    let traced: Vec<_> = threads[1..threads.len() - 1].iter().map(|id| Pid::from_raw(*id)).collect();
    same("threads", traced.len(), CROWD)?;
    for thread in &traced {
        ptrace::seize(*thread, ptrace::Options::empty()).map_err(|e| e.to_string())?;
    }
    drop(child.0.stdin.take());
    told.read_exact(&mut line).map_err(|e| e.to_string())?;
    let outcome = (|| {
        for (rest, expected) in [(".on_error(\"deny\")", REFUSED), ("", Deed::Done)] {
            let shell = probe("", &format!(".deny(\"EPERM\"){rest}"))?;
            same(&format!("unlinked, {rest}"), unlink(path)?.deed, expected)?;
            let ended = shell.stop()?;
            same("errors", &ended.books("t")?["errors"], &json!(1))?;
            ended.well()?;
        }
        Ok(())
    })();
    // Else the process could not be waited for.
    for thread in traced {
        waitpid(thread, Some(WaitPidFlag::__WALL)).map_err(|e| e.to_string())?;
    }
    outcome
}

pub fn leaderless() -> Outcome {
    let path = "/tmp/programs/leaderless";
    copy_of_suite(path)?;
    let mut command = Command::new(path);
    let child = command.arg(LEADERLESS).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let mut child = Running(child);
    child.0.stdout.as_mut().map(|out| out.read(&mut [0; 6])).transpose().map_err(|e| e.to_string())?;
    let mut shell = probe("", "")?;
    let event = event_of(&mut shell, path)?;
    same("process_pids", &event["process_pids"], &json!([child.0.id()]))?;
    shell.stop()?.well()
}

/// A program that was just started is kept: as soon as /proc says that a process executes it, which is before the kernel says
/// that the execution is over.
pub fn just_started() -> Outcome {
    const TIMES: usize = 100;
    let shell = probe("path_prefix: \"/tmp/programs/instant\"", ".deny(\"EPERM\")")?;
    let path = program("instant")?;
    let task = task::perform(&ME, || {
        let lost = (0..TIMES).filter_map(|turn| is_lost_at_once(&path, turn).ok()).filter(|lost| *lost);
        i32::try_from(lost.count()).unwrap_or(i32::MAX)
    })?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same(&format!("names that were lost; {books}"), task.deed, Deed::Done)?;
    same("refused", &books["deny"], &json!(TIMES))?;
    ended.well()
}

/// Whether a new program's name can be removed while it is started.
fn is_lost_at_once(of: &str, turn: usize) -> std::io::Result<bool> {
    let path = format!("{of}-{turn}");
    // An inode that was never executed.
    fs::copy(of, &path)?;
    let child = Command::new(&path).arg0("sleep").arg("86400").stdout(Stdio::null()).spawn()?;
    let child = Running(child);
    let exe = format!("/proc/{}/exe", child.0.id());
    while fs::read_link(&exe).is_ok_and(|exe| exe != std::path::Path::new(&path)) {}
    let lost = fs::remove_file(&path).is_ok();
    drop(child);
    let _ = fs::remove_file(&path);
    Ok(lost)
}

/// The argument that makes a copy of this suite a process of many threads, which end all at once.
pub const CRUMBLING: &str = "--crumbling";

pub fn crumble() -> ! {
    for _ in 0..24 {
        let builder = std::thread::Builder::new().stack_size(64 << 10);
        let _ = builder.spawn(|| std::thread::sleep(std::time::Duration::from_secs(600)));
    }
    std::process::exit(0);
}

/// While others come and go, whose threads leave in any order, every name of a running executable is kept.
pub fn in_a_storm() -> Outcome {
    const TIMES: usize = 60;
    let (path, source) = (program("replaced")?, program("usurper")?);
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let shell = probe("path_prefix: \"/tmp/programs/replaced\"", ".deny(\"EPERM\")")?;
    let _running = Running::start(&path)?;
    let again = format!("while {} {CRUMBLING}; do :; done", own.display());
    let shell_loop = || Command::new("/bin/busybox").args(["sh", "-c", &again]).spawn().map(Running);
    let storm: Result<Vec<_>, _> = (0..3).map(|_| shell_loop()).collect();
    let storm = storm.map_err(|e| e.to_string())?;
    let mut done = 0;
    for _ in 0..TIMES {
        done += u32::from(rename(&source, &path)?.deed == Deed::Done);
    }
    drop(storm);
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same(&format!("renamed over; {books}"), done, 0)?;
    same("errors", &books["errors"], &json!(0))?;
    ended.well()
}

pub fn overlayfs() -> Outcome {
    let text = |e: std::io::Error| e.to_string();
    Command::new("insmod").arg("/lab/overlay.ko").status().map_err(text)?;
    for directory in ["/tmp/xlower", "/tmp/xupper", "/tmp/xmerged"] {
        fs::create_dir_all(directory).map_err(text)?;
    }
    for (name, directory) in [("lower", "/tmp/xlower"), ("upper", "/tmp/xupper")] {
        mount(Some(name), directory, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .map_err(|e| e.to_string())?;
    }
    for directory in ["/tmp/xupper/files", "/tmp/xupper/work"] {
        fs::create_dir_all(directory).map_err(text)?;
    }
    for name in ["beneath", "copied"] {
        fs::copy("/bin/busybox", format!("/tmp/xlower/{name}")).map_err(text)?;
    }
    let options = "lowerdir=/tmp/xlower,upperdir=/tmp/xupper/files,workdir=/tmp/xupper/work";
    mount(Some("overlay"), "/tmp/xmerged", Some("overlay"), MsFlags::empty(), Some(options))
        .map_err(|e| format!("no overlayfs: {e}"))?;
    let outcome = overlaid();
    for directory in ["/tmp/xmerged", "/tmp/xupper", "/tmp/xlower"] {
        umount(directory).map_err(|e| e.to_string())?;
    }
    outcome
}

fn overlaid() -> Outcome {
    let (beneath, copied) = ("/tmp/xmerged/beneath", "/tmp/xmerged/copied");
    let _running = (Running::start(beneath)?, Running::start(copied)?);
    // A hard link copies it up: the process goes on with the inode beneath.
    fs::hard_link(copied, "/tmp/xmerged/link").map_err(|e| e.to_string())?;
    let shell = probe("", ".deny(\"EPERM\")")?;
    let refused = REFUSED;
    same("a file of the lower layer", unlink(beneath)?.deed, refused)?;
    same("a file that was copied up", unlink(copied)?.deed, refused)?;
    same("its hard link", unlink("/tmp/xmerged/link")?.deed, refused)?;
    shell.stop()?.well()?;
    let mut shell = probe("", "")?;
    event_of(&mut shell, copied)?;
    let ended = shell.stop()?;
    same("events of one removal", ended.events().count(), 1)?;
    ended.well()
}
