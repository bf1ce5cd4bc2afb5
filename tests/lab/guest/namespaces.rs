//! Claims about a shell in namespaces of its own, as in a container: what hooks compare is the kernel's.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{errno::Errno, fcntl::OFlag, libc, sys::signal::Signal, unistd::Pid};

use super::{
    Outcome, holds, same,
    shell::SHELL,
    task::{Deed, Identity, open_file},
};

const FILE: &str = "/tmp/namespaced";
const ME: Identity =
    Identity { uid: 0, euid: None, gid: 0, comm: None, cgroup: None, loginuid: None, new_namespaces: false };
const REFUSED: Deed = Deed::Refused(Errno::EPERM);
/// include/uapi/linux/sched.h
const CLONE_NEWTIME: libc::c_int = 0x80;

/// Makes a command's children members of new namespaces.
enum Around {
    /// With a /proc of its own.
    Pid,
    /// Both clocks are this many seconds ahead there.
    Time(i64),
}

/// The shell in there, running a script. The outer shell forks: only a child is in a new pid or time namespace.
fn inside(around: &Around, script: &str) -> Command {
    let (mounts, flags) = match around {
        Around::Pid => ("mount -t proc proc /proc && ", libc::CLONE_NEWPID | libc::CLONE_NEWNS),
        Around::Time(_) => ("", CLONE_NEWTIME),
    };
    let offsets = match around {
        Around::Time(seconds) => Some(format!("monotonic {seconds} 0\nboottime {seconds} 0\n")),
        Around::Pid => None,
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("({mounts}\"$@\"); exit $?"), "sh", SHELL, "--quiet", "--format", "text"]);
    command.args(["-e", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let enter = move || {
        // SAFETY: unshare(2) takes a number only.
        if unsafe { libc::unshare(flags) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        offsets.as_ref().map_or(Ok(()), |text| fs::write("/proc/self/timens_offsets", text))
    };
    // SAFETY: the suite forks with a single thread that could hold a lock; the write allocates nothing new.
    unsafe { command.pre_exec(enter) };
    command
}

/// Runs a script that ends by itself: its exit code, and both streams.
fn ended(around: &Around, script: &str) -> Result<(Option<i32>, String, String), String> {
    let output = inside(around, script).output().map_err(|e| e.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

/// The shell's own opens, and those of whoever has started it, are spared there as anywhere.
pub fn guard() -> Outcome {
    let script = r#"
        let p = probe("file_open").scope(#{ uid: 0 }).deny("EACCES").lease("1m").events(false).attach();
        let own = capabilities(getpid()).len() > 0;
        print(`${own} ${p.stats().guarded > 0} ${run(["/bin/cat", "/etc/passwd"]).errno}`);
        p.detach();
    "#;
    let (code, said, errors) = ended(&Around::Pid, script)?;
    same("its own opens, guarded, and a child's", said.trim_end(), "true true EACCES")
        .map_err(|e| format!("{e}: {errors}"))?;
    same("exit", code, Some(0))
}

/// Process ids are not the kernel's there: what would take one for another is refused, with cause and cure.
pub fn process_ids() -> Outcome {
    for (what, code) in [
        ("kill(1234, \"SIGTERM\")", 3),
        ("capable(1234, \"CAP_BPF\")", 3),
        ("probe(\"exec\").scope(#{ pid: getpid() }).attach()", 3),
        ("probe(\"exec\").preview()", 3),
        ("probe(\"exec\").scope(#{ pid_ns: \"host\" }).attach()", 3),
        // That of an event: refused in the callback, which fails.
        (
            "fail_fast(); let p = probe(\"exec\").scope(#{ uid: 0 }).attach(); \
             p.on_event(|e| kill(e, \"SIGCONT\")); run([\"/bin/true\"]); run_for(\"10s\");",
            3,
        ),
    ] {
        let (ended, _, errors) = ended(&Around::Pid, what)?;
        holds(errors.contains("pid namespace of its own"), format!("{what}: {errors}"))?;
        same(what, ended, Some(code))?;
    }
    Ok(())
}

/// A path is found there as outside: by what the kernel has behind it.
pub fn paths() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let script = format!(
        r#"let p = probe("file_open", #{{ path: "{FILE}" }}).scope(#{{ uid: 0 }}).deny().events(false).attach();
           print(run(["/bin/cat", "{FILE}"]).code); p.detach();"#
    );
    let (code, said, errors) = ended(&Around::Pid, &script)?;
    same("refused", (code, said.trim_end()), (Some(0), "1")).map_err(|e| format!("{e}: {errors}"))
}

/// A shell in there, told to end when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A lease of a second is one, and no more, however far its clocks are ahead or behind.
pub fn lease() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let script = format!(
        r#"let p = probe("file_open", #{{ path: "{FILE}" }}).everywhere().lease("1s").deny().attach();
           print("ready"); run_for("2s"); print(p.stats().deny > 0);"#
    );
    for seconds in [60, -2] {
        let mut child = Running(inside(&Around::Time(seconds), &script).spawn().map_err(|e| e.to_string())?);
        let mut said = BufReader::new(child.0.stdout.take().ok_or("no standard output")?);
        let mut line = String::new();
        said.read_line(&mut line).map_err(|e| e.to_string())?;
        if line.trim_end() != "ready" {
            let mut errors = String::new();
            let _ = child.0.stderr.take().map(|mut all| all.read_to_string(&mut errors));
            return Err(format!("offset {seconds}: {line:?} {errors}"));
        }
        let begun = Instant::now();
        let open = || open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed);
        same(&format!("offset {seconds}, at first"), open()?, REFUSED)?;
        while open()? == REFUSED {
            holds(begun.elapsed() < Duration::from_secs(5), format!("offset {seconds}: still refused"))?;
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut rest = String::new();
        said.read_to_string(&mut rest).map_err(|e| e.to_string())?;
        same("denied", rest.trim_end(), "true")?;
    }
    Ok(())
}

/// The process of an event is known by its start, which /proc shows moved; and wall-clock time is the wall's.
pub fn time_of_an_event() -> Outcome {
    let script = r#"
        let p = probe("exec").scope(#{ uid: 0 }).when(|e| e.path.ends_with("/sleep")).attach();
        p.on_event(|e| {
            let off = timestamp_ms() - e.wall_ns / 1000000;
            print(`${kill(e, "SIGKILL")} ${off}`);
        });
        print(run(["/bin/sleep", "20"]).signal);
        p.detach();
    "#
    .replace("timestamp_ms()", "parse_int(strftime(\"%s\")) * 1000");
    for seconds in [60, -2] {
        let (code, said, errors) = ended(&Around::Time(seconds), &script)?;
        let mut words = said.split_whitespace();
        same("killed", (code, words.next()), (Some(0), Some("true")))
            .map_err(|e| format!("{e}: {said} {errors}"))?;
        let off: i64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(|| said.clone())?;
        holds(off.abs() < 2000 + 1000, format!("offset {seconds}: the wall's clock is {off} ms off"))?;
        same("the signal", words.next(), Some("SIGKILL"))?;
    }
    Ok(())
}
