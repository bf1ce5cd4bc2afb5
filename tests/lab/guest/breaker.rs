//! Claims about `.trip(…)`: what refuses too much refuses nothing from then on, and that is said.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{Ended, SHELL, Shell, said_again_by_replay},
    task::{Deed, KILLED, ME, execute, open_file, perform},
    workers::refused_of_crowd,
};

const FILE: &str = "/tmp/breaker";
/// Whoever opens this has the probe's breaker reset.
const REARM: &str = "/tmp/breaker-rearm";
/// What became of each opening: `x` refused, `.` done.
const TOLD: &str = "/tmp/breaker-told";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A probe of this suite's subtree, with these words besides, and what resets it.
fn script(words: &str) -> Result<String, String> {
    for file in [FILE, REARM] {
        fs::write(file, "content").map_err(text)?;
    }
    let me = std::process::id();
    Ok(format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}}).deny().name(\"t\"){words}.attach();
         probe(\"file_open\", #{{path: \"{REARM}\"}}).scope(#{{pid: {me}}}).name(\"rearms\").on_event(|e| {{
             print(`tripped ${{p.tripped()}}`); p.rearm(); print(`then ${{p.tripped()}}`);
         }}).attach();
         print(\"ready\");"
    ))
}

fn shell(flags: &[&str], words: &str) -> Result<Shell, String> {
    let script = script(words)?;
    let all = [&["--format", "json"], flags, &["-e", &script]].concat();
    let mut shell = Shell::start(&all)?;
    shell.wait_for(|line| line["text"] == "ready")?;
    Ok(shell)
}

/// Opens the file so often, with a pause behind each.
fn opened(times: u32, pause: Duration) -> Result<String, String> {
    let task = perform(&ME, || {
        let one = |_| {
            let refused = fs::File::open(FILE).is_err();
            thread::sleep(pause);
            if refused { 'x' } else { '.' }
        };
        let told: String = (0..times).map(one).collect();
        i32::from(fs::write(TOLD, told).is_err())
    })?;
    same("who opens", task.deed, Deed::Done)?;
    fs::read_to_string(TOLD).map_err(text)
}

fn at_once(times: u32) -> Result<String, String> {
    opened(times, Duration::ZERO)
}

fn is_alert(line: &Value) -> bool {
    line["type"] == "alert"
        && line["severity"] == "high"
        && line["text"].as_str().is_some_and(|text| text.starts_with("the breaker of probe `t` tripped"))
}

fn alerts(ended: &Ended) -> usize {
    ended.lines.iter().filter(|line| is_alert(line)).count()
}

/// Its books balance, with these counts; and whether it is said that it has tripped.
fn books(ended: &Ended, counts: &Value, tripped: bool) -> Outcome {
    let books = ended.books("t")?;
    for (name, count) in counts.as_object().ok_or("no counts")? {
        same(name, &books[name], count)?;
    }
    same("tripped", &books["tripped"], &json!(tripped))?;
    ended.well()
}

pub fn so_many_and_no_more() -> Outcome {
    let mut shell = shell(&[], ".trip(5, \"10m\")")?;
    same("the first", at_once(8)?.as_str(), "xxxxx...")?;
    shell.wait_for(is_alert)?;
    let last = shell.wait_for(|line| line["type"] == "event" && line["verdict"] == "allow")?;
    same("what the next came to", &last["notes"], &json!(["lapsed", "tripped"]))?;
    same("its errno", &last["errno"], &json!(0))?;
    same("its mode", &last["mode"], &json!("deny"))?;
    // For good.
    same("later", at_once(2)?.as_str(), "..")?;
    open_file(&ME, REARM, nix::fcntl::OFlag::O_RDONLY)?;
    shell.wait_for(|line| line["text"] == "then false")?;
    same("asked", shell.seen.iter().any(|line| line["text"] == "tripped true"), true)?;
    same("armed again", at_once(7)?.as_str(), "xxxxx..")?;
    until("the second time is told, too", Duration::from_secs(2), || {
        shell.drain();
        Ok(shell.seen.iter().filter(|line| is_alert(line)).count() == 2)
    })?;
    let ended = shell.stop()?;
    same("alerts", alerts(&ended), 2)?;
    let said = "there were more than 5 refusals within 10m, and deny(EPERM) is no longer enforced; `.rearm()` enforces again";
    holds(ended.stderr.contains(said), ended.stderr.clone())?;
    books(&ended, &json!({ "deny": 10, "allow": 7, "lapsed": 7 }), true)
}

