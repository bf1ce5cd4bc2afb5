//! Claims about probes that go on when their session has ended: by its end or by kill -9, until somebody removes them.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use aya::maps::loaded_maps;
use nix::{
    fcntl::OFlag,
    mount::{MntFlags, umount2},
    sys::signal::Signal,
};
use serde_json::{Value, json};

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{SHELL, Shell, run, run_with, told_by},
    task::{Deed, ME, REFUSED, open_file, perform},
};

const FILE: &str = "/tmp/pinned";
pub const PLACE: &str = "/run/krsi-pins";

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A denial of the file to this suite's subtree, by name, which needs no shell.
pub fn denial(name: &str) -> String {
    format!(
        "let p = probe(\"file_open\").scope(#{{pid: {}}}).when(|e| e.path == \"{FILE}\").deny().name(\"{name}\").attach();",
        std::process::id()
    )
}

fn pinning(pin: &str, lease: &str) -> Result<Shell, String> {
    fs::write(FILE, "content").map_err(text)?;
    Shell::ready(&format!("{} p.pin(\"{pin}\", #{{lease: \"{lease}\"}}); print(\"ready\");", denial("t")))
}

pub fn read() -> Result<Deed, String> {
    open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed)
}

/// What `krsi-sh pins …` has written, on both streams, and its exit code.
fn pins(arguments: &[&str]) -> Result<(String, Option<i32>), String> {
    let output = Command::new(SHELL).arg("pins").args(arguments).output().map_err(text)?;
    let both = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&both).into_owned(), output.status.code()))
}

fn listed() -> Result<Value, String> {
    let (told, log) = told_by(&["pins", "--format", "json"])?;
    serde_json::from_str(&told).map_err(|error| format!("{error}: {told}{log}"))
}

/// The one pin that there is.
fn one() -> Result<Value, String> {
    let all = listed()?;
    let array = all.as_array().ok_or("no array")?;
    same("pins", array.len(), 1)?;
    Ok(array[0].clone())
}

/// No probe has anything in the kernel, and nothing is refused.
pub fn nothing_left() -> Outcome {
    let settings =
        || loaded_maps().filter_map(Result::ok).filter(|map| map.name() == b"krsi_settings").count();
    until("nothing of a probe is in the kernel", Duration::from_secs(5), || Ok(settings() == 0))?;
    same("afterwards", read()?, Deed::Done)
}

fn removed(pin: &str) -> Outcome {
    let (said, code) = pins(&["remove", pin])?;
    holds(code == Some(0) && said.starts_with(&format!("`{pin}` is removed: t: file_open")), said)?;
    same("none is listed", listed()?, json!([]))?;
    holds(!Path::new(PLACE).join(pin).exists(), "its directory is there still")?;
    nothing_left()
}

/// The end of the session, and kill -9, are nothing to it; who comes later finds it, with its counters, and removes it.
pub fn goes_on() -> Outcome {
    let shell = pinning("guard", "forever")?;
    same("while the session runs", read()?, REFUSED)?;
    let ended = shell.stop()?;
    holds(ended.stderr.contains("probe `t` stays pinned as `guard`, in deny(EPERM)"), ended.stderr.clone())?;
    holds(ended.stderr.contains("krsi-sh pins remove guard"), ended.stderr)?;
    same("after its end", read()?, REFUSED)?;
    same("and again", read()?, REFUSED)?;
    let pin = one()?;
    for (field, value) in [
        ("name", json!("guard")),
        ("now", json!("enforces")),
        ("template", json!("file_open")),
        ("mode", json!("deny(EPERM)")),
        ("lease", json!("forever")),
        ("uid", json!(0)),
        ("whole", json!(true)),
        ("sessions", json!([])),
    ] {
        same(field, &pin[field], &value)?;
    }
    same("denied, of three", &pin["counters"]["deny"], &json!(3))?;
    let rule = pin["rule"].as_str().unwrap_or_default();
    holds(rule.contains(&format!("when path == \"{FILE}\"")) || rule.contains(FILE), rule.to_owned())?;
    let (shown, _) = pins(&["show", "guard"])?;
    holds(
        shown.contains("deny(EPERM), no lease") && shown.contains("for ever") && shown.contains("deny 3"),
        shown,
    )?;
    removed("guard")?;

    let shell = pinning("other", "forever")?;
    shell.signal(Signal::SIGKILL)?;
    drop(shell);
    same("after kill -9", read()?, REFUSED)?;
    same("how many are refused by then", &one()?["counters"]["deny"], &json!(1))?;
    removed("other")
}

