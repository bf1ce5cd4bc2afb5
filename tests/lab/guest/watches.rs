//! Claims about what is asked again and again about a probe that enforces: its health function, and its canary.

use std::{fs, os::unix::fs::PermissionsExt};

use nix::{errno::Errno, fcntl::OFlag};
use serde_json::json;

use super::{
    Outcome, holds, same,
    shell::{Ended, Shell},
    task::{Deed, ME, open_file},
};

const FILE: &str = "/tmp/watches-file";
/// While this is there, the machine is unwell.
const UNWELL: &str = "/tmp/watches-unwell";
const REFUSED: Deed = Deed::Refused(Errno::EXDEV);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn opened() -> Result<Deed, String> {
    open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed)
}

/// A probe of this suite's subtree, with a health function, that is told to refuse again once the machine is well.
fn with_health(function: &str) -> Result<Shell, String> {
    let _ = fs::remove_file(UNWELL);
    fs::write(FILE, "content").map_err(text)?;
    let me = std::process::id();
    Shell::ready(&format!(
        "let unwell = || file(\"{UNWELL}\") != ();
         let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}}).deny(\"EXDEV\").name(\"t\").attach();
         p.trip_when(\"100ms\", {function});
         every(\"100ms\", || if p.tripped() && !unwell.call() {{ p.rearm(); print(\"rearmed\"); }});
         print(\"ready\");"
    ))
}

/// The machine becomes unwell; what is said of that is `told`, and nothing is refused from then on.
fn trips(shell: &mut Shell, told: &str) -> Outcome {
    same("while it is well", opened()?, REFUSED)?;
    fs::write(UNWELL, "").map_err(text)?;
    shell.wait_for(|line| {
        let said = line["text"].as_str().unwrap_or_default();
        line["type"] == "alert"
            && line["severity"] == "high"
            && said.contains("probe `t` tripped: its health function")
            && said.contains(told)
    })?;
    same("while it is unwell", opened()?, Deed::Done)
}

pub fn health() -> Outcome {
    let mut shell = with_health("unwell")?;
    trips(&mut shell, "says so")?;
    fs::remove_file(UNWELL).map_err(text)?;
    shell.wait_for(|line| line["text"] == "rearmed")?;
    same("when it is well again", opened()?, REFUSED)?;
    let ended = shell.stop()?;
    ended.well()?;
    same("it is not tripped at the end", &ended.books("t")?["tripped"], &json!(false))?;

    for (function, told) in [
        ("|| if unwell.call() { throw \"no answer\" } else { false }", "failed"),
        ("|| if unwell.call() { 7 } else { false }", "returned int, and not true or false"),
        ("|| { if unwell.call() { run([\"/bin/sleep\", \"100\"]); } false }", "took longer than 5s"),
    ] {
        let mut shell = with_health(function)?;
        trips(&mut shell, told).map_err(|error| format!("{function}: {error}"))?;
        let ended = shell.stop()?;
        holds(ended.stderr.contains("`.rearm()` enforces again"), format!("{function}: {}", ended.stderr))?;
        same("it is tripped at the end", &ended.books("t")?["tripped"], &json!(true))?;
    }
    Ok(())
}

const PLACE: &str = "/tmp/watches-place";
/// What is here no rule is about.
const MOVED: &str = "/tmp/watches-moved";
/// Leads to one of them.
const LINK: &str = "/tmp/watches-link";

fn lead_to(place: &str) -> Outcome {
    let new = format!("{LINK}.new");
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(place, &new).map_err(text)?;
    fs::rename(&new, LINK).map_err(text)
}

fn with_canary(function: &str) -> Result<Shell, String> {
    for place in [PLACE, MOVED] {
        let _ = fs::remove_dir_all(place);
    }
    for place in [PLACE, MOVED] {
        fs::create_dir(place).map_err(text)?;
        fs::write(format!("{place}/trigger"), "content").map_err(text)?;
    }
    lead_to(PLACE)?;
    Shell::ready(&format!(
        "let s = scratch(#{{user: \"nobody\"}});
         let p = probe(\"file_open\", #{{path_prefix: \"{PLACE}/\"}}).scope(#{{uid: \"nobody\"}}).deny(\"EXDEV\").name(\"t\").attach();
         p.canary(\"200ms\", {function});
         print(\"ready\");"
    ))
}

/// The canary is tried so often from now on, and refused.
fn refused(shell: &mut Shell, times: usize) -> Outcome {
    let mut seen = 0;
    while seen < times {
        let line = shell.next()?;
        seen += usize::from(line["type"] == "event" && line["verdict"] == "deny");
    }
    Ok(())
}

fn alarmed(shell: &mut Shell, severity: &str, told: &str) -> Outcome {
    shell.wait_for(|line| {
        let said = line["text"].as_str().unwrap_or_default();
        line["type"] == "alert"
            && line["severity"] == severity
            && said.contains("the canary of probe `t`")
            && said.contains(told)
    })?;
    Ok(())
}

fn counted(ended: &Ended, least: u64) -> Outcome {
    let altered = ended.books("t")?["altered"].as_u64().unwrap_or_default();
    holds(altered >= least, format!("altered: {altered}; {}", ended.stderr))
}

/// What nothing else notices: the probe is as it was, and what it was to refuse has another name.
pub fn canary() -> Outcome {
    let trigger = format!("|| s.attempt(\"open\", \"{LINK}/trigger\")");
    let mut shell = with_canary(&trigger)?;
    refused(&mut shell, 5)?;
    holds(!shell.seen.iter().any(|line| line["type"] == "alert"), format!("{:?}", shell.seen))?;
    lead_to(MOVED)?;
    alarmed(&mut shell, "critical", "was permitted, though the probe is attached and in force")?;
    lead_to(PLACE)?;
    refused(&mut shell, 5)?;
    let ended = shell.stop()?;
    counted(&ended, 1)?;
    holds(ended.stderr.contains("probe `t` refuses its canary again"), ended.stderr.clone())?;

    // Refused by the file's mode alone, which tells nothing of the probe.
    let mut shell = with_canary(&trigger)?;
    fs::set_permissions(PLACE, fs::Permissions::from_mode(0o700)).map_err(text)?;
    alarmed(&mut shell, "critical", "was refused, and not by the probe")?;
    counted(&shell.stop()?, 1)?;

    let mut shell = with_canary("|| throw \"no answer\"")?;
    alarmed(&mut shell, "high", "cannot tell whether it still refuses: its function failed")?;
    counted(&shell.stop()?, 1)
}

/// A check under which that happens is no pass.
pub fn inconclusive() -> Outcome {
    let trigger = format!("|| s.attempt(\"open\", \"{LINK}/trigger\")");
    drop(with_canary(&trigger)?.stop()?);
    lead_to(MOVED)?;
    let script = "/tmp/watches-check.rhai";
    fs::write(
        script,
        format!(
            "check(\"guarded\", \"the guard holds\", || {{
                 let s = scratch(#{{user: \"nobody\"}});
                 let p = probe(\"file_open\", #{{path_prefix: \"{PLACE}/\"}}).scope(#{{uid: \"nobody\"}}).deny(\"EXDEV\").name(\"t\").attach();
                 p.canary(\"200ms\", {trigger});
                 run_for(\"1s\");
                 expect(true, equals(true));
             }});"
        ),
    )
    .map_err(text)?;
    let ended = Shell::start(&["--format", "json", "run", script])?.end()?;
    let check = ended.lines.iter().find(|line| line["type"] == "check").ok_or("no check")?;
    same("the check", &check["result"], &json!("inconclusive"))
        .map_err(|error| format!("{error}: {check}; {}", ended.stderr))
}
