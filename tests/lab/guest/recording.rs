//! Claims about `record` and `replay`: a session is had again from its file, and what is asked anew is answered from it or refused.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use base64::Engine as _;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};
use serde_json::Value;

use super::{
    Outcome, holds,
    pace::until,
    same,
    shell::{SHELL, Shell, run_command_as},
};

const PLACE: &str = "/tmp/recording";
const PATIENCE: Duration = Duration::from_secs(60);
/// What the command of a recorded session does.
const DEEDS: &str = "for n in 1 2 3 4 5; do /bin/true; echo x > /tmp/recording/made$n; /bin/busybox sleep 0.2; done; /bin/ls / > /dev/null";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A place without a file in it.
fn fresh() -> Outcome {
    let _ = fs::remove_dir_all(PLACE);
    fs::create_dir_all(PLACE).map_err(text)
}

fn at(name: &str) -> String {
    format!("{PLACE}/{name}")
}

fn run(words: &[&str]) -> Result<Output, String> {
    Command::new(SHELL).args(words).stdin(Stdio::null()).output().map_err(text)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Records what the command does under this script.
fn record(format: &str, name: &str, script: &str) -> Result<Output, String> {
    let words =
        ["--format", format, "record", "-o", &at(name), "-c", "-e", script, "--", "/bin/sh", "-c", DEEDS];
    run(&words)
}

fn replay(format: &str, name: &str, script: &str) -> Result<Output, String> {
    run(&["--format", format, "replay", &at(name), "-e", script])
}

/// Callbacks, timers, waits, counts, changes and accounts.
const BUSY: &str = r#"
    let watch = probe("exec").scope(target).name("watch").count_by("comm").on_event(|e| {
        print(`${e.filename} by ${e.comm}`);
        if e.filename.ends_with("/true") { alert("high", "true was executed", e); }
    }).attach();
    probe("create").scope(target).name("made").attach();
    let again = probe("exec").scope(target).name("again").attach();
    threshold(2, "10s").of(again).by(|e| e.uid).on_match(|events| print(`${events.len()} at once`));
    let ticks = 0;
    every("150ms", || { ticks += 1; print(`tick ${ticks} at ${strftime("%H:%M:%S.%f")}`); });
    after("600ms", || { print(watch.take()); watch.when(|e| e.filename.ends_with("/ls")); });
    run_for("400ms");
    print(`${watch.stats().matched} so far`);
    sleep(0.3);
    print("waits");
"#;

/// Standard output is the same, byte for byte, compressed or not; and for somebody without any privilege.
pub fn same_again() -> Outcome {
    for (format, name) in [("text", "busy.ndjson"), ("json", "busy.ndjson.zst")] {
        fresh()?;
        let live = record(format, name, BUSY)?;
        same(format, live.status.code(), Some(0)).map_err(|why| format!("{why}: {}", stderr(&live)))?;
        let told = stdout(&live);
        // Where the guest is slow the command ends before the script has come further.
        for wanted in ["/bin/true by", "true was executed", "tick 3", "so far", "2 at once"] {
            holds(told.contains(wanted), format!("no `{wanted}` in the live session: {told}"))?;
        }
        let mode = fs::metadata(at(name)).map_err(text)?.permissions().mode() & 0o777;
        same("whose the file is", mode, 0o600)?;
        let again = stdout(&replay(format, name, BUSY)?);
        let differs = told.lines().zip(again.lines()).find(|(live, again)| live != again);
        holds(told == again, format!("{format}: {differs:?} of\n{told}\n---\n{again}"))?;

        for path in [PLACE, &at(name)] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(text)?;
        }
        let words = ["--format", format, "replay", &at(name), "-e", BUSY];
        let (_, by_user, errors) = run_command_as(1000, &words)?;
        holds(told == by_user, format!("as a user: {by_user}\n{errors}"))?;
    }
    Ok(())
}