/// Whoever comes later has it observe, has it enforce again; and `krsi-sh panic` reaches it, too.
pub fn is_changed_later() -> Outcome {
    pinning("guard", "forever")?.stop()?;
    let (said, code) = pins(&["observe", "guard"])?;
    same("observe", (code, read()?), (Some(0), Deed::Done)).map_err(|e| format!("{e}: {said}"))?;
    same("now", &one()?["now"], &json!("observe"))?;
    let (said, code) = pins(&["resume", "guard"])?;
    same("resume", (code, read()?), (Some(0), REFUSED)).map_err(|e| format!("{e}: {said}"))?;
    let output = Command::new(SHELL).arg("panic").output().map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    holds(said.contains("1 probe made to observe"), said.clone())?;
    holds(said.contains("pin `guard` stays attached, and only observes; `krsi-sh pins remove guard`"), said)?;
    same("panic", (output.status.code(), read()?), (Some(0), Deed::Done))?;
    fs::create_dir_all("/etc/krsi-sh").map_err(text)?;
    fs::write("/etc/krsi-sh/observe-only", "not today").map_err(text)?;
    let (said, code) = pins(&["resume", "guard"])?;
    fs::remove_file("/etc/krsi-sh/observe-only").map_err(text)?;
    holds(code == Some(3) && said.contains("this host only observes") && said.contains("not today"), said)?;
    same("refused to resume", read()?, Deed::Done)?;
    let (said, code) = pins(&["show", "gard"])?;
    holds(code == Some(2) && said.contains("did you mean `guard`?"), said)?;
    removed("guard")
}

/// Each refusal names what would need a shell; nothing is pinned, and the probe ends with its session.
pub fn what_needs_a_shell() -> Outcome {
    let me = std::process::id();
    let attempts = [
        (
            format!("probe(\"file_open\").scope(#{{pid: {me}}}).ask(|e| allow())"),
            "#{lease: \"forever\"}",
            "asks, and nobody answers",
        ),
        (
            format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}})"),
            "#{}",
            "param `path` of probe `t` names files",
        ),
        (
            "probe(\"exec\").scope(#{exe: \"/bin/busybox\"})".to_owned(),
            "#{}",
            "names an executable by its file",
        ),
        (
            format!("probe(\"file_open\").scope(#{{pid: {me}}}).when(|e| e.path == \"{FILE}\").deny()"),
            "#{}",
            "nobody is said to keep that going",
        ),
        (
            "probe(\"exec\").everywhere().lease(\"5m\").deny()".to_owned(),
            "#{lease: \"forever\"}",
            "refuses everything to everybody",
        ),
        (format!("probe(\"file_open\").scope(#{{pid: {me}}})"), "#{leese: \"10m\"}", "did you mean `lease`?"),
    ];
    for (probe, settings, wanted) in attempts {
        // A denial of all executions is not for this suite's children: it observes until it is refused.
        let ended = run(&format!(
            "let p = {probe}.name(\"t\").attach(); try {{ p.pin(\"no\", {settings}); }} catch (e) {{ print(`refused: ${{e}}`); }} p.detach();"
        ))?;
        let said = ended
            .lines
            .iter()
            .find_map(|line| line["text"].as_str().filter(|text| text.starts_with("refused: ")));
        holds(
            said.is_some_and(|said| said.contains(wanted)),
            format!("{probe}: {said:?}; {}", ended.stderr),
        )?;
    }
    same("none is listed", listed()?, json!([]))?;
    let ended =
        run_with(&["--audit"], &format!("{} p.pin(\"no\", #{{lease: \"10m\"}}); exit();", denial("t")))?;
    holds(ended.stderr.contains("probe `t` would be pinned as `no`"), ended.stderr)?;
    same("none is listed after a rehearsal", listed()?, json!([]))?;
    let other = super::shell::run_command_as(1000, &["pins"])?;
    holds(other.0 == Some(3) && other.2.contains("privilege"), format!("{other:?}"))
}

