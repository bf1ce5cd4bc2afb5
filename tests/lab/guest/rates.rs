//! Claims about `.limit(…)` and `.sample(…)`: how many events are sent of what is decided, and that nothing else changes by it.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Outcome, holds,
    pace::stretched,
    same,
    shell::{Ended, Shell, told_by},
    task::{Deed, ME, perform},
    workers::refused_of_crowd,
};

const FILE: &str = "/tmp/rates";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn probe(words: &str) -> Result<String, String> {
    fs::write(FILE, "content").map_err(text)?;
    Ok(format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).fields([\"pid\", \"mono_ns\"]).count_by(\"comm\").events(true).name(\"t\"){words}.attach();",
        std::process::id()
    ))
}

fn shell(flags: &[&str], words: &str) -> Result<Shell, String> {
    let script = format!("{} print(\"ready\");", probe(words)?);
    let mut shell = Shell::start(&[&["--format", "json"], flags, &["-e", &script]].concat())?;
    shell.wait_for(|line| line["text"] == "ready")?;
    Ok(shell)
}

/// Lets this many threads open the file so often each; gives how many opens were refused.
fn opened(threads: usize, times: usize) -> Result<usize, String> {
    refused_of_crowd(FILE, threads, times)
}

/// When its events were, by their own clock, in order.
fn times(ended: &Ended) -> Result<Vec<u64>, String> {
    let time = |event: &Value| event["mono_ns"].as_u64().ok_or_else(|| format!("no time in {event}"));
    let mut times = ended.events().map(time).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times)
}

/// Whether within any such time there are at most so many.
fn holds_everywhere(times: &[u64], most: usize, within: Duration) -> Outcome {
    let within = u64::try_from(within.as_nanos()).map_err(text)?;
    let closest = times.windows(most + 1).map(|window| window[most] - window[0]).min();
    holds(
        closest.is_none_or(|closest| closest >= within),
        format!("{} events within {closest:?} ns, and {most} are allowed within {within}", most + 1),
    )
}

/// Its books balance, with these counts, and each operation was counted by the aggregation.
fn books(ended: &Ended, counts: &Value) -> Outcome {
    let books = ended.books("t")?;
    for (name, count) in counts.as_object().ok_or("no counts")? {
        same(name, &books[name], count)?;
    }
    let summary = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let rows = summary["rows"].as_array().ok_or_else(|| format!("no rows in {summary}"))?;
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    same("counted by the aggregation", Some(counted), books["matched"].as_u64())?;
    same("events", Some(ended.events().count() as u64), books["emitted"].as_u64())?;
    ended.well()
}

pub fn so_many_and_no_more() -> Outcome {
    let mut limited = shell(&[], ".limit(\"5/10m\")")?;
    same("refused", opened(1, 12)?, 0)?;
    limited.drain();
    // Said while it happens.
    thread::sleep(stretched(Duration::from_secs(2)));
    let ended = limited.stop()?;
    let said = "probe `t`: 7 events were decided and counted, and not told, for its limit 5/10m";
    holds(ended.stderr.contains(said), ended.stderr.clone())?;
    let counts = json!({ "matched": 12, "allow": 12, "emitted": 5, "suppressed": 7, "limited": 7, "sampled_out": 0, "lost_ring": 0 });
    books(&ended, &counts)
}

/// Verdicts are those of every operation.
pub fn verdicts() -> Outcome {
    for (flags, words, verdict) in [
        (&[][..], ".deny().limit(\"3/10m\")", "deny"),
        (&["--door", "fmod_ret"], ".deny().limit(\"3/10m\")", "deny"),
        (&[], ".deny().sample(4)", "deny"),
        (&["--audit"], ".deny().limit(\"3/10m\")", "would_deny"),
    ] {
        let shell = shell(flags, words)?;
        let refused = opened(1, 12)?;
        same(words, refused, if verdict == "deny" { 12 } else { 0 })?;
        let ended = shell.stop()?;
        books(&ended, &json!({ verdict: 12, "emitted": 3, "suppressed": 9, "errors": 0 }))?;
    }
    Ok(())
}

