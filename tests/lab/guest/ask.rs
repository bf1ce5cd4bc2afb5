//! Claims about mode ask: operations that are held until somebody has decided, with the processes that it happens to.

use std::{
    fs,
    io::Write,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::{
        ptrace,
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Case, TABLE, by_function},
    exec::program,
    holds,
    pace::{stretched, until},
    same,
    shell::Shell,
    task::{Deed, ME, execute, exit_code, open_file, perform},
};

pub const FILE: &str = "/tmp/asked-about";
const OTHER: &str = "/tmp/asked-about-too";

pub fn files() -> Outcome {
    [FILE, OTHER].iter().try_for_each(|file| fs::write(file, "content").map_err(|e| format!("{file}: {e}")))
}

/// A script that asks `function` about this suite's subtree.
pub fn asking(template: &str, paths: &[&str], function: &str, settings: &str) -> String {
    format!(
        "probe(\"{template}\", #{{path: {paths:?}}}).scope(#{{pid: {}}}).ask({function}, #{{{settings}}}).name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    )
}

pub fn shell(door: &str, script: &str) -> Result<Shell, String> {
    let mut shell = Shell::start(&["--format", "json", "--door", door, "-e", script])?;
    shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready")?;
    Ok(shell)
}

/// A process that reads the file, and says by its exit code whether it could.
pub fn reader() -> Result<Child, String> {
    Command::new("/bin/cat").arg(FILE).stdout(std::process::Stdio::null()).spawn().map_err(|e| e.to_string())
}

/// Whether the process is stopped: what stands behind its name in /proc.
pub fn is_stopped(pid: u32) -> Result<bool, String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|e| e.to_string())?;
    Ok(stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
}

/// Whether it reads the file, or tries to, and is stopped in that.
pub fn held(child: &Child) -> Outcome {
    until("the reader is held", Duration::from_secs(20), || is_stopped(child.id()))
}

/// What it ends with, if it does in this time.
pub fn ends_within(child: &mut Child, time: Duration) -> Result<ExitStatus, String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        if begun.elapsed() > stretched(time) {
            let state = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it has not ended: {state}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn count(books: &Value, name: &str, expected: u64) -> Outcome {
    same(name, &books[name], &json!(expected)).map_err(|why| format!("{why}; {books}"))
}

fn executions(door: &str) -> Outcome {
    let (good, bad) = (program("good")?, program("bad")?);
    let decide = format!("|e| if e.path == \"{good}\" {{ allow() }} else {{ deny(\"EACCES\") }}");
    let mut shell = shell(door, &asking("exec", &[&good, &bad], &decide, ""))?;
    let task = execute(&ME, &good)?;
    same("held and let go", task.deed, Deed::Done)?;
    same("held and refused", execute(&ME, &bad)?.deed, Deed::Refused(Errno::EACCES))?;
    same("asked again in another process", execute(&ME, &good)?.deed, Deed::Done)?;
    let of_task = |verdict: &'static str| {
        move |line: &Value| line["type"] == "event" && line["pid"] == task.pid && line["verdict"] == verdict
    };
    let asked = shell.wait_for(of_task("ask"))?;
    same("while it is asked it is refused with nothing", &asked["errno"], &json!(0))?;
    let gone_on = shell.wait_for(of_task("allow"))?;
    holds(gone_on["notes"].to_string().contains("answered"), format!("no note: {gone_on}"))?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 3), ("answered", 3), ("allow", 2), ("deny", 1), ("otherwise", 0)] {
        count(books, name, expected)?;
    }
    ended.well()
}

pub fn executed() -> Outcome {
    executions(if by_function() { "fmod_ret" } else { "lsm" })
}

pub fn executed_by_function() -> Outcome {
    executions("fmod_ret")
}

/// Opens files one after the other; done if all could be.
fn open_all(paths: &'static [&'static str]) -> Result<Deed, String> {
    let open = || i32::from(!paths.iter().all(|path| fs::File::open(path).is_ok()));
    Ok(perform(&ME, open)?.deed)
}

pub fn remembered() -> Outcome {
    files()?;
    let decide = "|e| if e.path == \"/tmp/asked-about\" { allow(\"1m\") } else { allow(\"session\").for_executable() }";
    let shell = shell("lsm", &asking("file_open", &[FILE, OTHER], decide, ""))?;
    same("the first process", open_all(&[FILE, FILE, OTHER, OTHER])?, Deed::Done)?;
    same("another one", open_all(&[FILE, FILE, OTHER])?, Deed::Done)?;
    // It grows, and is the same file.
    fs::write(FILE, "more content").map_err(|e| e.to_string())?;
    same("a third", open_all(&[FILE, OTHER])?, Deed::Done)?;
    // Another way to open it is another operation.
    same("for writing", open_file(&ME, OTHER, OFlag::O_WRONLY)?.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    // Each process about the one file, the first about the other, and about writing. That it grew was this suite's, which is spared.
    for (name, expected) in [("asked", 5), ("answered", 5), ("guarded", 1), ("allow", 11)] {
        count(books, name, expected)?;
    }
    ended.well()
}

pub fn continued_and_killed() -> Outcome {
    files()?;
    // The answer takes its time; meanwhile another process continues the process, and it is asked about again.
    let script = asking("file_open", &[FILE], "|e| { sleep(\"2s\"); allow() }", "timeout: \"50s\"");
    let shell = shell("lsm", &script)?;
    let mut child = reader()?;
    held(&child)?;
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGCONT).map_err(|e| e.to_string())?;
    same("continued by another process", ends_within(&mut child, Duration::from_secs(20))?.code(), Some(0))?;
    let mut child = reader()?;
    held(&child)?;
    child.kill().map_err(|e| e.to_string())?;
    same("killed", ends_within(&mut child, Duration::from_secs(5))?.code(), None)?;
    std::thread::sleep(stretched(Duration::from_secs(4)));
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 3), ("answered", 1), ("withdrawn", 2), ("held", 0), ("allow", 1)] {
        count(books, name, expected)?;
    }
    ended.well()
}

