//! The guards and mitigations of the library: each refuses what is done and lets a look-alike be; rehearsed, it refuses nothing.
//!
//! One after the other, since they are about everybody. What is done for a case is done under a group id of its own, by which an alert
//! is known to be about it; the kernel's verdict stands in the alert's event.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    Outcome,
    ask::ends_within,
    deeds::DEED,
    exec::program,
    holds,
    hunts::{Hunted, Hunting, LIBRARY, READY, act, of_group},
    pace::until,
    same,
    shell::Shell,
};
use crate::hunt_cases::{Act, FIRST_GUARDED, GUARDS, GuardCase};

/// A quarter of them.
pub fn first_quarter() -> Outcome {
    guarded(|index| index * 4 / GUARDS.len() == 0)
}

pub fn second_quarter() -> Outcome {
    guarded(|index| index * 4 / GUARDS.len() == 1)
}

pub fn third_quarter() -> Outcome {
    guarded(|index| index * 4 / GUARDS.len() == 2)
}

pub fn last_quarter() -> Outcome {
    guarded(|index| index * 4 / GUARDS.len() == 3)
}

fn guarded(wanted: impl Fn(usize) -> bool) -> Outcome {
    let mut troubles = Vec::new();
    for (index, case) in GUARDS.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let group = FIRST_GUARDED + 2 * u32::try_from(index).unwrap_or_default();
        if let Err(why) = judged(case, group) {
            troubles.push(format!("{}: {why}", case.script));
        }
    }
    holds(troubles.is_empty(), troubles.join("\n"))
}

fn judged(case: &GuardCase, group: u32) -> Outcome {
    for before in case.before {
        act(*before, 0)?;
    }
    let (rehearsed, code) = done(case, &["--shadow"], group)?;
    says(case, &rehearsed, group, "would-deny")?;
    holds(!tells_by_code(case.refused) || code == Some(0), format!("rehearsed, it came to {code:?}"))?;
    let (refused, code) = done(case, &[], group)?;
    says(case, &refused, group, "deny")?;
    holds(!tells_by_code(case.refused) || code != Some(0), "what was to be refused has succeeded")?;
    same("its exit code", refused.code, Some(4))
}

/// What a deed of the suite's own comes to says nothing: the kernel may lack what was tried.
fn tells_by_code(act: Act) -> bool {
    !matches!(act, Act::Deed(_) | Act::UserDeed(_))
}

/// Both acts under the guard; what that has said, and what the first came to.
fn done(case: &GuardCase, words: &[&str], group: u32) -> Result<(Hunted, Option<i32>), String> {
    let is_mitigation = case.script.starts_with("mitigations/");
    let mut words: Vec<&str> = case.words.iter().chain(words).copied().collect();
    if is_mitigation {
        words.extend(["--rehearse", "1ms"]);
    }
    let mut guard = Hunting::start(&format!("{LIBRARY}/{}.rhai", case.script), &words)?;
    if is_mitigation && !words.contains(&"--shadow") {
        guard.waits_for("from now on it refuses")?;
    }
    guard.waits_for(READY)?;
    let alike = act(case.look_alike, group + 1)?;
    let code = act(case.refused, group)?;
    until("it is told", Duration::from_secs(3), || {
        Ok(guard.has_said(|line| line["type"] == "alert" && line["event"]["gid"] == group))
    })
    .ok();
    let hunted = guard.end()?;
    holds(!tells_by_code(case.look_alike) || alike == Some(0), format!("the look-alike came to {alike:?}"))?;
    let of_alike: Vec<_> = of_group(&hunted, group + 1).map(|alert| alert["text"].clone()).collect();
    holds(of_alike.is_empty(), format!("it takes the look-alike for it: {of_alike:?}"))?;
    Ok((hunted, code))
}

/// An alert says what it has to, with this verdict.
fn says(case: &GuardCase, hunted: &Hunted, group: u32, verdict: &str) -> Outcome {
    let is_so = |alert: &&Value| {
        alert["event"]["verdict"] == verdict
            && alert["text"].as_str().is_some_and(|text| text.contains(case.says))
    };
    let all: Vec<_> =
        of_group(hunted, group).map(|alert| (&alert["text"], &alert["event"]["verdict"])).collect();
    let books: Vec<_> = hunted.of("books").map(Value::to_string).collect();
    holds(
        of_group(hunted, group).any(|alert| is_so(&alert)),
        format!("no {verdict} of `{}`, but {all:?}; {}; {}", case.says, hunted.stderr, books.join("\n")),
    )
}

/// A guard that asks a person: what is approved is not asked about again, in another session either; and what is refused is refused.
fn asked(script: &str, words: &[&str], deed: impl Fn() -> Result<Command, String>) -> Outcome {
    let _ = fs::remove_dir_all("/var/lib/krsi-sh/state");
    let mut first = Asking::start(script, words)?;
    for (letter, code) in [("d", false), ("a", true)] {
        let mut child = started(deed()?)?;
        first.shell.wait_for(|line| line["verdict"] == "ask" && line["pid"] == child.id())?;
        first.types(&format!(":answer {letter}"))?;
        first.ends(&mut child, letter, code)?;
    }
    first.ends(&mut started(deed()?)?, "approved", true)?;
    first.types("exit(0)")?;
    let ended = first.shell.end()?;
    let mut second = Asking::start(script, words)?;
    second.ends(&mut started(deed()?)?, "in another session", true)?;
    second.types("exit(0)")?;
    second.shell.end()?.well()?;
    ended.well()
}

/// A guard at a prompt.
struct Asking {
    shell: Shell,
    keyboard: File,
}

impl Asking {
    fn start(script: &str, words: &[&str]) -> Result<Self, String> {
        let path = format!("{LIBRARY}/guards/{script}.rhai");
        let all = ["--format", "json", "run", "-i", &path];
        let (shell, keyboard) =
            Shell::at_terminal(&all.into_iter().chain(words.iter().copied()).collect::<Vec<_>>())?;
        let mut asking = Asking { shell, keyboard };
        asking.types("print(\"ready\")")?;
        asking.shell.wait_for(|line| line["text"] == "ready")?;
        Ok(asking)
    }

    fn types(&mut self, line: &str) -> Outcome {
        writeln!(self.keyboard, "{line}").map_err(|e| format!("cannot type: {e}"))
    }

    /// What was held goes on, and comes to that.
    fn ends(&mut self, child: &mut Child, what: &str, well: bool) -> Outcome {
        let ended = ends_within(child, Duration::from_secs(20));
        let ended = ended.map_err(|error| {
            self.shell.drain();
            format!("{what}: {error}; {:?}", self.shell.seen)
        })?;
        same(what, ended.success(), well)
    }
}

fn started(mut command: Command) -> Result<Child, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|e| e.to_string())
}

pub fn executables() -> Outcome {
    let new = program("new-one")?;
    asked("new-executables", &["--user", "1000"], || {
        // A shell of the user's executes it, so that it is nobody's spawn that waits.
        let mut command = Command::new("/bin/busybox");
        command.args(["sh", "-c", &format!("exec -a true {new}")]).uid(1000);
        Ok(command)
    })
}

pub fn connections() -> Outcome {
    const ADDRESS: &str = "127.0.0.1:2299";
    let service = "/lab/suite";
    let _listener = std::net::TcpListener::bind(ADDRESS).map_err(|e| e.to_string())?;
    asked("first-connections", &["--exe", service, "--networks", "127.0.0.53"], || {
        let mut command = Command::new(service);
        command.args([DEED, &format!("talk to {ADDRESS}")]);
        Ok(command)
    })
}