/// A lease runs out by itself; who holds the pin renews it, and what happens when that ends is the kernel's matter.
pub fn lease_and_hold() -> Outcome {
    let lasts = stretched(Duration::from_secs(4));
    let lease = format!("{}ms", lasts.as_millis());
    pinning("guard", &lease)?.stop()?;
    let mut holder = Command::new(SHELL).args(["pins", "hold", "guard"]).spawn().map_err(text)?;
    thread::sleep(lasts * 2);
    same("held for two leases", read()?, REFUSED)?;
    same("now", &one()?["now"], &json!("enforces"))?;
    holder.kill().map_err(text)?;
    holder.wait().map_err(text)?;
    until("it lapses", lasts * 2, || Ok(read()? == Deed::Done))?;
    let pin = one()?;
    same("lapsed", &pin["now"], &json!("lapsed"))?;
    holds(pin["counters"]["lapsed"].as_u64() >= Some(1), pin.to_string())?;
    let (shown, _) = pins(&[])?;
    holds(shown.contains("lapsed: only observes"), shown)?;
    let mut holder = Command::new(SHELL).args(["pins", "hold", "guard"]).spawn().map_err(text)?;
    until("it enforces again", lasts, || Ok(read()? == REFUSED))?;
    removed("guard")?;
    let code = holder.wait().map_err(text)?.code();
    same("who holds what is removed ends well", code, Some(0))?;
    // One for ever has nothing to hold.
    pinning("ever", "forever")?.stop()?;
    let (said, code) = pins(&["hold", "ever"])?;
    holds(code == Some(2) && said.contains("nothing to hold"), said)?;
    removed("ever")
}

/// Nobody reads its events: the ring is full, these are counted as lost, and each verdict is as before.
pub fn nobody_reads() -> Outcome {
    const TIMES: u64 = 6000;
    let shell = pinning("guard", "forever")?;
    shell.signal(Signal::SIGKILL)?;
    drop(shell);
    let task = perform(&ME, || i32::from((0..TIMES).any(|_| fs::File::open(FILE).is_ok())))?;
    same("any that was let pass", task.deed, Deed::Done)?;
    let counters = &one()?["counters"];
    let count = |name: &str| counters[name].as_u64().ok_or(format!("no {name}: {counters}"));
    same("refused", count("deny")?, TIMES)?;
    holds(count("lost_ring")? > 0, format!("the ring was never full: {counters}"))?;
    same("emitted or lost", count("emitted")? + count("lost_ring")?, TIMES)?;
    removed("guard")
}

/// What somebody else does to the pin is said by the session that has made it; there the probe goes on to its end.
pub fn removed_behind_its_back() -> Outcome {
    let mut shell = pinning("guard", "forever")?;
    let (said, code) = pins(&["remove", "guard"])?;
    holds(
        code == Some(0) && said.contains(&format!("session {} still has the probe attached", shell.pid())),
        said,
    )?;
    let about = |wanted: &'static str| {
        move |line: &Value| line["type"] == "alert" && line.to_string().contains(wanted)
    };
    shell.wait_for(about("was unpinned by somebody else (`guard`)"))?;
    shell.wait_for(about("only observes since now"))?;
    same("made to observe", read()?, Deed::Done)?;
    shell.stop()?;
    nothing_left()?;
    let mut shell = pinning("guard", "forever")?;
    umount2(&Path::new(PLACE).join("guard"), MntFlags::MNT_DETACH).map_err(text)?;
    shell.wait_for(about("was unpinned by somebody else (`guard`)"))?;
    same("by this session it is still refused", read()?, REFUSED)?;
    shell.stop()?;
    nothing_left()?;
    let (said, _) = pins(&[])?;
    holds(said.contains("1 empty directory") && said.contains("krsi-sh pins clean"), said)?;
    let (said, code) = pins(&["clean"])?;
    same("cleaned", (&*said, code), ("1 removed\n", Some(0)))
}

