//! The hunts of the library: each finds what is really done, and leaves a look-alike alone.
//!
//! All are run at once, each by a process of its own as people run them, so that one boot is enough and every deed is seen by all.
//! Each deed is done under a group id of its own (`tests/hunts/cases.rs`), by which a finding is known to be about it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{
    Outcome,
    deeds::DEED,
    holds,
    pace::{stretched, until},
    same,
    shell::SHELL,
};
use crate::hunt_cases::{Act, CASES, FIRST_GROUP, HuntCase};

/// What their claims are listed under.
pub const TEMPLATE: &str = "hunts";
/// The same for those that are made on the oldest kernel.
pub const OLDEST: &str = "hunts on the oldest kernel";
/// Where the guest has the scripts, each in its directory.
pub const LIBRARY: &str = "/lab/scripts";
/// Those directories.
const DIRECTORIES: [&str; 3] = ["hunts", "guards", "mitigations"];
/// What a session says once its probes are attached and its script is done.
pub const READY: &str = "the script is done";
/// Of the guest.
const PROCESSORS: usize = 2;

/// The library's scripts: where each is on the host, and in the guest.
pub fn scripts() -> std::io::Result<Vec<(PathBuf, PathBuf)>> {
    let jail = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/jail.rhai");
    let mut paths = vec![(jail, PathBuf::from(LIBRARY).join("jail.rhai"))];
    for directory in DIRECTORIES {
        let host = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts").join(directory);
        let guest = PathBuf::from(LIBRARY).join(directory);
        for entry in fs::read_dir(host)? {
            let path = entry?.path();
            let there = guest.join(path.file_name().unwrap_or_default());
            paths.push((path, there));
        }
    }
    paths.sort();
    Ok(paths)
}

/// A hunt that is under way.
pub struct Hunting {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    stdout: Option<JoinHandle<()>>,
    stderr: Receiver<String>,
    said: String,
}

/// What has become of one.
pub struct Hunted {
    pub code: Option<i32>,
    pub lines: Vec<Value>,
    pub stderr: String,
}

impl Hunting {
    pub fn start(script: &str, words: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(SHELL);
        command.args(["--format", "json", "run", script]).args(words);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{script}: {error}"))?;
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let stdout = child.stdout.take().map(|stdout| {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    lines
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(serde_json::from_str::<Value>(&line));
                }
            })
        });
        let errors = child.stderr.take().ok_or("no standard error")?;
        let (send, stderr) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Hunting { child, lines, stdout, stderr, said: String::new() })
    }

    /// Waits until it hunts.
    pub fn ready(&mut self) -> Outcome {
        self.waits_for(READY)
    }

    /// Waits until it has said this on standard error.
    pub fn waits_for(&mut self, text: &str) -> Outcome {
        let until = Instant::now() + stretched(Duration::from_secs(120));
        while !self.said.contains(text) {
            match self.stderr.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.extend([&line, "\n"]),
                Err(error) => return Err(format!("it does not say `{text}` ({error}): {}", self.said)),
            }
        }
        Ok(())
    }

    /// Whether it has said something that is so.
    pub fn has_said(&self, is_so: impl Fn(&Value) -> bool) -> bool {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_so)
    }

    pub fn end(self) -> Result<Hunted, String> {
        self.told_to_end()?;
        self.ended()
    }

    fn told_to_end(&self) -> Outcome {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).map_err(|e| e.to_string())
    }

    fn ended(mut self) -> Result<Hunted, String> {
        let code = self.child.wait().map_err(|e| e.to_string())?.code();
        if let Some(reading) = self.stdout.take() {
            let _ = reading.join();
        }
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        let stderr =
            self.stderr.iter().fold(std::mem::take(&mut self.said), |said, line| said + line.as_str() + "\n");
        Ok(Hunted { code, lines, stderr })
    }
}

impl Hunted {
    pub fn of<'h>(&'h self, kind: &'h str) -> impl Iterator<Item = &'h Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    pub fn outcome(&self) -> Value {
        self.of("hunt").next().cloned().unwrap_or_default()
    }
}

