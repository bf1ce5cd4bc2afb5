//! Claims about `when(…)`: what the closure says is decided in the kernel.

use std::{
    fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use krsi_sh::{kernel::bench::test_run::TestRun, script::equivalence::Closure};
use nix::{errno::Errno, fcntl::OFlag, sys::signal::Signal};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{
    Outcome,
    cases::has_hook,
    holds, same,
    shell::{Shell, attaching},
    task::{Deed, Identity, ME, open_file},
};
use crate::{filter_cases, filter_needles};

const NO_ACCESS: Deed = Deed::Refused(Errno::EACCES);

fn task(uid: u32) -> Identity<'static> {
    Identity { uid, gid: uid, ..ME }
}

/// A file that everyone may read.
fn file(path: &str) -> Result<(), String> {
    let directory = Path::new(path).parent().ok_or("no directory")?;
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    fs::write(path, "content").map_err(|e| format!("{path}: {e}"))
}

fn open(uid: u32, path: &str) -> Result<Deed, String> {
    file(path)?;
    open_file(&task(uid), path, OFlag::O_RDONLY).map(|task| task.deed)
}

fn probe(template: &str, filter: &str, rest: &str) -> String {
    format!(
        "let p = probe(\"{template}\").scope(#{{pid: {}}}).when({filter}).deny(\"EACCES\"){rest}.name(\"t\"); p.attach(); print(\"ready\");",
        std::process::id()
    )
}

/// Each field that the first stage can ask about has the value there that it has in an event.
pub fn first_stage() -> Outcome {
    let shell = Shell::ready(&probe("file_open", "|e| e.path == \"/tmp/when/early\"", ".shadow()"))?;
    open(1000, "/tmp/when/early")?;
    let ended = shell.stop()?;
    // The file is made by another task.
    let event = ended.events().find(|event| event["uid"] == 1000).ok_or("no event")?;
    let same_value = |name: &str| format!("e.{name} == {}", event[name]);
    let alike = ["cgroup", "ppid", "uid", "euid", "gid", "loginuid", "session"];
    let alike = alike.into_iter().chain(["pid_ns", "mnt_ns", "user_ns", "comm", "parent_comm"]);
    // Another process opens the file again.
    let own = ["e.pid > 1", "e.tid == e.pid", "e.start_ns > 1"].map(str::to_owned);
    let parts: Vec<String> = alike.map(same_value).chain(own).collect();
    let matched = |condition: &str| -> Result<u64, String> {
        let shell = Shell::ready(&probe("file_open", &format!("|e| {condition}"), ".shadow()"))?;
        open(1000, "/tmp/when/early")?;
        let ended = shell.stop()?;
        Ok(ended.events().filter(|event| event["path"] == "/tmp/when/early").count() as u64)
    };
    same("all of them", matched(&parts.join(" && "))?, 1)?;
    let none = parts.iter().map(|part| format!("!({part})")).collect::<Vec<_>>().join(" || ");
    same("none of them", matched(&format!("e.uid == 1000 && ({none})"))?, 0)
}

