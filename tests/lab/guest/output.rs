//! Trouble with output, and the end of a session, while something is enforced.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::{
    Outcome, holds,
    pace::{self, stretched},
    same,
    shell::{self, SHELL, Shell},
    task::{Deed, ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/watched";
const DISK: &str = "/tmp/small";
const ERRORS: &str = "/tmp/errors";
const PATIENCE: Duration = Duration::from_secs(60);

fn read() -> Result<Deed, String> {
    open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed)
}

fn denial() -> String {
    let me = std::process::id();
    format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}}).deny(\"EPERM\").name(\"t\")")
}

fn until(what: &str, seen: impl FnMut() -> Result<bool, String>) -> Outcome {
    pace::until(what, PATIENCE, seen).map_err(|e| format!("{e}; {:?}", fs::read_to_string(ERRORS)))
}

fn said(text: &str) -> Result<bool, String> {
    fs::read_to_string(ERRORS).map(|errors| errors.contains(text)).map_err(|e| e.to_string())
}

fn start(script: &str, stdout: Stdio) -> Result<Child, String> {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let errors = File::create(ERRORS).map_err(|e| e.to_string())?;
    let mut command = Command::new(SHELL);
    command.args(["--format", "json", "-e", script]).stdin(Stdio::null()).stdout(stdout).stderr(errors);
    command.spawn().map_err(|e| e.to_string())
}

fn end(mut child: Child) -> Result<Option<i32>, String> {
    // One that has gone is waited for all the same.
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
    let begun = Instant::now();
    let code = child.wait().map_err(|e| e.to_string())?.code();
    holds(begun.elapsed() < stretched(Duration::from_secs(10)), "it took too long to end")?;
    Ok(code)
}

/// Each refusal is an event, for which there is no room soon.
pub fn full_disk() -> Outcome {
    let failed = |e: Errno| e.to_string();
    fs::create_dir_all(DISK).map_err(|e| e.to_string())?;
    mount(Some("small"), DISK, Some("tmpfs"), MsFlags::empty(), Some("size=16k")).map_err(failed)?;
    let log = File::create(format!("{DISK}/log")).map_err(|e| e.to_string())?;
    let child = start(&format!("{}.attach();", denial()), log.into())?;
    until("the attach", || said("attached t"))?;
    until("the full disk", || {
        same("while the disk fills", read()?, REFUSED)?;
        said("cannot write to standard output: No space left on device")
    })?;
    for _ in 0..20 {
        same("on the full disk", read()?, REFUSED)?;
    }
    // Room again: it is said, and what is written begins a line.
    File::options().write(true).truncate(true).open(format!("{DISK}/log")).map_err(|e| e.to_string())?;
    until("that there is room", || {
        same("with room", read()?, REFUSED)?;
        said("standard output can be written again")
    })?;
    let code = end(child)?;
    umount2(DISK, MntFlags::MNT_DETACH).map_err(failed)?;
    same("exit code of a session that has lost lines", code, Some(3))
}

pub fn closed() -> Outcome {
    for (script, enforces) in [(denial(), true), (denial().replace(".deny(\"EPERM\")", ""), false)] {
        let (reader, writer) = std::io::pipe().map_err(|e| e.to_string())?;
        let mut child = start(&format!("{script}.attach();"), writer.into())?;
        until("the attach", || said("attached t"))?;
        drop(reader);
        if enforces {
            until("that nobody reads", || {
                same("while nobody reads", read()?, REFUSED)?;
                said("nobody reads standard output any more")
            })?;
            same("after nobody reads", read()?, REFUSED)?;
            same("exit code", end(child)?, Some(0))?;
        } else {
            until("the end of one that only reports", || {
                read()?;
                child.try_wait().map(|ended| ended.is_some()).map_err(|e| e.to_string())
            })?;
            same("exit code", end(child)?, Some(0))?;
        }
    }
    Ok(())
}

/// What waits for callbacks when the session is told to end is not waited for, and counts as lost.
pub fn slow_callbacks() -> Outcome {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let mut shell = Shell::ready(&format!(
        "let p = {}.observe(); p.on_event(|e| {{ print(\"called\"); sleep(60); }}); p.attach(); print(\"ready\");",
        denial()
    ))?;
    for _ in 0..50 {
        read()?;
    }
    shell.wait_for(|line| line["text"] == "called")?;
    let begun = Instant::now();
    shell.signal(Signal::SIGTERM)?;
    let ended = shell.end()?;
    holds(begun.elapsed() < stretched(Duration::from_secs(5)), format!("it took {:?}", begun.elapsed()))?;
    let books = ended.books("t")?;
    same("they add up", &books["balanced"], &json!(true))?;
    holds(books["lost_queue"].as_u64() >= Some(48), format!("what was not handled is not counted: {books}"))
}

pub fn hostile_names() -> Outcome {
    let ended = shell::run(
        r#"
        let p = probe("exec").scope(#{comm: "a\x1b]0;t\x07b"}).name("n\x1b[2Jm").attach();
        print(p.name); log("\x1b[8m"); p.detach();
        "#,
    )?;
    holds(ended.stderr.contains("attached n\\u{1b}[2Jm"), ended.stderr.clone())?;
    holds(!ended.stderr.contains('\x1b') && !ended.stderr.contains('\x07'), ended.stderr.clone())
}