/// Does something, and waits for its end; gives its exit code.
pub fn act(act: Act, group: u32) -> Result<Option<i32>, String> {
    let shell = |code: &str| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", code]);
        command
    };
    let deed = |name: &str| {
        let mut command = Command::new("/lab/suite");
        command.args([DEED, name]);
        command
    };
    let (mut command, user) = match act {
        Act::Sh(code) => (shell(code), None),
        Act::User(code) => (shell(code), Some(1000)),
        Act::As(path, code) => {
            if let Some(directory) = PathBuf::from(path).parent() {
                fs::create_dir_all(directory).map_err(|e| e.to_string())?;
            }
            if fs::metadata(path).is_err() {
                fs::copy("/bin/busybox", path).map_err(|e| format!("{path}: {e}"))?;
            }
            let mut command = Command::new(path);
            command.arg0("sh").args(["-c", code]);
            (command, None)
        }
        Act::Deed(name) => (deed(name), None),
        Act::UserDeed(name) => (deed(name), Some(1000)),
    };
    command.gid(group);
    if let Some(user) = user {
        command.uid(user);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(|status| status.code()).map_err(|error| format!("{act:?}: {error}"))
}

pub fn of_group(hunted: &Hunted, group: u32) -> impl Iterator<Item = &Value> {
    hunted.of("alert").filter(move |alert| alert["event"]["gid"] == group)
}

/// All of them, a quarter at a time: more at once have no room in the guest's memory.
pub fn first_quarter() -> Outcome {
    hunted(|index, _| index * 4 / CASES.len() == 0)
}

pub fn second_quarter() -> Outcome {
    hunted(|index, _| index * 4 / CASES.len() == 1)
}

pub fn third_quarter() -> Outcome {
    hunted(|index, _| index * 4 / CASES.len() == 2)
}

pub fn last_quarter() -> Outcome {
    hunted(|index, _| index * 4 / CASES.len() == 3)
}

/// Some of them, of which the verifier has most to do, or whose template is unlike on old kernels.
pub fn demanding() -> Outcome {
    const DEMANDING: [&str; 4] = ["cron-persistence", "ld-preload", "process-injection", "web-shell"];
    hunted(|_, case| DEMANDING.contains(&case.hunt))
}

fn hunted(wanted: impl Fn(usize, &HuntCase) -> bool) -> Outcome {
    let cases: Vec<(usize, &HuntCase)> =
        CASES.iter().enumerate().filter(|(index, case)| wanted(*index, case)).collect();
    let mut troubles = Vec::new();
    together(&cases, &mut troubles)?;
    holds(troubles.is_empty(), troubles.join("\n"))
}

