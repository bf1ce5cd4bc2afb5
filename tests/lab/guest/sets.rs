//! Claims about `set(…)`: values that params of several probes take, and that change while these decide.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::fcntl::OFlag;
use serde_json::json;

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{Shell, said_again_by_replay},
    task::{Deed, ME, REFUSED, open_file, perform},
};

const DIRECTORY: &str = "/tmp/sets";
const TOLD: &str = "/tmp/sets-told";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes these files anew, and gives their paths.
fn files<const N: usize>(names: [&str; N]) -> Result<[String; N], String> {
    fs::create_dir_all(DIRECTORY).map_err(text)?;
    let paths = names.map(|name| format!("{DIRECTORY}/{name}"));
    for path in &paths {
        fs::write(path, "content").map_err(text)?;
    }
    Ok(paths)
}

fn scope() -> String {
    format!(".scope(#{{pid: {}}})", std::process::id())
}

fn read(path: &str) -> Result<Deed, String> {
    Ok(open_file(&ME, path, OFlag::O_RDONLY)?.deed)
}

/// What became of a connection that nobody listens for, or that is refused.
fn connects(to: &str) -> Result<&'static str, String> {
    let address: SocketAddr = to.parse().map_err(text)?;
    let task = perform(&ME, || {
        let error = TcpStream::connect_timeout(&address, Duration::from_secs(5)).err();
        match error.and_then(|error| error.raw_os_error()) {
            Some(nix::libc::ECONNREFUSED) => 0,
            Some(nix::libc::EPERM) => 1,
            _ => 2,
        }
    })?;
    match task.deed {
        Deed::Done => Ok("nobody listens"),
        Deed::Other(1) => Ok("refused"),
        other => Err(format!("{to}: {other:?}")),
    }
}