/// `.unpin()` and `.detach()`: the one ends it with the session, the other at once; and a name is for one pin.
pub fn unpinned_by_the_session() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "{} print(`${{p.pinned_as}}`); p.pin(\"guard\", #{{lease: \"forever\"}}); print(p.pinned_as);
         try {{ p.pin(\"more\"); }} catch (e) {{ print(`${{e}}`); }}
         let q = probe(\"file_open\").scope(#{{pid: 1}}).attach();
         try {{ q.pin(\"guard\"); }} catch (e) {{ print(`${{e}}`); }}
         try {{ p.when(|e| e.path == \"/tmp/no\"); }} catch (e) {{ print(`${{e}}`); }}
         q.detach(); p.unpin(); print(\"ready\");",
        {
            fs::write(FILE, "content").map_err(text)?;
            denial("t")
        }
    ))?;
    for wanted in [
        "guard",
        "probe `t` is pinned already, as `guard`",
        "there is a pin of this name already",
        "a pinned filter is not replaced",
    ] {
        shell.wait_for(|line| line["text"].as_str().is_some_and(|text| text.contains(wanted)))?;
    }
    same("none is listed", listed()?, json!([]))?;
    same("attached still", read()?, REFUSED)?;
    shell.stop()?;
    nothing_left()?;
    let ended = run(&format!("{} p.pin(\"guard\", #{{lease: \"forever\"}}); p.detach();", denial("t")))?;
    holds(ended.code == Some(0) && !ended.stderr.contains("stays pinned"), ended.stderr)?;
    same("none is listed", listed()?, json!([]))?;
    nothing_left()
}

/// One whose files somebody has removed, or whose words are another version's, is told and removed.
pub fn not_whole() -> Outcome {
    pinning("guard", "forever")?.stop()?;
    let directory = Path::new(PLACE).join("guard");
    let files = fs::read_dir(&directory).map_err(text)?.flatten();
    let link = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .find(|file| file.starts_with("link-krsi"));
    let link = link.ok_or("no link of what follows processes")?;
    fs::remove_file(directory.join(&link)).map_err(text)?;
    let pin = one()?;
    same("whole", &pin["whole"], &json!(false))?;
    let (shown, _) = pins(&[])?;
    holds(shown.contains(&format!("not whole: {link} removed by somebody")), shown)?;
    removed("guard")?;
    pinning("guard", "forever")?.stop()?;
    fs::remove_file(directory.join("manifest")).map_err(text)?;
    let pin = one()?;
    holds(pin["trouble"].as_str().is_some_and(|why| why.contains("cannot be opened")), pin.to_string())?;
    let (said, code) = pins(&["resume", "guard"])?;
    holds(code == Some(3) && said.contains("krsi-sh pins remove guard"), said)?;
    let (said, code) = pins(&["remove", "guard"])?;
    same("removed", (&*said, code), ("`guard` is removed\n", Some(0)))?;
    nothing_left()
}

/// A later session has the pin by its name: what it counts, its mode, its lease, and its end.
pub fn by_a_later_session() -> Outcome {
    pinning("guard", "10m")?.stop()?;
    same("refused", read()?, REFUSED)?;
    let ended = run(
        "let g = pinned(\"guard\"); print(`${g.name} ${g.now} ${g.mode} ${g.stats().counters.deny}`); print(g.rule);
         g.observe(); print(g.now); g.renew(); g.resume(); print(g.now); print(pins().len());
         try { pinned(\"gard\"); } catch (e) { print(`${e}`); }",
    )?;
    let said: Vec<_> = ended.lines.iter().filter_map(|line| line["text"].as_str()).collect();
    let wanted = |text: &str| {
        holds(said.iter().any(|line| line.contains(text)), format!("no {text:?}: {said:?}; {}", ended.stderr))
    };
    for text in
        ["guard enforces deny(EPERM) 1", "t: file_open [file_open], deny(EPERM)", "did you mean `guard`?"]
    {
        wanted(text)?;
    }
    holds(said.windows(3).any(|three| three == ["observe", "enforces", "1"]), format!("{said:?}"))?;
    same("resumed", read()?, REFUSED)?;
    let ended = run_with(&["--audit"], "let g = pinned(\"guard\"); g.observe(); g.remove();")?;
    holds(
        ended.stderr.contains("pin `guard` would observe") && ended.stderr.contains("would be removed"),
        ended.stderr,
    )?;
    same("rehearsed", read()?, REFUSED)?;
    // Who has it as a probe asks that; another session must not fight with it over its mode.
    let mut shell = Shell::ready(&format!(
        "{} p.pin(\"own\", #{{lease: \"forever\"}}); try {{ pinned(\"own\").observe(); }} catch (e) {{ print(`${{e}}`); }} print(\"ready\");",
        denial("t")
    ))?;
    shell.wait_for(|line| {
        line.to_string().contains("pin `own` is of this session, which has it as probe `t`")
    })?;
    let (said, code) = pins(&["resume", "own"])?;
    holds(code == Some(3) && said.contains("holds the probe as well"), said)?;
    shell.stop()?;
    let ended = run("pinned(\"own\").remove(); pinned(\"guard\").remove(); print(`${pins()}`);")?;
    holds(
        ended.lines.iter().any(|line| line["text"] == "[]"),
        format!("{:?}; {}", ended.lines, ended.stderr),
    )?;
    nothing_left()
}

/// Who executes what, which cgroup is at a path, who descends from whom: the kernel's side follows all that happens after the session's end.
pub fn is_kept_up_to_date() -> Outcome {
    const OTHER: &str = "/tmp/busybox-pins";
    const GROUP: &str = "/sys/fs/cgroup/pins";
    fs::write(FILE, "content").map_err(text)?;
    fs::copy("/bin/busybox", OTHER).map_err(text)?;
    fs::create_dir_all(GROUP).map_err(text)?;
    let filter = format!("when(|e| e.path == \"{FILE}\").deny(\"EACCES\")");
    Shell::ready(&format!(
        "probe(\"file_open\").scope(#{{pid: {}, exe_suffix: \"/busybox-pins\"}}).{filter}.name(\"exe\").attach().pin(\"exe\", #{{lease: \"forever\"}});
         probe(\"file_open\").scope(#{{cgroup: \"{GROUP}\"}}).{filter}.name(\"group\").attach().pin(\"group\", #{{lease: \"forever\"}});
         print(\"ready\");",
        std::process::id()
    ))?
    .stop()?;
    let reads = |program: &str, group: bool| -> Result<bool, String> {
        let enter = if group { format!("echo $$ > {GROUP}/cgroup.procs; ") } else { String::new() };
        let script = format!("{enter}exec {program} cat {FILE}");
        let output = Command::new("/bin/sh").args(["-c", &script]).output().map_err(text)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        holds(output.status.success() || said.contains("Permission denied"), said)?;
        Ok(output.status.success())
    };
    let now = || {
        Ok::<_, String>([reads(OTHER, false)?, reads("/bin/busybox", false)?, reads("/bin/busybox", true)?])
    };
    same("by the other program, by busybox, in the cgroup", now()?, [false, true, false])?;
    // The cgroup is another one then, under its name.
    until("the cgroup is empty", Duration::from_secs(5), || Ok(fs::remove_dir(GROUP).is_ok()))?;
    fs::create_dir(GROUP).map_err(text)?;
    same("in a cgroup that was created again", now()?, [false, true, false])?;
    for pin in ["exe", "group"] {
        let (said, code) = pins(&["remove", pin])?;
        holds(code == Some(0), said)?;
    }
    same("afterwards", now()?, [true; 3])?;
    let _ = fs::remove_dir(GROUP);
    nothing_left()
}