pub fn uid_and_prefix() -> Outcome {
    let shell = Shell::ready(&probe(
        "file_open",
        "|e| e.uid == 1000 && e.path.starts_with(\"/tmp/when/\") && \"read\" in e.access",
        "",
    ))?;
    same("both hold", open(1000, "/tmp/when/a")?, NO_ACCESS)?;
    same("another user", open(0, "/tmp/when/a")?, Deed::Done)?;
    same("another directory", open(1000, "/tmp/whenever")?, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("denials", books["deny"].as_u64(), Some(1))?;
    holds(books["filtered"].as_u64() >= Some(2), format!("what the filter lets go is counted: {books}"))?;
    ended.well()
}

pub fn texts() -> Outcome {
    let shell = Shell::ready(&probe(
        "file_open",
        "|e| e.path.ends_with(\".key\") || e.path.contains(\"/secret-\") || e.path.like(\"/tmp/when/*/deep/*.so\") \
         || e.path in [\"/tmp/when/this\", \"/tmp/when/that\"] || (e.comm.contains(\"nick\") && e.path.starts_with(\"/tmp/when/c\"))",
        "",
    ))?;
    let long = format!("/tmp/when/{}/secret-x", "d".repeat(240));
    for denied in
        ["/tmp/when/a.key", "/tmp/when/secret-1", "/tmp/when/x/y/deep/z.so", "/tmp/when/that", &long]
    {
        same(denied, open(0, denied)?, NO_ACCESS)?;
    }
    for allowed in
        ["/tmp/when/a.keys", "/tmp/when/secret", "/tmp/when/deep/z.so", "/tmp/when/thatt", "/tmp/when/comm"]
    {
        same(allowed, open(0, allowed)?, Deed::Done)?;
    }
    let named = Identity { comm: Some("a-nickname"), ..ME };
    same("by comm", open_file(&named, "/tmp/when/comm", OFlag::O_RDONLY)?.deed, NO_ACCESS)?;
    shell.stop()?.well()
}

pub fn captured() -> Outcome {
    let script = format!(
        "let home = \"/tmp/when/first/\"; fn below(path, home) {{ path.starts_with(home) }} \
         let p = probe(\"file_open\").scope(#{{pid: {}}}).when(|e| below(e.path, home)).deny(\"EACCES\").name(\"t\"); \
         home = \"/tmp/when/second/\"; p.attach(); home = \"/tmp/when/first/\"; print(\"ready\");",
        std::process::id()
    );
    let shell = Shell::ready(&script)?;
    same("before the attach", open(0, "/tmp/when/first/x")?, Deed::Done)?;
    same("at the attach", open(0, "/tmp/when/second/x")?, NO_ACCESS)?;
    shell.stop()?.well()
}

/// Numbers and names of which the code has no room for a comparison each.
pub fn large_sets() -> Outcome {
    let script = |filter: &str| {
        format!(
            "let users = []; let names = []; \
             for i in 0..4000 {{ users.push(1000 + 3 * i); names.push(`name-${{i}}`); }} \
             let p = probe(\"file_open\", #{{path_prefix: \"/tmp/when/\"}}).scope(#{{pid: {}}}).when({filter}).deny(\"EACCES\").name(\"t\"); \
             p.attach(); print(\"ready\");",
            std::process::id()
        )
    };
    let shell = Shell::ready(&script("|e| e.uid in users && e.path.ends_with(\"/set\")"))?;
    same("the first", open(1000, "/tmp/when/set")?, NO_ACCESS)?;
    same("the last", open(12_997, "/tmp/when/set")?, NO_ACCESS)?;
    same("between two", open(1001, "/tmp/when/set")?, Deed::Done)?;
    same("another file", open(1000, "/tmp/when/other")?, Deed::Done)?;
    shell.stop()?.well()?;
    let named = |comm: &str| {
        let task = Identity { comm: Some(comm), ..ME };
        open_file(&task, "/tmp/when/set", OFlag::O_RDONLY).map(|task| task.deed)
    };
    let shell = Shell::ready(&script("|e| e.comm in names && !(e.uid in users)"))?;
    same("a name", named("name-3999")?, NO_ACCESS)?;
    same("the beginning of one", named("name-")?, Deed::Done)?;
    same("no name", named("name-4000")?, Deed::Done)?;
    shell.stop()?.well()
}

pub fn trouble() -> Outcome {
    let filter = "|e| e.path.starts_with(\"/tmp/when/\") && e.pid * 9223372036854775807 > 0";
    let shell = Shell::ready(&probe("file_open", filter, ""))?;
    same("by default", open(0, "/tmp/when/trouble")?, Deed::Done)?;
    let ended = shell.stop()?;
    holds(ended.books("t")?["errors"].as_u64() > Some(0), "it is counted as an error")?;
    ended.well()?;
    let shell = Shell::ready(&probe("file_open", filter, ".on_error(\"deny\")"))?;
    same("on_error deny", open(0, "/tmp/when/trouble")?, NO_ACCESS)?;
    shell.stop()?.well()
}

/// A filter that says what follows, as the mode lets it.
pub fn verdicts() -> Outcome {
    let filter = "|e| if !e.path.starts_with(\"/tmp/when/\") { false } else if e.path.ends_with(\"free\") { allow } \
                  else if e.uid == 1000 { kill(\"SIGKILL\") } else if \"write\" in e.access { true } else { deny(\"ENOENT\") }";
    file("/tmp/when/closed")?;
    file("/tmp/when/free")?;
    let shell = Shell::ready(&probe("file_open", filter, ""))?;
    let open = |uid: u32, path: &str, how: OFlag| open_file(&task(uid), path, how).map(|task| task.deed);
    same("allowed", open(1000, "/tmp/when/free", OFlag::O_RDONLY)?, Deed::Done)?;
    same("refused", open(0, "/tmp/when/closed", OFlag::O_RDONLY)?, Deed::Refused(Errno::ENOENT))?;
    same("as the mode says", open(0, "/tmp/when/closed", OFlag::O_WRONLY)?, NO_ACCESS)?;
    same("killed", open(1000, "/tmp/when/closed", OFlag::O_RDONLY)?, Deed::Killed(Signal::SIGKILL as i32))?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    let counted = ["allow", "deny", "kill"].map(|name| books[name].as_u64());
    same("books", counted, [Some(1), Some(2), Some(1)])?;
    ended.well()?;
    let shell = Shell::ready(&probe("file_open", filter, "").replace(".deny(\"EACCES\")", ".shadow()"))?;
    same("in mode shadow", open(1000, "/tmp/when/closed", OFlag::O_RDONLY)?, Deed::Done)?;
    same("allowed in mode shadow", open(1000, "/tmp/when/free", OFlag::O_RDONLY)?, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("books of shadow", ["allow", "would_deny"].map(|name| books[name].as_u64()), [Some(1), Some(1)])?;
    ended.well()
}

/// What cannot be compiled is asked in user space, after the kernel has decided; a condition that fails loses nothing.
pub fn in_user_space() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "let p = probe(\"file_open\", #{{path_prefix: \"/tmp/where/\"}}).scope(#{{pid: {}}}).name(\"t\") \
         .where_user(|e| {{ if e.path.ends_with(\"broken\") {{ throw \"broken\" }} e.path.split(\"/\").len() == 4 }}); \
         p.attach(); print(\"ready\");",
        std::process::id()
    ))?;
    for path in ["/tmp/where/deep/er", "/tmp/where/broken", "/tmp/where/last"] {
        same(path, open(0, path)?, Deed::Done)?;
    }
    let path_is = |line: &serde_json::Value, path: &str| line["type"] == "event" && line["path"] == path;
    shell.wait_for(|line| path_is(line, "/tmp/where/last"))?;
    let ended = shell.stop()?;
    let told = |path: &str| ended.lines.iter().filter(|line| path_is(line, path)).count();
    // The suite creates each file first: that is an open, too.
    same("what the condition lets go", told("/tmp/where/deep/er"), 0)?;
    same("where it fails", told("/tmp/where/broken"), 2)?;
    same("what it lets pass", told("/tmp/where/last"), 2)?;
    let books = ended.books("t")?;
    same("all were delivered", books["delivered"].as_u64(), Some(6))?;
    holds(
        ended.stderr.contains("the condition of probe `t`"),
        format!("the failure is told: {}", ended.stderr),
    )?;
    same("exit", ended.code, Some(0))
}