/// Never more, with several threads on all processors, and as many as there may be.
pub fn several_processors() -> Outcome {
    const THREADS: usize = 8;
    const TIMES: usize = 1500;
    const MOST: usize = 40;
    let within = Duration::from_millis(200);
    let processors = thread::available_parallelism().map_err(text)?.get();
    holds(processors >= 2, format!("{processors} processor is not several"))?;
    let mut shell = shell(&[], &format!(".limit(\"{MOST}/200ms\")"))?;
    opened(THREADS, TIMES)?;
    shell.drain();
    let ended = shell.stop()?;
    let times = times(&ended)?;
    holds_everywhere(&times, MOST, within)?;
    // What may be sent is: half of it at the least, since there are times in which a busy machine lets nobody open anything.
    let (first, last) = times.first().zip(times.last()).ok_or("no events")?;
    let whole = usize::try_from((last - first) / within.as_nanos() as u64).map_err(text)?;
    holds(
        2 * times.len() >= MOST * whole.max(1),
        format!("{} events in {whole} times {within:?}, and {MOST} may be in each", times.len()),
    )?;
    let all = THREADS * TIMES;
    let sent = times.len();
    holds(sent < all, "nothing was limited")?;
    books(
        &ended,
        &json!({ "matched": all, "emitted": sent, "suppressed": all - sent, "limited": all - sent, "errors": 0, "lost_ring": 0 }),
    )
}

/// A limit in a single burst is exact, round after round.
pub fn exactly() -> Outcome {
    for _ in 0..3 {
        let mut shell = shell(&[], ".limit(\"700/10m\")")?;
        opened(8, 500)?;
        // What waits when a session ends is counted, and not shown.
        shell.drain();
        books(
            &shell.stop()?,
            &json!({ "matched": 4000, "emitted": 700, "limited": 3300, "suppressed": 3300, "lost_ring": 0 }),
        )?;
    }
    Ok(())
}

/// Each process has its own, with all its threads; and what a process had is forgotten with it.
pub fn of_each_process() -> Outcome {
    let shell = shell(&[], ".limit(\"6/10m\", \"process\")")?;
    for _ in 0..4 {
        opened(4, 50)?;
    }
    opened(1, 3)?;
    let ended = shell.stop()?;
    let mut of_each: BTreeMap<u64, u64> = BTreeMap::new();
    for event in ended.events() {
        *of_each.entry(event["pid"].as_u64().ok_or("no pid")?).or_default() += 1;
    }
    let mut sent: Vec<u64> = of_each.into_values().collect();
    sent.sort_unstable();
    same("events of each process", sent, vec![3, 6, 6, 6, 6])?;
    books(&ended, &json!({ "matched": 803, "emitted": 27, "limited": 776, "suppressed": 776, "errors": 0 }))
}

/// Both at once: neither is exceeded, and no process takes what another may have.
pub fn of_both() -> Outcome {
    let shell = shell(&[], ".limit(\"3/10m\", \"process\").limit(\"8/10m\")")?;
    for _ in 0..4 {
        opened(1, 10)?;
    }
    let ended = shell.stop()?;
    let mut of_each: BTreeMap<u64, u64> = BTreeMap::new();
    for event in ended.events() {
        *of_each.entry(event["pid"].as_u64().ok_or("no pid")?).or_default() += 1;
    }
    let mut sent: Vec<u64> = of_each.into_values().collect();
    sent.sort_unstable();
    same("events of each process", sent, vec![2, 3, 3])?;
    books(&ended, &json!({ "matched": 40, "emitted": 8, "limited": 32 }))
}

/// After the time there may be as many again, and what comes slowly is not limited at all.
pub fn again() -> Outcome {
    let pause = Duration::from_millis(600);
    for (words, whose) in
        [(".limit(\"4/500ms\")", "the probe"), (".limit(\"4/500ms\", \"process\")", "a process")]
    {
        let shell = shell(&[], words)?;
        let task = perform(&ME, || {
            for _ in 0..3 {
                for _ in 0..9 {
                    let _ = fs::File::open(FILE);
                }
                thread::sleep(pause);
            }
            0
        })?;
        same("who opens", task.deed, Deed::Done)?;
        let ended = shell.stop()?;
        let times = times(&ended)?;
        holds_everywhere(&times, 4, Duration::from_millis(500))?;
        // An emulated guest may take longer for the nine, and send more.
        holds(times.len() >= 12, format!("{whose}: {} events of 3 bursts", times.len()))?;
        let sent = times.len();
        books(&ended, &json!({ "matched": 27, "emitted": sent, "limited": 27 - sent }))?;
    }
    Ok(())
}

