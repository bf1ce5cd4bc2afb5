//! Claims about `run jail`: its exit code, its profile, and what the command reads of what it was refused.

use std::{
    fs,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    Outcome, holds,
    hunts::LIBRARY,
    learning::{alerts, at, done, err, out, prepared, run, text, well},
    same,
    shell::SHELL,
};

/// What the command is not to read.
const KEY: &str = "/root/.ssh/id_ed25519";
/// A step says its name if it could be done.
const STEP: &str = "step() { name=$1; shift; \"$@\" > /dev/null 2>&1 && echo $name; }\n";
/// Waits until there is a line of what it was refused, and gives it out.
const READ: &str = "
n=0
while ! /bin/grep -q \"$WANTED\" $KRSI_DENIALS 2> /dev/null && [ $n -lt 100 ]; do /bin/usleep 100000; n=$((n + 1)); done
/bin/cat $KRSI_DENIALS
";

fn place() -> Outcome {
    prepared()?;
    fs::create_dir_all(at("here")).map_err(text)?;
    fs::create_dir_all("/root/.ssh").map_err(text)?;
    fs::write(KEY, "key").map_err(text)?;
    fs::write("/etc/group", "root:x:0:\n").map_err(text)
}

fn jailed(words: &[&str], script: &str) -> Result<Output, String> {
    let jail = format!("{LIBRARY}/jail.rhai");
    let mut command = Command::new(SHELL);
    command.current_dir(at("here")).args(["--format", "json", "run", &jail]).args(words);
    let script = format!("{STEP}{script}");
    command.args(["--", "/bin/sh", "-c", &script]).stdin(Stdio::null()).output().map_err(text)
}

/// The lines of this type, of the session or of what the command has read.
fn lines(output: &Output, kind: &str) -> Vec<Value> {
    let lines = out(output);
    let values = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.filter(|line| line["type"] == kind).collect()
}

pub fn exit_code() -> Outcome {
    place()?;
    let code = |words: &[&str], script: &str| -> Result<Option<i32>, String> {
        let output = jailed(words, script)?;
        let refuses = script.contains(KEY);
        let verdict = if words.is_empty() { "deny" } else { "would-deny" };
        holds(
            !refuses || alerts(&output).iter().any(|(_, told)| told == verdict),
            format!("nothing is told: {}", err(&output)),
        )?;
        Ok(output.status.code())
    };
    same("a command's exit code", code(&[], "exit 7")?, Some(7))?;
    let reads = format!("/bin/cat {KEY} > /dev/null 2>&1; exit 0");
    same("that of one that was refused something", code(&[], &reads)?, Some(0))?;
    same("where it would have been", code(&["--shadow"], &reads)?, Some(4))?;
    let jail = format!("{LIBRARY}/jail.rhai");
    let output = run(&["run", &jail])?;
    same("without a command", output.status.code(), Some(2))?;
    holds(err(&output).contains("is about a command, and there is none"), err(&output))?;
    let output = run(&["run", &jail, "--help"])?;
    well("help", &output)?;
    holds(out(&output).contains("--profile PATH"), out(&output))
}

pub fn profile() -> Outcome {
    place()?;
    let work = format!(
        "step passwd /bin/cat /etc/passwd
step key /bin/cat {KEY}
step made /bin/dd if=/etc/passwd of=made
step before /bin/dd if=/etc/passwd of=p.rhai
step linked /bin/ln -s /etc/group p.rhai
exit 0"
    );
    let output = jailed(&["--learn", "-o", "p.rhai"], &work)?;
    well("learn in a jail", &output)?;
    same("what can be done meanwhile", done(&output), vec!["passwd".to_owned(), "made".to_owned()])
        .map_err(|why| format!("{why}: {}", err(&output)))?;
    let profile = fs::read_to_string(at("here/p.rhai")).map_err(text)?;
    holds(
        profile.contains("\"/etc/passwd\"")
            && profile.contains("// target: command")
            && !profile.contains(KEY),
        format!("{}{profile}", err(&output)),
    )?;

    let more = format!("{work}\n").replace(
        "exit 0",
        "step group /bin/cat /etc/group
(echo x >> p.rhai) 2> /dev/null && echo changed
step removed /bin/rm p.rhai
step renamed /bin/mv p.rhai q.rhai
cd ..
step away /bin/mv here there
exit 3",
    );
    let output = jailed(&["--profile", "p.rhai"], &more)?;
    same("the exit code", output.status.code(), Some(3)).map_err(|why| format!("{why}: {}", err(&output)))?;
    same("what can be done then", done(&output), vec!["passwd".to_owned(), "made".to_owned()])
        .map_err(|why| format!("{why}: {}\n{profile}", err(&output)))?;
    same("the profile", fs::read_to_string(at("here/p.rhai")).map_err(text)?, profile.clone())?;
    let told: Vec<(String, String)> = lines(&output, "alert")
        .iter()
        .map(|line| (line["guard"].to_string(), line["event"]["path"].to_string()))
        .collect();
    for (rule, path) in [("\"p\"", "\"/etc/group\""), ("\"jail\"", "\"/root/.ssh/id_ed25519\"")] {
        holds(told.contains(&(rule.to_owned(), path.to_owned())), format!("{rule} {path}: {told:?}"))?;
    }

    // With the profile alone, whoever is refused can read why.
    let alone = at("here/p.rhai");
    let script = format!("{STEP}step group /bin/cat /etc/group\nWANTED=/etc/group{READ}exit 0");
    let output = run(&["--format", "json", "run", &alone, "--shadow=false", "--", "/bin/sh", "-c", &script])?;
    let why = lines(&output, "denial");
    holds(
        why.iter().any(|line| line["object"] == "/etc/group" && line["rule"] == "p"),
        format!("{why:?} {}", err(&output)),
    )?;

    let refined = jailed(&["--learn", "--refine", "p.rhai"], "step group /bin/cat /etc/group\nexit 0")?;
    well("refine", &refined)?;
    let output = jailed(&["--profile", "p.rhai"], &more)?;
    same(
        "what can be done with what was added",
        done(&output),
        ["passwd", "made", "group"].map(str::to_owned).to_vec(),
    )
    .map_err(|why| format!("{why}: {}", err(&output)))
}