/// Arguments, which have no place of their own in the event.
pub fn lists() -> Outcome {
    let filter = "|e| e.argv.len() == 3 && e.argv[1] == \"-c\" && e.argv.any(|a| a.to_ascii_lower() == \"forbidden\") && e.cwd == \"/\"";
    let script = format!(
        "let p = probe(\"exec\", #{{args: true}}).scope(#{{pid: {}}}).when({filter}).deny().name(\"t\"); p.attach(); print(\"ready\");",
        std::process::id()
    );
    let shell = Shell::ready(&script)?;
    let run = |arguments: &[&str]| {
        let status = Command::new("/bin/busybox").current_dir("/").arg0("sh").args(arguments).status();
        status.map(|status| status.signal()).map_err(|e| e.to_string())
    };
    same("all hold", run(&["-c", "FORBIDDEN"])?, Some(Signal::SIGKILL as i32))?;
    same("another word", run(&["-c", ":"])?, None)?;
    same("one more argument", run(&["-c", ":", "forbidden"])?, None)?;
    same("none", run(&["--help"])?, None)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("no trouble", books["errors"].as_u64(), Some(0))?;
    same("one denial", books["kill"].as_u64(), Some(1))?;
    ended.well()
}

/// As much as the compiler lets pass, where it is the most: a template with two programs, one with the longest
/// event and text. The verifier must take it. (Random filters of every template go through the host's verifier.)
pub fn largest() -> Outcome {
    let texts = "|e| e.path.contains(\"aaaaaaaa1\") || e.path.contains(\"bbbbbbbb2c\") || e.path.contains(\"c\") && e.exe.contains(\"dddd\") \
                 || e.path.like(\"/x*y*z\") || e.comm.ends_with(\"q\") || e.exe.ends_with(\"/bin/false\")";
    let numbers = "|e| { let a = e.uid * e.pid * e.ppid; let b = a / (e.gid + 1) % 7; let c = e.path.contains(\"/a\"); let d = e.exe.contains(\"b\"); \
                   let f = if c == d { a } else { b }; (f > 3 || c) && (f < 9 || d) && (a != b || c != d) && (f % 3 == 1 || e.path.contains(\"zz\")) }";
    let lists = "|e| e.env_value.to_ascii_lower().contains(\"evil\")";
    let largest = [("connect", texts), ("exec_unlink", numbers), ("exec", lists)];
    let usual = "|e| e.uid * e.pid > 7 && e.comm.ends_with(\"q\")";
    let catalogue = super::catalogue()?;
    let here = catalogue.iter().filter(|template| template.hooks.iter().any(|hook| has_hook(hook)));
    let others = here
        .map(|template| template.name.as_str())
        .filter(|name| largest.iter().all(|(template, _)| template != name));
    let all = largest.into_iter().chain(others.into_iter().map(|template| (template, usual)));
    // `module` is a word of Rhai's own.
    let loading = |(template, filter): (&str, &str)| {
        attaching(&format!("{template}_probe"), template, "", &format!(".when({filter})"))
    };
    // Which of them is refused, if one is, the shell says.
    Shell::with_probes(&all.map(loading).collect::<Vec<_>>())?.stop()?.well()
}