pub fn slowly() -> Outcome {
    // Five at most in that time, however slow it goes.
    let shell = shell(&[], ".trip(5, \"1s\")")?;
    same("slowly", opened(12, Duration::from_millis(250))?.as_str(), "xxxxxxxxxxxx")?;
    thread::sleep(Duration::from_millis(1100));
    let ended = shell.stop()?;
    same("alerts", alerts(&ended), 0)?;
    books(&ended, &json!({ "deny": 12, "lapsed": 0 }), false)
}

/// As many as it says, to the last one, and by whom does not matter.
pub fn several_processors() -> Outcome {
    const THREADS: usize = 8;
    const TIMES: usize = 1000;
    const MOST: usize = 700;
    let processors = thread::available_parallelism().map_err(text)?.get();
    holds(processors >= 2, format!("{processors} processor is not several"))?;
    for round in 0..5 {
        let shell = shell(&[], &format!(".events(false).trip({MOST}, \"10m\")"))?;
        let refused = refused_of_crowd(FILE, THREADS, TIMES)?;
        same(&format!("round {round}: refused"), refused, MOST)?;
        let ended = shell.stop()?;
        same("alerts", alerts(&ended), 1)?;
        books(&ended, &json!({ "deny": MOST, "lapsed": THREADS * TIMES - MOST, "errors": 0 }), true)?;
    }
    Ok(())
}

pub fn kills() -> Outcome {
    let mut shell = shell(&[], ".kill().trip(2, \"10m\")")?;
    let read = || open_file(&ME, FILE, nix::fcntl::OFlag::O_RDONLY).map(|task| task.deed);
    for wanted in [KILLED, KILLED, Deed::Done, Deed::Done] {
        same("a reader", read()?, wanted)?;
    }
    shell.wait_for(is_alert)?;
    books(&shell.stop()?, &json!({ "kill": 2, "allow": 2, "lapsed": 2 }), true)
}