pub fn denials() -> Outcome {
    place()?;
    let secret = "/root/.ssh/password=hunter2hunter2";
    fs::write(secret, "x").map_err(text)?;
    let script = format!(
        "/bin/cat {secret} > /dev/null 2>&1
/bin/cat {KEY} > /dev/null 2>&1
WANTED=id_ed25519
{READ}
(echo forged >> $KRSI_DENIALS) 2> /dev/null && echo forged
(: > $KRSI_DENIALS) 2> /dev/null && echo emptied
step mode /bin/chmod 666 $KRSI_DENIALS
step removed /bin/rm -f $KRSI_DENIALS
step renamed /bin/mv $KRSI_DENIALS /tmp/learning/here/taken
step beside /bin/touch ${{KRSI_DENIALS%/*}}/another
step linked /bin/ln $KRSI_DENIALS /tmp/learning/here/name
echo at $KRSI_DENIALS
exit 0"
    );
    let output = jailed(&[], &script)?;
    same("the exit code", output.status.code(), Some(0)).map_err(|why| format!("{why}: {}", err(&output)))?;
    let denials = lines(&output, "denial");
    let one = denials.iter().find(|line| line["object"] == KEY);
    let one = one.ok_or_else(|| format!("no line: {}\n{}", out(&output), err(&output)))?;
    for (field, value) in [
        ("rule", "jail"),
        ("probe", "secrets"),
        ("operation", "file_open"),
        ("errno", "EACCES"),
        ("verdict", "deny"),
    ] {
        same(field, one[field].as_str(), Some(value))?;
    }
    same("why", one["why"].as_str(), Some("secrets: /root/.ssh/id_ed25519 is opened"))?;
    let fix = one["fix"].as_str().unwrap_or_default();
    holds(fix.contains("--readable /root/.ssh/id_ed25519"), fix.to_owned())?;
    holds(one["time"].is_string() && one["pid"].is_number() && one["comm"] == "cat", one.to_string())?;
    holds(
        denials.len() == 2 && !denials.iter().any(|line| line.to_string().contains("hunter2")),
        format!("{denials:?}"),
    )?;
    let rest = done(&output);
    let path = rest.last().and_then(|line| line.strip_prefix("at ")).unwrap_or_default().to_owned();
    same("what could be done to it", rest.len(), 1).map_err(|why| format!("{why}: {rest:?}"))?;
    holds(
        path.starts_with("/run/krsi-denials/") && !fs::exists(&path).map_err(text)?,
        format!("it is there still, or elsewhere: `{path}`"),
    )
}

/// What is left running when the command ends is not let out of the jail.
pub fn nothing_is_left() -> Outcome {
    place()?;
    let _ = fs::remove_file("/etc/jail-escaped");
    let script = "(trap '' TERM HUP; /bin/busybox sleep 4; echo x > /etc/jail-escaped; /bin/busybox sleep 60) > /dev/null 2>&1 &
/bin/busybox setsid /bin/sh -c '(/bin/busybox sleep 4; echo x > /etc/jail-escaped; /bin/busybox sleep 61) &' > /dev/null 2>&1
/bin/busybox sleep 1
exit 5";
    let output = jailed(&[], script)?;
    same("the exit code", output.status.code(), Some(5)).map_err(|why| format!("{why}: {}", err(&output)))?;
    holds(err(&output).contains("processes running, which are ended with the session"), err(&output))?;
    thread::sleep(Duration::from_secs(6));
    holds(!fs::exists("/etc/jail-escaped").map_err(text)?, "who was left has come out of the jail")?;
    let all = procfs::process::all_processes().map_err(text)?.flatten();
    let sleeps = |process: &procfs::process::Process| {
        process.cmdline().is_ok_and(|words| words.iter().any(|word| word == "60" || word == "61"))
    };
    same("who is left", all.filter(sleeps).count(), 0)
}