/// On one processor each n-th, on several each n-th of each.
pub fn sampled() -> Outcome {
    let one = shell(&[], ".sample(10)")?;
    opened(1, 35)?;
    opened(1, 65)?;
    books(
        &one.stop()?,
        &json!({ "matched": 100, "emitted": 10, "sampled_out": 90, "suppressed": 90, "limited": 0 }),
    )?;
    let processors = thread::available_parallelism().map_err(text)?.get() as u64;
    let several = shell(&[], ".sample(10)")?;
    opened(6, 500)?;
    let ended = several.stop()?;
    let sent = ended.events().count() as u64;
    holds(
        (300 - processors + 1..=300).contains(&sent),
        format!("{sent} events of 3000 on {processors} processors"),
    )?;
    books(&ended, &json!({ "matched": 3000, "emitted": sent, "sampled_out": 3000 - sent, "limited": 0 }))?;
    // What is sampled is limited.
    let both = shell(&[], ".sample(5).limit(\"4/10m\")")?;
    opened(1, 50)?;
    books(
        &both.stop()?,
        &json!({ "matched": 50, "emitted": 4, "sampled_out": 40, "limited": 6, "suppressed": 46 }),
    )
}

/// The programs are others then, and what was sent counts on.
pub fn another_filter() -> Outcome {
    const SWAP: &str = "/tmp/rates-swap";
    fs::write(SWAP, "content").map_err(text)?;
    let script = format!(
        "{} probe(\"file_open\", #{{path: \"{SWAP}\"}}).scope(#{{pid: {}}}).name(\"swaps\").on_event(|e| {{ p.when(|e| e.gid == 0); print(\"swapped\"); }}).attach(); print(\"ready\");",
        probe(".when(|e| e.uid == 0).limit(\"5/10m\").limit(\"4/10m\", \"process\")")?,
        std::process::id()
    );
    let mut shell = Shell::ready(&script)?;
    opened(1, 3)?;
    super::task::open_file(&ME, SWAP, nix::fcntl::OFlag::O_RDONLY)?;
    shell.wait_for(|line| line["text"] == "swapped")?;
    opened(1, 9)?;
    let ended = shell.stop()?;
    let of_t = ended.events().filter(|event| event["probe"] == "t").count();
    same("events of both filters", of_t, 5)?;
    let books = ended.books("t")?;
    same("limited", &books["limited"], &json!(7))?;
    ended.well()
}

/// What only sends nothing takes nothing of it, and what only an event tells is not gathered for what is cut.
pub fn silent() -> Outcome {
    let shell = shell(&[], ".events(false).limit(\"5/10m\").sample(3)")?;
    opened(1, 20)?;
    books(
        &shell.stop()?,
        &json!({ "matched": 20, "emitted": 0, "suppressed": 20, "limited": 0, "sampled_out": 0 }),
    )
}