fn together(cases: &[(usize, &'static HuntCase)], troubles: &mut Vec<String>) -> Outcome {
    for (_, case) in cases {
        case.before.iter().try_for_each(|before| act(*before, 0).map(drop))?;
    }
    let mut hunting = Vec::new();
    for (index, case) in cases {
        let started = Hunting::start(&format!("{LIBRARY}/hunts/{}.rhai", case.hunt), case.words)?;
        hunting.push((*index, *case, started));
        // As many at a time as there are processors: they would only wait for each other.
        let waits = hunting.len().saturating_sub(PROCESSORS);
        hunting
            .get_mut(waits)
            .map_or(Ok(()), |(_, case, one)| one.ready().map_err(|why| format!("{}: {why}", case.hunt)))?;
    }
    for (_, case, one) in &mut hunting {
        one.ready().map_err(|why| format!("{}: {why}", case.hunt))?;
    }
    for (index, case, _) in &hunting {
        let group = group(*index);
        case.look_alike.iter().try_for_each(|deed| act(*deed, group + 1).map(drop))?;
        case.enact.iter().try_for_each(|deed| act(*deed, group).map(drop))?;
    }
    // What has happened is in the queues by now, and is handled within this time.
    std::thread::sleep(stretched(Duration::from_secs(2)));
    hunting.iter().try_for_each(|(_, _, one)| one.told_to_end())?;
    for (index, case, one) in hunting {
        let hunted = one.ended()?;
        if let Err(why) = judge(case, group(index), &hunted) {
            troubles.push(format!("{}: {why}", case.hunt));
        }
        if let Some(alert) = of_group(&hunted, group(index)).next() {
            // For the host, which keeps it.
            println!("{}", serde_json::json!({ "hunt": case.hunt, "alert": alert }));
        }
    }
    Ok(())
}

fn group(index: usize) -> u32 {
    FIRST_GROUP + 2 * u32::try_from(index).unwrap_or_default()
}

fn judge(case: &HuntCase, group: u32, hunted: &Hunted) -> Outcome {
    let texts = |group| {
        of_group(hunted, group).map(|alert| alert["text"].as_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    let (found, alike) = (texts(group), texts(group + 1));
    let all = || {
        hunted
            .of("alert")
            .map(|alert| format!("{} (gid {})", alert["text"], alert["event"]["gid"]))
            .collect::<Vec<_>>()
    };
    for says in case.says.lines() {
        holds(
            found.iter().any(|text| text.contains(says)),
            format!("it does not say `{says}`, but {:?}; {} {}", all(), hunted.outcome(), hunted.stderr),
        )?;
    }
    holds(alike.is_empty(), format!("it takes the look-alike for it: {alike:?}"))?;
    same("what it comes to", &hunted.outcome()["result"], &"found".into())?;
    same("its exit code", hunted.code, Some(4))?;
    let of_rule = |alert: &Value| {
        alert["hunt"] == case.hunt && alert["attack"].as_array().is_some_and(|ids| !ids.is_empty())
    };
    holds(hunted.of("alert").all(of_rule), "an alert does not name its hunt")
}

/// Finds nothing, whatever happens, and is asked about every open below a directory.
const IDLE: &str = "// hunt: Nothing\n// about: Nothing\n// attack: T1000\n// severity: low\n// needs: file_open\n\
                    // false positives: none\n// sample:\n//   none\n\
                    probe(\"file_open\", #{ path_prefix: \"/tmp/idle/\" }).on_event(|e| ()).attach();\n";

pub fn nothing_found() -> Outcome {
    fs::create_dir_all("/tmp/idle").map_err(|e| e.to_string())?;
    fs::write("/tmp/idle/file", "a").map_err(|e| e.to_string())?;
    fs::write("/root/idle.rhai", IDLE).map_err(|e| e.to_string())?;
    let open = || fs::read("/tmp/idle/file").map(drop).map_err(|e| e.to_string());

    let mut hunt = Hunting::start("/root/idle.rhai", &[])?;
    hunt.ready()?;
    open()?;
    let hunted = hunt.end()?;
    same("the exit code of nothing", hunted.code, Some(0))?;
    same("nothing", &hunted.outcome()["result"], &"nothing".into())?;

    let mut hunt = Hunting::start("/root/idle.rhai", &[])?;
    hunt.ready()?;
    let pid = Pid::from_raw(hunt.child.id().cast_signed());
    kill(pid, Signal::SIGSTOP).map_err(|e| e.to_string())?;
    // More than any ring has room for.
    (0..40_000).try_for_each(|_| open())?;
    kill(pid, Signal::SIGCONT).map_err(|e| e.to_string())?;
    until("it has gone on", Duration::from_secs(10), || {
        let stat = procfs::process::Process::new(pid.as_raw()).and_then(|process| process.stat());
        Ok(stat.is_ok_and(|stat| stat.state != 'T'))
    })?;
    let hunted = hunt.end()?;
    let outcome = hunted.outcome();
    same("what is lost makes nothing", &outcome["result"], &"inconclusive".into())?;
    holds(outcome["lost"].as_u64() > Some(0), format!("{outcome}"))?;
    same("its exit code", hunted.code, Some(5))
}