pub const SLOW: &str = "|e| { sleep(\"100s\"); allow() }";

pub fn nobody_answers() -> Outcome {
    files()?;
    let settings = "timeout: \"2s\", otherwise: deny(\"EACCES\"), held: 1";
    let shell = shell("lsm", &asking("file_open", &[FILE], SLOW, settings))?;
    let mut child = reader()?;
    held(&child)?;
    let begun = Instant::now();
    same("one too many", open_file(&ME, FILE, OFlag::O_RDONLY)?.deed, Deed::Refused(Errno::EACCES))?;
    holds(begun.elapsed() < stretched(Duration::from_secs(1)), "one too many was held")?;
    // A shell that hangs as a whole.
    shell.signal(Signal::SIGSTOP)?;
    same("its time was up", ends_within(&mut child, Duration::from_secs(5))?.code(), Some(1))?;
    shell.signal(Signal::SIGCONT)?;
    let counted = perform(&ME, || {
        // Traced, it is not held: its stops are the tracer's.
        let _ = ptrace::traceme();
        exit_code(
            fs::File::open(FILE).map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default())),
        )
    });
    same("traced", counted?.deed, Deed::Refused(Errno::EACCES))?;
    drop(shell);
    let script = asking("file_open", &[FILE, OTHER], "|e| allow()", "otherwise: \"allow\"");
    let shell = self::shell("lsm", &script)?;
    fs::remove_file(OTHER).map_err(|e| e.to_string())?;
    let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
    same("just created", open_file(&ME, OTHER, create)?.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 0), ("otherwise", 1), ("allow", 1)] {
        count(books, name, expected)?;
    }
    ended.well()
}

pub fn wakers_of(shell: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        read("cmdline").contains("wake-held") && read("status").contains(&format!("PPid:\t{shell}\n"))
    })
    .collect()
}

