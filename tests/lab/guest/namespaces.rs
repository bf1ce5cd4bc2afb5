//! Claims about a shell in namespaces of its own, as in a container: what hooks compare is the kernel's.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{fcntl::OFlag, libc};
use serde_json::json;

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{SHELL, Shell},
    task::{ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/namespaced";
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
fn inside(around: &Around, format: &str, script: &str) -> Command {
    let (mounts, flags) = match around {
        Around::Pid => ("mount -t proc proc /proc && ", libc::CLONE_NEWPID | libc::CLONE_NEWNS),
        Around::Time(_) => ("", CLONE_NEWTIME),
    };
    let offsets = match around {
        Around::Time(seconds) => Some(format!("monotonic {seconds} 0\nboottime {seconds} 0\n")),
        Around::Pid => None,
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("({mounts}\"$@\"); exit $?"), "sh", SHELL, "--quiet"]);
    command.args(["--format", format, "-e", script]);
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
    let ended = Shell::of(inside(around, "text", script))?.end()?;
    // A line that is a word of JSON is read as one.
    let lines = ended.lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned));
    Ok((ended.code, lines.collect::<Vec<_>>().join("\n"), ended.stderr))
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

/// Process ids are not the kernel's there: what would take one for another is refused, with cause and fix.
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

/// A lease lasts as long as it says, however far its clocks are ahead or behind.
pub fn lease() -> Outcome {
    const LEASE: Duration = Duration::from_secs(2);
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let script = format!(
        r#"let p = probe("file_open", #{{ path: "{FILE}" }}).everywhere().lease("{lease}ms").deny().events(false).attach();
           print("ready"); run_for("{lease}ms"); run_for("1s"); print(p.stats().deny > 0); p.detach();"#,
        lease = stretched(LEASE).as_millis()
    );
    for seconds in [60, -2] {
        let at = |what: &str| format!("offset {seconds}, {what}");
        let mut shell = Shell::of(inside(&Around::Time(seconds), "json", &script))?;
        shell.wait_for(|line| line["text"] == "ready")?;
        let open = || open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed);
        same(&at("at first"), open()?, REFUSED)?;
        until(&at("the lease is over"), 3 * LEASE, || Ok(open()? != REFUSED))?;
        let ended = shell.end()?;
        same(&at("denied"), ended.lines.iter().filter(|line| line["text"] == "true").count(), 1)?;
        same(&at("exit"), ended.code, Some(0)).map_err(|e| format!("{e}: {}", ended.stderr))?;
    }
    Ok(())
}

/// The process of an event is known by its start, which /proc shows moved; and wall-clock time is the wall's.
pub fn time_of_an_event() -> Outcome {
    let script = r#"
        let p = probe("exec").scope(#{ pid: getpid() }).attach();
        p.on_event(|e| emit(#{ killed: kill(e, "SIGKILL"), wall_ns: e.wall_ns }));
        print(run(["/bin/sleep", "10"]).signal);
        p.detach();
    "#;
    for seconds in [60, -2] {
        let at = |what: &str| format!("offset {seconds}, {what}");
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| e.to_string());
        let before = wall()?;
        let ended = Shell::of(inside(&Around::Time(seconds), "json", script))?.end()?;
        let span = before.as_nanos()..=wall()?.as_nanos();
        let emitted = ended.emitted()?;
        same(&at("found"), &emitted["killed"], &json!(true))?;
        let time = emitted["wall_ns"].as_u64().unwrap_or_default();
        holds(span.contains(&u128::from(time)), at(&format!("the wall's clock: {time} is not in {span:?}")))?;
        same(&at("killed"), ended.lines.iter().filter(|line| line["text"] == "SIGKILL").count(), 1)?;
        same(&at("exit"), ended.code, Some(0)).map_err(|e| format!("{e}: {}", ended.stderr))?;
    }
    Ok(())
}