/// No template's programs are too much for the kernel's verifier with all of it.
pub fn every_template() -> Outcome {
    let script = "let all = 0; let refused = [];
         for known in templates() {
             let name = known.name;
             try {
                 probe(name).scope(#{ uid: 4242 }).limit(\"5/s\").limit(\"5/s\", \"process\").sample(3).attach().detach();
                 all += 1;
             } catch (why) { if \"verifier\" in why.to_string() { refused.push(`${name}: ${why}`); } }
         }
         emit(#{ all: all, refused: refused });";
    let ended = super::shell::run(script)?;
    let told = ended.emitted()?;
    same("refused", &told["refused"], &json!([]))?;
    holds(told["all"].as_u64() > Some(30), format!("{told}"))?;
    ended.well()
}

/// A map is made when a program that is loaded names it.
pub fn costs_nothing() -> Outcome {
    const OWN: [&str; 3] = ["krsi_limit_plac", "krsi_limited_by", "krsi_sampled"];
    let made = || {
        let maps = aya::maps::loaded_maps().filter_map(Result::ok);
        let mut named: Vec<_> = maps
            .filter_map(|map| {
                let name = map.name_as_str()?.to_owned();
                OWN.contains(&name.as_str()).then(|| (name, map.max_entries()))
            })
            .collect();
        named.sort();
        named
    };
    let without = shell(&[], "")?;
    same("without", made(), Vec::new())?;
    without.stop()?.well()?;
    let with = shell(&[], ".limit(\"77/s\")")?;
    same("with", made(), vec![("krsi_limit_plac".to_owned(), 78)])?;
    with.stop()?.well()?;
    let sampled = shell(&[], ".sample(7)")?;
    same("sampled", made(), vec![("krsi_sampled".to_owned(), 1)])?;
    sampled.stop()?.well()
}

/// A hunt that finds nothing and has not looked at all is inconclusive; one that has found something has.
pub fn hunts() -> Outcome {
    const HUNT: &str = "/tmp/rates-hunt.rhai";
    let header = "// hunt: Opens\n// about: Says who opens a file.\n// attack: T1083\n// severity: low\n// needs: file_open\n// kernel: 5.10\n// false positives: none\n// sample:\n//   x\n";
    for (words, found, code) in [
        (".limit(\"2/10m\")", "false", 5),
        (".sample(4)", "false", 5),
        (".limit(\"2/10m\")", "true", 4),
        ("", "false", 0),
    ] {
        let me = std::process::id();
        let body = format!(
            "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}}).name(\"t\"){words}.on_event(|e| if {found} {{ found(\"opened\", e) }}).attach(); print(\"ready\");"
        );
        fs::write(FILE, "content").map_err(text)?;
        fs::write(HUNT, format!("{header}{body}\n")).map_err(text)?;
        let mut shell = Shell::start(&["--format", "json", "run", HUNT])?;
        shell.wait_for(|line| line["text"] == "ready")?;
        opened(1, 6)?;
        // A signal ends what a function is doing about an event.
        shell.drain();
        let ended = shell.stop()?;
        let log = format!("{:?}\n{}", ended.lines, ended.stderr);
        same(&format!("`{words}`, found {found}"), ended.code, Some(code))
            .map_err(|why| format!("{why}: {log}"))?;
        if code == 5 {
            holds(log.contains("held them back"), log.clone())?;
        }
        let alerts = ended.lines.iter().filter(|line| line["type"] == "alert").count();
        same("alerts", alerts, if code == 4 { 2 } else { 0 }).map_err(|why| format!("{why}: {log}"))?;
    }
    Ok(())
}

pub fn recorded() -> Outcome {
    const PLACE: &str = "/tmp/rates-recording.ndjson";
    fs::write(FILE, "content").map_err(text)?;
    let _ = fs::remove_file(PLACE);
    let script = |words: &str| {
        format!(
            "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(target).name(\"t\"){words}.on_event(|e| print(e.path)).attach();"
        )
    };
    let deeds = format!("for n in 1 2 3 4 5 6; do /bin/cat {FILE} > /dev/null; done");
    let limited = script(".limit(\"2/10m\")");
    let (live, log) = told_by(&["record", "-o", PLACE, "-c", "-e", &limited, "--", "/bin/sh", "-c", &deeds])?;
    same("told", live.lines().filter(|line| line.contains(FILE)).count(), 2)
        .map_err(|why| format!("{why}: {live}\n{log}"))?;
    let (again, log) = told_by(&["replay", PLACE, "-e", &limited])?;
    holds(live == again, format!("{live}\n---\n{again}\n{log}"))?;
    // Another rule is told what it does not have, and cannot be limited after the fact.
    let (_, log) = told_by(&["replay", PLACE, "-e", &script("")])?;
    holds(log.contains("sent (limit 2/10m)"), log)?;
    let (_, log) = told_by(&["replay", PLACE, "-e", &script(".limit(\"1/10m\")")])?;
    holds(log.contains("cannot be limited once more"), log)?;
    let _ = fs::remove_file(PLACE);
    Ok(())
}

/// Cutting is quick: what is held back costs less than what is sent, and a flood of it ends.
pub fn flood() -> Outcome {
    let begun = Instant::now();
    let shell = shell(&[], ".limit(\"1/10m\").limit(\"64/10m\", \"process\")")?;
    opened(4, 5000)?;
    let ended = shell.stop()?;
    holds(begun.elapsed() < stretched(Duration::from_secs(120)), format!("it took {:?}", begun.elapsed()))?;
    books(&ended, &json!({ "matched": 20000, "emitted": 1, "limited": 19999, "lost_ring": 0, "errors": 0 }))
}