pub fn shell_is_killed() -> Outcome {
    files()?;
    let mut shell = shell("lsm", &asking("file_open", &[FILE], SLOW, "timeout: \"10m\""))?;
    // Its wakers go first, and are replaced.
    let wakers = wakers_of(shell.pid());
    same("wakers", wakers.len(), 2)?;
    for waker in &wakers {
        kill(Pid::from_raw(waker.cast_signed()), Signal::SIGKILL).map_err(|e| e.to_string())?;
    }
    until("there are other wakers", Duration::from_secs(10), || {
        let others = wakers_of(shell.pid());
        Ok(others.len() == 2 && others.iter().all(|other| !wakers.contains(other)))
    })?;
    // Until one looks after everything, nothing is held.
    until("something is held again", Duration::from_secs(10), || {
        let mut child = reader()?;
        let stopped = loop {
            if child.try_wait().map_err(|e| e.to_string())?.is_some() {
                break false;
            }
            if is_stopped(child.id())? {
                break true;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let _ = child.kill();
        let _ = child.wait();
        Ok(stopped)
    })?;
    let mut children = (0..8).map(|_| reader()).collect::<Result<Vec<_>, _>>()?;
    children.iter().try_for_each(held)?;
    shell.signal(Signal::SIGKILL)?;
    for child in &mut children {
        same("after the shell's death", ends_within(child, Duration::from_secs(5))?.code(), Some(0))?;
    }
    shell.drain();
    until("the wakers have gone, too", Duration::from_secs(10), || Ok(wakers_of(1).is_empty()))
}

pub fn threads() -> Outcome {
    files()?;
    let shell = shell("lsm", &asking("file_open", &[FILE], "|e| { sleep(\"200ms\"); allow() }", ""))?;
    let task = perform(&ME, || {
        let slept = std::thread::spawn(|| {
            let long = libc::timespec { tv_sec: 1, tv_nsec: 0 };
            // SAFETY: a call that reads a time of this thread's own.
            unsafe { libc::nanosleep(&raw const long, std::ptr::null_mut()) }
        });
        let open = || std::thread::spawn(|| fs::File::open(FILE).is_ok());
        let opened: Vec<_> = (0..4).map(|_| open()).collect();
        let opened = opened.into_iter().all(|thread| thread.join().is_ok_and(|opened| opened));
        // A sleep that is stopped goes on, and is not interrupted.
        i32::from(!(opened && slept.join().is_ok_and(|result| result == 0)))
    })?;
    same("threads", task.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("answered", 4), ("allow", 4), ("deny", 0), ("held", 0)] {
        count(books, name, expected)?;
    }
    ended.well()
}

pub fn rehearsed() -> Outcome {
    files()?;
    let script = asking("file_open", &[FILE], "|e| deny()", "");
    let in_shadow = script.replace(".attach()", ".shadow().attach()");
    holds(in_shadow != script, "nothing was changed")?;
    for words in
        [&["--format", "json", "--audit", "-e", &script][..], &["--format", "json", "-e", &in_shadow]]
    {
        let mut shell = Shell::start(words)?;
        shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready")?;
        let task = open_file(&ME, FILE, OFlag::O_RDONLY)?;
        same("rehearsed", task.deed, Deed::Done)?;
        same("the event", &shell.event(task.pid, FILE)?["verdict"], &json!("would-ask"))?;
        let ended = shell.stop()?;
        count(ended.books("t")?, "would_ask", 1)?;
        ended.well()?;
    }
    Ok(())
}

/// Whoever sits at the prompt is asked, and types the answer while the session goes on.
pub fn at_the_prompt() -> Outcome {
    files()?;
    let (mut shell, mut keyboard) = Shell::at_terminal(&["--format", "json", "--no-init"])?;
    let mut type_line = |line: &str| writeln!(keyboard, "{line}").map_err(|e| format!("cannot type: {e}"));
    type_line(&format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).name(\"t\").ask().attach(); print(\"ready\");",
        std::process::id()
    ))?;
    shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready")?;
    // What is held when the probe goes, goes on.
    let mut child = reader()?;
    held(&child)?;
    type_line("p.detach(); p.attach(); print(\"again\");")?;
    same("detached", ends_within(&mut child, Duration::from_secs(10))?.code(), Some(0))?;
    shell.wait_for(|line| line["type"] == "print" && line["text"] == "again")?;
    for (letter, code) in [("a", 0), ("d", 1), ("m", 0), ("s", 0)] {
        let mut child = reader()?;
        held(&child)?;
        shell.wait_for(|line| line["verdict"] == "ask" && line["pid"] == child.id())?;
        type_line(&format!(":answer {letter}"))?;
        if letter == "m" {
            // More is told, and it is still to be answered.
            std::thread::sleep(stretched(Duration::from_millis(300)));
            held(&child)?;
            type_line(":answer a")?;
        }
        same(letter, ends_within(&mut child, Duration::from_secs(10))?.code(), Some(code))?;
    }
    // For this session: in other processes, too.
    same("allowed in this session", reader()?.wait().map_err(|e| e.to_string())?.code(), Some(0))?;
    type_line("exit(0)")?;
    let ended = shell.end()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 5), ("answered", 4), ("withdrawn", 1), ("allow", 4), ("deny", 1)] {
        count(books, name, expected)?;
    }
    ended.well()
}

/// Acts of every template that can ask: each is held and goes on, or cannot be held and is told so. None sees another errno.
pub fn every_template() -> Outcome {
    let catalogue = super::catalogue()?;
    let can_ask = |case: &&Case| {
        catalogue
            .get(case.template)
            .is_some_and(|template| template.can_deny && template.cannot_ask.is_none())
    };
    let cases: Vec<_> = TABLE.iter().filter(can_ask).filter(|case| case.acts().next().is_some()).collect();
    fs::create_dir_all(ACTOR.cgroup.unwrap_or_default()).map_err(|e| e.to_string())?;
    cases.iter().try_for_each(|case| (case.prepare)())?;
    let attaching = |case: &&Case| {
        let Case { template, params, .. } = case;
        format!(
            "probe(\"{template}\", #{{{params}}}).scope(#{{comm: \"{template}\"}}).ask(|e| allow(), #{{otherwise: \"allow\"}}).name(\"{template}\").attach(); "
        )
    };
    let statements: Vec<_> = cases.iter().map(attaching).collect();
    let shell = Shell::with_probes(&statements)?;
    let mut wrong = Vec::new();
    let mut acts = Vec::new();
    for case in &cases {
        for act in case.acts() {
            let performed = case.acting(act.perform)?;
            let done = same("came to", performed.task.deed, Deed::Done);
            wrong.extend(done.err().map(|why| format!("{}: {}: {why}", case.template, act.name)));
        }
        acts.push((case.template, case.acts().count() as u64));
    }
    let ended = shell.stop()?;
    for (template, acts) in acts {
        let books = ended.books(template)?;
        let n = |name: &str| books[name].as_u64().unwrap_or_default();
        let fine = n("answered") > 0 && n("answered") + n("otherwise") >= acts && n("allow") >= acts;
        if !fine || n("asked") != n("answered") {
            wrong.push(format!("{template}, {acts} acts: {books}"));
        }
    }
    holds(wrong.is_empty(), wrong.join("; "))?;
    ended.well()
}