/// What is in no output, and in no recording, though a rule asks for it.
const SECRET: &str = "hunter2Zq7";
const TELLS: &str = "/bin/busybox true --password hunter2Zq7 --token=hunter2Zq7 https://bob:hunter2Zq7@host/; /bin/busybox true -p 22";
const LOOKS: &str = r#"
    let told = probe("exec", #{ args: true }).scope(target).name("told")
        .when(|e| e.cmdline.matches("ter[0-9]Zq7 --token") || e.cmdline.contains("-p 22"))
        .count_by("filename")
        .on_event(|e| {
            print(`${e.cmdline} is ${e.argv}`);
            emit(#{ argv: e.argv, password: e.argv[3] });
            alert("high", `${e.cmdline}`, e);
        }).attach();
    probe("exec", #{ args: true }).scope(target).name("shown").attach();
"#;

/// Secrets are redacted in what is written and in the file, and not in what a rule is asked; a replay says the same.
pub fn secrets() -> Outcome {
    for format in ["text", "json"] {
        fresh()?;
        let recorded = |name: &str, more: &[&str]| {
            let path = at(name);
            let words = [
                &["--format", format][..],
                more,
                &["record", "-o", &path, "-c", "-e", LOOKS, "--", "/bin/sh", "-c", TELLS],
            ];
            run(&words.concat())
        };
        let live = recorded("redacted.ndjson", &[])?;
        same(format, live.status.code(), Some(0)).map_err(|why| format!("{why}: {}", stderr(&live)))?;
        let told = stdout(&live);
        holds(
            !told.contains(SECRET) && !stderr(&live).contains(SECRET),
            format!("a secret is told: {told}"),
        )?;
        for wanted in ["--password", "--token=<redacted>", "bob:<redacted>@host", "-p 22"] {
            holds(told.contains(wanted), format!("no `{wanted}` in {told}"))?;
        }
        let file = fs::read_to_string(at("redacted.ndjson")).map_err(text)?;
        holds(!file.contains(SECRET), "a secret is in the file".to_owned())?;
        for line in file.lines() {
            let line: Value = serde_json::from_str(line).map_err(text)?;
            if line["type"] == "recording" {
                same("the header", &line["secrets"], &Value::from("redacted"))?;
            }
            if let Some(record) = line["record"].as_str() {
                let record = base64::engine::general_purpose::STANDARD.decode(record).map_err(text)?;
                holds(
                    !String::from_utf8_lossy(&record).contains(SECRET),
                    "a secret is in a record".to_owned(),
                )?;
            }
        }
        let again = replay(format, "redacted.ndjson", LOOKS)?;
        let differs = told
            .lines()
            .zip(stdout(&again).lines().map(str::to_owned))
            .find(|(live, again)| live != again)
            .map(|(live, again)| format!("{live}\n{again}"));
        holds(told == stdout(&again), format!("{format}: {differs:?} of\n{told}\n---\n{}", stdout(&again)))?;
        holds(stderr(&again).contains("had secrets"), format!("it is not said: {}", stderr(&again)))?;

        let shown = recorded("shown.ndjson", &["--show-secrets"])?;
        holds(stdout(&shown).contains(SECRET), format!("it is not shown: {}", stdout(&shown)))?;
        holds(stderr(&shown).contains("--show-secrets"), format!("that is not said: {}", stderr(&shown)))?;
        let file = fs::read_to_string(at("shown.ndjson")).map_err(text)?;
        holds(
            file.contains(SECRET) && file.contains(r#""secrets":"shown""#),
            "it is not in the file".to_owned(),
        )?;
        let hidden = replay(format, "shown.ndjson", LOOKS)?;
        holds(!stdout(&hidden).contains(SECRET), "the replay of what was shown tells it".to_owned())?;
    }
    Ok(())
}

fn verdicts(output: &Output) -> Vec<(String, String)> {
    let lines = stdout(output);
    let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of = |event: Value| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("filename"), text("verdict"))
    };
    events.filter(|line| line["type"] == "event").map(of).collect()
}

/// What was recorded by one rule is asked by another; what the recording cannot tell is refused, and says why.
pub fn asked_anew() -> Outcome {
    fresh()?;
    let all = r#"probe("exec").scope(target).name("watch").attach();"#;
    let live = record("json", "all", all)?;
    let seen = verdicts(&live);
    holds(seen.iter().filter(|(path, _)| path == "/bin/true").count() == 5, format!("{seen:?}"))?;
    let shown = run(&["--format", "json", "replay", &at("all")])?;
    same("shown without a script", verdicts(&shown), seen.clone())?;
    let deny = |condition: &str| {
        format!(
            r#"probe("exec").scope(target).name("watch").when(|e| {condition}).deny("EACCES").lease("10m").attach();"#
        )
    };
    let denied = verdicts(&replay("json", "all", &deny(r#"e.filename.ends_with("/true")"#))?);
    same("what would be denied", denied, vec![("/bin/true".to_owned(), "would-deny".to_owned()); 5])?;
    let scoped = |scope: &str| format!(r#"probe("exec").scope(#{{{scope}}}).name("watch").attach();"#);
    same("a scope that is told", verdicts(&replay("json", "all", &scoped("uid: 0"))?).len(), seen.len())?;
    same("and that nobody is in", verdicts(&replay("json", "all", &scoped("uid: 4242"))?).len(), 0)?;
    for (script, wanted) in [
        (scoped(r#"exe: "/bin/busybox""#), "scope `exe` cannot be decided from a recording"),
        (
            r#"probe("exec", #{path: "/bin/true"}).name("watch").attach();"#.to_owned(),
            "param `path` cannot be decided from a recording",
        ),
        (r#"probe("file_open").attach()"#.to_owned(), "its probes are: watch (exec)"),
        (r#"run(["/bin/touch", "/tmp/recording/never"])"#.to_owned(), "this is a replay"),
    ] {
        let refused = replay("json", "all", &script)?;
        holds(
            !refused.status.success() && stderr(&refused).contains(wanted),
            format!("{script}: {}", stderr(&refused)),
        )?;
    }
    holds(!Path::new(&at("never")).exists(), "a replay has run a program")?;

    // The rule itself, as it was recorded: what it did is told as it was.
    let live = record("json", "denied", &deny(r#"e.filename.ends_with("/true")"#))?;
    same("what is denied", verdicts(&live), vec![("/bin/true".to_owned(), "deny".to_owned()); 5])?;
    let again = replay("json", "denied", &deny(r#"e.filename.ends_with("/true")"#))?;
    same("and told again", verdicts(&again), verdicts(&live))?;
    let wider = replay("json", "denied", &deny("e.uid == 0"))?;
    holds(
        stderr(&wider).contains("the recording has only what `watch` selected"),
        format!("nothing is said of what is not in it: {}", stderr(&wider)),
    )?;

    // What a change of the rule flips, and that one of its words does not.
    let (old, new, same_rule) = (at("old.rhai"), at("new.rhai"), at("same.rhai"));
    fs::write(&old, deny(r#"e.filename.ends_with("/true")"#)).map_err(text)?;
    fs::write(&new, deny(r#"e.filename.ends_with("/ls")"#)).map_err(text)?;
    fs::write(&same_rule, deny(r#"e.filename == "/bin/true""#)).map_err(text)?;
    let flips = run(&["--format", "json", "replay", "--against", &old, &new, &at("all")])?;
    same("a review that flips something", flips.status.code(), Some(4))
        .map_err(|why| format!("{why}: {}", stderr(&flips)))?;
    let told: Vec<Value> =
        stdout(&flips).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    same("what it flips", told.len(), 6)?;
    holds(
        told.iter().all(|flip| flip["type"] == "flip" && flip["event"]["filename"].is_string()),
        format!("{told:?}"),
    )?;
    let denies = told.iter().filter(|flip| flip["after"]["outcome"] == "denied");
    same(
        "what is denied newly",
        denies.map(|flip| flip["event"]["filename"].clone()).collect::<Vec<_>>(),
        vec![Value::from("/bin/ls")],
    )?;
    let alike = run(&["--format", "text", "replay", "--against", &old, &same_rule, &at("all")])?;
    same("a review that flips nothing", alike.status.code(), Some(0))?;
    holds(stdout(&alike).contains("the two decide alike"), stdout(&alike))
}

const HUNT: &str = "// hunt: A program that nobody executes\n// about: For a test.\n// attack: T1204\n// severity: low\n// needs: exec\n\
                    // false positives: None.\n// sample:\n//   none\n\
                    probe(\"exec\").name(\"t\").when(|e| e.filename == \"/never\").on_event(|e| found(\"it\", e)).attach();\n";

/// A recorder that is killed leaves a readable file, and finding nothing in it is no answer; one whose disk is full goes on to enforce.
pub fn cut_off() -> Outcome {
    fresh()?;
    let file = at("killed.zst");
    let me = std::process::id();
    let script = format!(r#"probe("exec").scope(#{{pid: {me}}}).name("t").attach(); print("ready");"#);
    let mut shell = Shell::start(&["--format", "json", "record", "-o", &file, "-e", &script])?;
    shell.wait_for(|line| line["type"] == "print")?;
    for _ in 0..3 {
        Command::new("/bin/true").status().map_err(text)?;
    }
    let read = |script: &str| run(&["--format", "json", "replay", &file, "-e", script]);
    until("the events are in the file", PATIENCE, || {
        let events = verdicts(&read(r#"probe("exec").name("t").attach();"#)?);
        Ok(events.iter().filter(|(path, _)| path == "/bin/true").count() == 3)
    })?;
    shell.signal(Signal::SIGKILL)?;
    let _ = shell.end();
    let hunt = at("hunt.rhai");
    fs::write(&hunt, HUNT).map_err(text)?;
    let replayed = run(&["--format", "json", "replay", &file, &hunt])?;
    same("a hunt in what was cut off", replayed.status.code(), Some(5))
        .map_err(|why| format!("{why}: {}", stderr(&replayed)))?;
    holds(stdout(&replayed).contains("the recording has no end"), stdout(&replayed))?;

    let disk = at("disk");
    fs::create_dir_all(&disk).map_err(text)?;
    mount(Some("none"), disk.as_str(), Some("tmpfs"), MsFlags::empty(), Some("size=16k")).map_err(text)?;
    let outcome = full_disk(&format!("{disk}/file"));
    umount2(disk.as_str(), MntFlags::MNT_DETACH).map_err(text)?;
    outcome
}

fn full_disk(file: &str) -> Outcome {
    let script = r#"probe("exec").scope(target).name("t").when(|e| e.filename == "/bin/ls").deny("EPERM").lease("10m").attach();
                    probe("exec").scope(target).name("all").attach();"#;
    // It goes on long after the disk is full.
    let deeds = "for n in $(/bin/busybox seq 1 200); do /bin/true; done; /bin/busybox sleep 2; \
                 for n in $(/bin/busybox seq 1 50); do /bin/true; done; /bin/ls / > /dev/null && exit 9; exit 7";
    let ended =
        run(&["--format", "json", "record", "-o", file, "-c", "-e", script, "--", "/bin/sh", "-c", deeds])?;
    // What was refused at its end was refused.
    same("the command's own exit code", ended.status.code(), Some(7))
        .map_err(|why| format!("{why}: {}", stderr(&ended)))?;
    for wanted in ["the recording ends here", "is not whole"] {
        holds(stderr(&ended).contains(wanted), format!("`{wanted}` was not said: {}", stderr(&ended)))?;
    }
    holds(stderr(&ended).contains("No space left"), stderr(&ended))?;
    let told = stdout(&ended);
    let seen =
        told.lines().filter(|line| line.contains("\"probe\":\"all\"") && line.contains("\"type\":\"event\""));
    holds(seen.count() > 250, "events are missing though only the file had no room")
}

/// Keeps what is executed, and writes it when a file is opened.
const KEEPS: &str = r#"
    probe("exec").scope(target).name("executed").recorder("10s").attach();
    probe("file_open").scope(target).when(|e| e.path == "/tmp/recording/bait").name("bait").recorder("10s")
        .on_event(|e| {
            alert("high", "the bait is taken", e);
            let told = write_recording("/tmp/recording/before.ndjson.zst");
            emit(#{ written: told });
        })
        .attach();
"#;
/// Long before, shortly before, at the alert, and after.
const BAITS: &str = "/bin/true; /bin/busybox sleep 15; /bin/ls / > /dev/null; /bin/cat /tmp/recording/bait > /dev/null
n=0; while [ ! -s /tmp/recording/before.ndjson.zst ] && [ $n -lt 100 ]; do /bin/usleep 100000; n=$((n + 1)); done
/bin/busybox sleep 2; /bin/date > /dev/null";

pub fn before_an_alert() -> Outcome {
    fresh()?;
    fs::write(at("bait"), "x").map_err(text)?;
    let words = ["--format", "json", "run", "-c", "-e", KEEPS, "--", "/bin/sh", "-c", BAITS];
    let live = run(&words)?;
    same("the session", live.status.code(), Some(0)).map_err(|why| format!("{why}: {}", stderr(&live)))?;
    let told = stdout(&live);
    // What is kept is not shown.
    holds(told.contains("the bait is taken") && !told.contains("/bin/ls"), told.clone())?;
    let written = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let written = written.filter(|line| line["type"] == "emit").map(|line| line["written"].clone()).next();
    let written = written.ok_or_else(|| format!("nothing was written: {told}\n{}", stderr(&live)))?;
    holds(
        written["dropped"] == 0 && written["lost"] == 0 && written["from"].as_str() < written["to"].as_str(),
        written.to_string(),
    )?;
    let path = at("before.ndjson.zst");
    let mode = fs::metadata(&path).map_err(text)?.permissions().mode() & 0o777;
    same("whose the file is", mode, 0o600)?;

    let again = run(&["--format", "json", "replay", &path])?;
    same("a replay", again.status.code(), Some(0)).map_err(|why| format!("{why}: {}", stderr(&again)))?;
    holds(stderr(&again).contains("is a part of a session"), stderr(&again))?;
    let shown = stdout(&again);
    let events: Vec<Value> = shown.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    same("how many events there are", written["events"].as_u64(), Some(events.len() as u64))?;
    let executed = |name: &str| events.iter().any(|event| event["filename"] == name);
    for (name, is_there) in
        [("/bin/true", false), ("/bin/ls", true), ("/bin/cat", true), ("/bin/date", false)]
    {
        same(name, executed(name), is_there).map_err(|why| format!("{why}: {shown}"))?;
    }
    holds(events.iter().any(|event| event["path"] == "/tmp/recording/bait"), shown.clone())?;

    // The script itself has its alert again, and writes nothing; another one is asked of what is there.
    let replayed = stdout(&replay("json", "before.ndjson.zst", KEEPS)?);
    holds(
        replayed.contains("the bait is taken") && replayed.contains("\"would\":\"write\""),
        replayed.clone(),
    )?;
    let asked =
        r#"probe("exec").name("executed").when(|e| e.filename.ends_with("/ls")).scope(target).attach();"#;
    let asked = stdout(&replay("json", "before.ndjson.zst", asked)?);
    holds(asked.contains("/bin/ls") && !asked.contains("/bin/cat"), asked.clone())
}