/// Where a denial is a kill, before the new program's first instruction.
pub fn too_late() -> Outcome {
    let program = super::exec::program("breaker")?;
    let script = format!(
        "probe(\"exec\", #{{path: \"{program}\", args: true}}).scope(#{{pid: {}}}).deny().trip(1, \"10m\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    );
    let mut shell = Shell::ready(&script)?;
    for wanted in [KILLED, Deed::Done, Deed::Done] {
        same("a program", execute(&ME, &program)?.deed, wanted)?;
    }
    shell.wait_for(is_alert)?;
    books(&shell.stop()?, &json!({ "kill": 1, "allow": 2, "lapsed": 2 }), true)
}

/// The third is not asked about any more.
pub fn answers() -> Outcome {
    let mut shell = shell(&[], ".ask(|e| { print(\"asked\"); deny(\"EPERM\") }).trip(2, \"10m\")")?;
    same("who is answered", at_once(4)?.as_str(), "xx..")?;
    shell.wait_for(is_alert)?;
    let ended = shell.stop()?;
    // The third was asked about: what is answered is no refusal yet.
    let asked = ended.lines.iter().filter(|line| line["text"] == "asked").count();
    same("asked", asked, 3)?;
    books(&ended, &json!({ "deny": 2, "asked": 3, "answered": 3, "allow": 2, "lapsed": 2 }), true)
}

pub fn by_fmod_ret() -> Outcome {
    let mut shell = shell(&["--door", "fmod_ret"], ".trip(3, \"10m\")")?;
    same("by fmod_ret", at_once(6)?.as_str(), "xxx...")?;
    shell.wait_for(is_alert)?;
    let ended = shell.stop()?;
    same("the door", &ended.books("t")?["door"], &json!("fmod_ret"))?;
    books(&ended, &json!({ "deny": 3, "lapsed": 3 }), true)
}

/// The programs are others then, and the breaker is the same.
pub fn another_filter() -> Outcome {
    const SWAP: &str = "/tmp/breaker-swap";
    fs::write(SWAP, "content").map_err(text)?;
    let me = std::process::id();
    let script = script(".when(|e| e.uid == 0).trip(3, \"10m\")")?.replace("print(\"ready\")", &format!(
        "probe(\"file_open\", #{{path: \"{SWAP}\"}}).scope(#{{pid: {me}}}).name(\"swaps\").on_event(|e| {{ p.when(|e| e.gid == 0); print(\"swapped\"); }}).attach(); print(\"ready\")"
    ));
    let mut shell = Shell::ready(&script)?;
    same("by the first filter", at_once(2)?.as_str(), "xx")?;
    open_file(&ME, SWAP, nix::fcntl::OFlag::O_RDONLY)?;
    shell.wait_for(|line| line["text"] == "swapped")?;
    same("by the second", at_once(3)?.as_str(), "x..")?;
    shell.wait_for(is_alert)?;
    books(&shell.stop()?, &json!({ "deny": 3, "lapsed": 2 }), true)
}

pub fn with_a_lease() -> Outcome {
    // The breaker first: what renews the lease does not reset it.
    let script = script(".lease(\"10m\").trip(1, \"10m\")")?.replace("p.rearm(); ", "p.lease(\"20m\"); ");
    let mut first = Shell::ready(&script)?;
    same("before", at_once(2)?.as_str(), "x.")?;
    open_file(&ME, REARM, nix::fcntl::OFlag::O_RDONLY)?;
    first.wait_for(|line| line["text"] == "then true")?;
    same("with a new lease", at_once(2)?.as_str(), "..")?;
    books(&first.stop()?, &json!({ "deny": 1, "lapsed": 3 }), true)?;
    // The lease first: what is not refused counts for nothing.
    let lease = stretched(Duration::from_secs(2));
    let mut second = shell(&[], &format!(".lease(\"{}ms\").trip(2, \"10m\")", lease.as_millis()))?;
    same("within the lease", at_once(1)?.as_str(), "x")?;
    thread::sleep(lease);
    same("behind it", at_once(3)?.as_str(), "...")?;
    second.drain();
    let ended = second.stop()?;
    same("alerts", alerts(&ended), 0)?;
    same("lease_over", &ended.books("t")?["lease_over"], &json!(true))?;
    books(&ended, &json!({ "deny": 1, "lapsed": 3 }), false)
}

pub fn rehearsed() -> Outcome {
    for (flags, words) in [(&[][..], ".shadow().trip(1, \"10m\")"), (&["--audit"], ".trip(1, \"10m\")")] {
        let shell = shell(flags, words)?;
        same("rehearsed", at_once(4)?.as_str(), "....")?;
        let ended = shell.stop()?;
        same("alerts", alerts(&ended), 0)?;
        books(&ended, &json!({ "would_deny": 4, "lapsed": 0 }), false)?;
    }
    Ok(())
}

/// By a script that ends at once, in the text for people, and by a probe that sends no events.
pub fn said() -> Outcome {
    fs::write(FILE, "content").map_err(text)?;
    let script = format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).everywhere().lease(\"1m\").deny().events(false).trip(1, \"10m\").name(\"t\").attach();
         let cat = |n| run([\"/bin/sh\", \"-c\", \"/bin/cat {FILE}; /bin/cat {FILE}; /bin/cat {FILE}\"]);
         cat.call(1); print(p); exit(0);"
    );
    // Children of the shell's are not spared.
    let output = Command::new(SHELL)
        .args(["--format", "text", "-e", &script])
        .stdin(Stdio::null())
        .output()
        .map_err(text)?;
    let [told, log] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    same("exit", output.status.code(), Some(0)).map_err(|why| format!("{why}: {log}"))?;
    for wanted in
        ["the breaker of probe `t` tripped", "deny(EPERM) tripped", "trips at more than 1 refusal within 10m"]
    {
        holds(told.contains(wanted), format!("no `{wanted}`: {told}\n{log}"))?;
    }
    holds(log.contains("the breaker of probe `t` tripped"), log.clone())?;
    // While it neither reads events nor answers.
    let mut shell = shell(&[], ".events(false).trip(1, \"10m\")")?;
    same("unheard", at_once(3)?.as_str(), "x..")?;
    let begun = std::time::Instant::now();
    shell.wait_for(is_alert)?;
    holds(begun.elapsed() < stretched(Duration::from_secs(1)), format!("only after {:?}", begun.elapsed()))?;
    books(&shell.stop()?, &json!({ "deny": 1, "lapsed": 2 }), true)
}

/// A map is made when a program that is loaded names it.
pub fn costs_nothing() -> Outcome {
    let tokens = || {
        let named =
            aya::maps::loaded_maps().filter_map(Result::ok).filter(|map| map.name() == b"krsi_tokens");
        named.map(|map| map.max_entries()).collect::<Vec<_>>()
    };
    let without = shell(&[], "")?;
    same("without", tokens(), Vec::new())?;
    without.stop()?.well()?;
    let with = shell(&[], ".trip(77, \"10s\")")?;
    same("with", tokens(), vec![77])?;
    with.stop()?.well()
}

pub fn recorded() -> Outcome {
    const PLACE: &str = "/tmp/breaker-recording.ndjson";
    fs::write(FILE, "content").map_err(text)?;
    let script = format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(target).deny().trip(2, \"10m\").name(\"t\").attach();
         every(\"300ms\", || print(`tripped ${{p.tripped()}}`));"
    );
    let deeds = format!(
        "/bin/busybox sleep 1; for n in 1 2 3 4; do /bin/cat {FILE} > /dev/null; /bin/busybox sleep 0.5; done"
    );
    said_again_by_replay(
        PLACE,
        &script,
        &deeds,
        &["the breaker of probe `t` tripped", "tripped false", "tripped true"],
    )
}