/// What one probe has seen, another refuses from then on, until its time is over.
pub fn feeds_another() -> Outcome {
    let lasts = stretched(Duration::from_secs(4));
    let scope = scope();
    let script = format!(
        "let bad = set(\"bad\", \"address\");
         probe(\"connect\", #{{address: bad}}){scope}.deny().name(\"refuses\").attach();
         probe(\"connect\", #{{port: 9}}){scope}.name(\"sees\").on_event(|e| {{
             bad.add(e.address, \"{}ms\"); print(`added ${{bad.values()}}`);
         }}).attach();
         every(\"100ms\", || if bad.len() == 0 {{ print(\"empty\") }});
         print(\"ready\");",
        lasts.as_millis()
    );
    let mut shell = Shell::ready(&script)?;
    same("before", connects("127.0.0.5:10")?, "nobody listens")?;
    same("what is seen", connects("127.0.0.5:9")?, "nobody listens")?;
    shell.wait_for(|line| line["text"] == "added [\"127.0.0.5\"]")?;
    let added = Instant::now();
    // It is in force when `add` returns, and so when this is printed.
    same("the same address", connects("127.0.0.5:10")?, "refused")?;
    same("another one", connects("127.0.0.6:10")?, "nobody listens")?;
    holds(added.elapsed() < lasts, "the guest is too slow for this claim")?;
    until("it passes again", lasts + Duration::from_secs(5), || {
        Ok(connects("127.0.0.5:10")? == "nobody listens")
    })?;
    holds(
        added.elapsed() + Duration::from_millis(500) > lasts,
        format!("it passed after {:?} of {lasts:?}", added.elapsed()),
    )?;
    let ended = shell.stop()?;
    same("refused at all", ended.books("refuses")?["deny"].as_u64() > Some(0), true)?;
    ended.well()
}

/// One set, two templates: what is added is in force in both, and what is removed in none.
pub fn shared() -> Outcome {
    let [one, trigger, back] = files(["taken", "gives", "takes-back"])?;
    let scope = scope();
    let script = format!(
        "let bad = set(\"bad\");
         probe(\"file_open\", #{{path_prefix: bad}}){scope}.deny().name(\"opens\").attach();
         probe(\"unlink\", #{{path_prefix: bad}}){scope}.deny(\"EACCES\").name(\"unlinks\").attach();
         probe(\"file_open\", #{{path: [\"{trigger}\", \"{back}\"]}}){scope}.name(\"t\").on_event(|e| {{
             if e.path == \"{trigger}\" {{ bad.add(\"{one}\") }} else {{ print(`was there: ${{bad.remove(\"{one}\")}}`) }}
             print(`has ${{bad.len()}}`);
         }}).attach();
         print(bad); print(\"ready\");"
    );
    let mut shell = Shell::ready(&script)?;
    shell.wait_for(|line| {
        line["text"] == "set bad: 0 values, taken by opens (path_prefix), unlinks (path_prefix)"
    })?;
    // A set that is empty names nothing.
    same("opened while it is empty", read(&one)?, Deed::Done)?;
    read(&trigger)?;
    shell.wait_for(|line| line["text"] == "has 1")?;
    same("opened", read(&one)?, REFUSED)?;
    let unlinked =
        || perform(&ME, || super::task::exit_code(nix::unistd::unlink(one.as_str()))).map(|task| task.deed);
    same("unlinked", unlinked()?, Deed::Refused(nix::errno::Errno::EACCES))?;
    read(&back)?;
    shell.wait_for(|line| line["text"] == "has 0")?;
    same("opened again", read(&one)?, Deed::Done)?;
    same("unlinked again", unlinked()?, Deed::Done)?;
    let ended = shell.stop()?;
    holds(
        ended.lines.iter().any(|line| line["text"] == "was there: true"),
        "remove did not say that it was there",
    )?;
    same("opens refused", &ended.books("opens")?["deny"], &json!(1))?;
    same("unlinks refused", &ended.books("unlinks")?["deny"], &json!(1))?;
    ended.well()
}

/// What one of the probes does not take, none is given.
pub fn all_or_none() -> Outcome {
    let [one, two, trigger] = files(["whole-one", "whole-two", "whole-trigger"])?;
    let scope = scope();
    // The second probe's table of inodes has no room for more than 65536, which no other test needs.
    let script = format!(
        "let bad = set(\"bad\");
         let opens = probe(\"file_open\", #{{path: bad}}){scope}.deny().name(\"opens\").attach();
         bad.add(\"{one}\");
         probe(\"file_open\", #{{path: \"{trigger}\"}}){scope}.name(\"t\").on_event(|e| {{
             try {{ bad.fill([\"{two}\", \"relative\"]); print(\"taken\") }} catch (why) {{ print(`refused: ${{why}}`) }}
         }}).attach();
         print(\"ready\");"
    );
    let mut shell = Shell::ready(&script)?;
    same("before", read(&one)?, REFUSED)?;
    read(&trigger)?;
    let said =
        shell.wait_for(|line| line["text"].as_str().is_some_and(|text| text.starts_with("refused: ")))?;
    let said = said["text"].as_str().unwrap_or_default();
    holds(
        said.contains("set `bad`, which probe `opens` takes")
            && said.contains("`relative` is not an absolute path"),
        said,
    )?;
    same("what was there still is", read(&one)?, REFUSED)?;
    same("nothing was added", read(&two)?, Deed::Done)?;
    shell.stop()?.well()
}

/// Ten thousand values, swapped as a whole under four openers.
pub fn swapped() -> Outcome {
    const SWAPS: usize = 4;
    const STOP: &str = "/tmp/sets-stop";
    let [both, first, second, neither] = files(["swap-both", "swap-first", "swap-second", "swap-neither"])?;
    let _ = fs::remove_file(STOP);
    for (name, own) in [("a", &first), ("b", &second)] {
        let filling = (0..9_998).map(|number| format!("{DIRECTORY}/filling-{name}-{number}/"));
        let lines: Vec<String> = filling.chain([both.clone(), own.clone()]).collect();
        fs::write(format!("{DIRECTORY}/list-{name}"), lines.join("\n")).map_err(text)?;
    }
    let scope = scope();
    let script = format!(
        "let a = read_lines(\"{DIRECTORY}/list-a\"); let b = read_lines(\"{DIRECTORY}/list-b\");
         let bad = set(\"bad\", \"path_prefix\"); bad.fill(a); print(`has ${{bad.len()}}`);
         probe(\"file_open\", #{{path_prefix: bad}}){scope}.deny().lease(\"1h\").events(false).name(\"t\").attach();
         print(\"ready\");
         for turn in 0..{SWAPS} {{ sleep(\"300ms\"); bad.fill(if turn % 2 == 0 {{ b }} else {{ a }}); print(`swap ${{turn}}`); }}
         run([\"/bin/busybox\", \"touch\", \"{STOP}\"]); print(\"over\");"
    );
    let mut shell = Shell::ready(&script)?;
    holds(shell.seen.iter().any(|line| line["text"] == "has 10000"), format!("{:?}", shell.seen))?;
    let paths = [&both, &first, &second, &neither].map(Clone::clone);
    let task = perform(&ME, move || {
        let openers: Vec<_> = (0..4)
            .map(|_| {
                let paths = paths.clone();
                thread::spawn(move || {
                    let mut counts = [[0_u64; 2]; 4];
                    while !Path::new(STOP).exists() {
                        for (path, count) in paths.iter().zip(&mut counts) {
                            count[usize::from(fs::File::open(path).is_err())] += 1;
                        }
                    }
                    counts
                })
            })
            .collect();
        let mut all = [[0_u64; 2]; 4];
        for counts in openers.into_iter().filter_map(|opener| opener.join().ok()) {
            for (all, own) in all.iter_mut().zip(counts) {
                *all = [all[0] + own[0], all[1] + own[1]];
            }
        }
        i32::from(serde_json::to_string(&all).map(|told| fs::write(TOLD, told)).is_err())
    })?;
    same("the openers", task.deed, Deed::Done)?;
    let told = fs::read_to_string(TOLD).map_err(text)?;
    let [both_told, first_told, second_told, neither_told]: [[u64; 2]; 4] =
        serde_json::from_str(&told).map_err(text)?;
    holds(
        both_told[1] > 0 && both_told[0] == 0,
        format!("what is in both was let pass (passed, refused): {told}"),
    )?;
    holds(neither_told[0] > 0 && neither_told[1] == 0, format!("what is in neither was refused: {told}"))?;
    holds(
        first_told.iter().chain(&second_told).all(|count| *count > 0),
        format!("no swap was seen: {told}"),
    )?;
    shell.wait_for(|line| line["text"] == "over")?;
    // By the last one it is the first list again.
    same("in the first", read(&first)?, REFUSED)?;
    same("in the second", read(&second)?, Deed::Done)?;
    shell.stop()?.well()
}

/// What is added again has its time from then on, and a script has it again from a recording.
pub fn expires_and_is_had_again() -> Outcome {
    const PLACE: &str = "/tmp/sets-recording.ndjson";
    let [one, two] = files(["expire-one", "expire-two"])?;
    let script = format!(
        "let seen = set(\"seen\", \"path\"); let late = set(\"late\");
         probe(\"file_open\", #{{path: seen}}).scope(target).name(\"second\").on_event(|e| print(`again ${{e.path}}`)).attach();
         probe(\"file_open\", #{{path: [\"{one}\", \"{two}\"]}}).scope(target).name(\"first\").on_event(|e| {{
             seen.add(e.path, \"1500ms\"); late.add(e.path); print(`first ${{e.path}}: ${{seen.len()}}`);
         }}).attach();
         every(\"250ms\", || print(`seen ${{seen.len()}}, late ${{late.len()}}, one ${{\"{one}\" in seen}}`));"
    );
    let deeds = format!(
        "/bin/busybox sleep 1; /bin/cat {one} > /dev/null; /bin/busybox sleep 1; /bin/cat {one} {two} > /dev/null; /bin/busybox sleep 3"
    );
    said_again_by_replay(
        PLACE,
        &script,
        &deeds,
        &["seen 0, late 0, one false", "seen 1, late 1, one true", "seen 0, late 2, one false"],
    )
}