/// The real verifier takes what the compiler emits, and the kernel computes what Rhai does.
pub fn equivalence() -> Outcome {
    /// Verifying takes its time in software emulation.
    const PATIENCE: Duration = Duration::from_secs(20);
    const LEAST: usize = 10;
    const MOST: usize = 200;
    let catalogue = super::catalogue()?;
    let template = catalogue.get("file_open").ok_or("no file_open")?;
    let carrier = TestRun::new(template.event_size).map_err(|e| e.to_string())?;
    let mut runner = TestRunner::deterministic();
    let cases = filter_cases::case(template);
    let begun = Instant::now();
    for done in 0..MOST {
        if done >= LEAST && begun.elapsed() > PATIENCE {
            break;
        }
        let case = cases.new_tree(&mut runner).map_err(|e| e.to_string())?.current();
        // Some are beyond Rhai's syntax or too large, which the host's test keeps an eye on.
        let Ok(Ok(compiled)) = Closure::new(&case.script).map(|closure| closure.compile(template)) else {
            continue;
        };
        let told = |e: &dyn std::fmt::Display| format!("{e}\n{}\n{}", case.script, compiled.explain());
        let ran = carrier.run(&compiled.code, &case.events).map_err(|e| told(&e))?;
        for (event, ran) in case.events.iter().zip(ran) {
            let expected = match compiled.filter.evaluate(event) {
                Ok(answer) => answer.code().cast_unsigned(),
                Err(_) => 2,
            };
            same("the kernel's answer", ran.answer, expected).map_err(|e| told(&e))?;
        }
    }
    Ok(())
}

/// Filters with as many words as public rules have: the largest, and a sample of the others.
pub fn needles() -> Outcome {
    /// Verifying takes its time in software emulation.
    const PATIENCE: Duration = Duration::from_secs(20);
    const FILTERS: usize = 500;
    /// Larger ones take too long to compile in a guest: the host's test has them.
    const WORDS: usize = 200;
    const LARGEST: usize = 3;
    const LEAST: usize = 6;
    const ONE_IN: usize = 12;
    let catalogue = super::catalogue()?;
    let template = catalogue.get("exec").ok_or("no exec")?;
    let carrier = TestRun::new(template.event_size).map_err(|e| e.to_string())?;
    let filters = filter_needles::filters(FILTERS);
    // The largest come first, and then, downwards, one in so many.
    let downwards = filters.iter().rev().filter(|filter| filter.needles <= WORDS).enumerate();
    let some = downwards.filter(|(number, _)| *number < LARGEST || number % ONE_IN == 0);
    let begun = Instant::now();
    let event = vec![0; template.event_size];
    for (done, (_, filter)) in some.enumerate() {
        if done >= LEAST && begun.elapsed() > PATIENCE {
            break;
        }
        let told = |e: &dyn std::fmt::Display| format!("{} words: {e}\n{}", filter.needles, filter.script);
        let closure = Closure::new(&filter.script).map_err(|e| told(&e))?;
        let compiled = closure.compile(template).map_err(|e| told(&e))?;
        let ran = carrier.run(&compiled.code, std::slice::from_ref(&event)).map_err(|e| told(&e))?;
        let expected = compiled.filter.evaluate(&event).map_or(2, |answer| answer.code().cast_unsigned());
        same("the kernel's answer", ran[0].answer, expected).map_err(|e| told(&e))?;
    }
    Ok(())
}
