//! Claims about `krsi-sh redteam`, as it runs in a guest: what goes round a rule is named, what does not is not, and what was not
//! tried is said.

use std::{collections::BTreeMap, fs, net::TcpListener, os::unix::fs::PermissionsExt};

use krsi_sh::redteam::ways;
use serde_json::Value;

use super::{
    Outcome, holds, same,
    shell::{Ended, Shell},
};

const PLACE: &str = "/tmp/redteam";
const FILE: &str = "/tmp/redteam/secret";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What a guest's side told, and what it came to.
struct Told {
    ended: Ended,
    checks: Vec<Value>,
}

fn redteam(deeds: &[&str], script: &str) -> Result<Told, String> {
    let mut arguments = vec!["redteam".to_owned(), "--inside".to_owned()];
    arguments.extend(deeds.iter().map(|deed| format!("--deed={deed}")));
    arguments.extend(["-e".to_owned(), script.to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = Shell::start(&arguments)?.end()?;
    let checks: Vec<_> = ended.lines.iter().filter(|line| line["type"] == "check").cloned().collect();
    holds(!checks.is_empty(), format!("nothing is told: {:?}; {}", ended.lines, ended.stderr))?;
    Ok(Told { ended, checks })
}

impl Told {
    /// What each way to a deed of this probe came to, by its name.
    fn outcomes(&self, probe: &str) -> BTreeMap<String, String> {
        let of_probe =
            self.checks.iter().map(|check| &check["evidence"][0]).filter(|of| of["probe"] == probe);
        let said = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        of_probe.map(|of| (said(of, "way"), said(of, "outcome"))).filter(|(way, _)| !way.is_empty()).collect()
    }

    fn with(&self, probe: &str, outcome: &str) -> Vec<String> {
        let all = self.outcomes(probe).into_iter();
        all.filter(|(_, found)| found == outcome).map(|(way, _)| way).collect()
    }

    fn reasons(&self) -> String {
        self.checks.iter().filter_map(|check| check["reason"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// These are stopped, and of the others nothing goes round the rule, and all has an end.
    fn stops(&self, probe: &str, at_least: &[&str], gaps: &[&str]) -> Outcome {
        let outcomes = self.outcomes(probe);
        for way in at_least {
            same(way, outcomes.get(*way).map(String::as_str), Some("stopped"))
                .map_err(|error| format!("{error}; {}", self.reasons()))?;
        }
        for (way, outcome) in &outcomes {
            let is_gap = gaps.contains(&way.as_str());
            let fits = match outcome.as_str() {
                "stopped" | "not possible" | "not tried" => true,
                "gap" => is_gap,
                _ => false,
            };
            holds(fits, format!("{way}: {outcome}; {}", self.reasons()))?;
        }
        Ok(())
    }
}

fn place() -> Outcome {
    let _ = fs::remove_dir_all(PLACE);
    fs::create_dir_all(PLACE).map_err(text)?;
    fs::write(FILE, "content").map_err(text)
}

/// What opens a file on each kernel of the matrix.
const OPENS: &[&str] = &[
    "hard link",
    "symbolic link",
    "bind mount",
    "rename",
    "copy",
    "/proc/self/root",
    "/proc/PID/root",
    "chroot",
    "namespaces of one's own",
    "openat2",
    "file handle",
    "O_PATH and /proc/self/fd",
    "executing it",
    "thread",
    "pid namespace",
];
/// What `file_open` does not see.
const UNSEEN: &[&str] = &[
    "another user",
    "descriptor held",
    "descriptor received",
    "descriptor taken",
    "truncate",
    "stat",
    "moved away",
];

pub fn path() -> Outcome {
    place()?;
    let rule =
        format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{uid: 0}}).deny(\"EXDEV\").name(\"t\")");
    let told = redteam(&[], &format!("{rule}.attach();"))?;
    told.stops("t", OPENS, UNSEEN)?;
    for gap in ["descriptor held", "stat", "moved away"] {
        same(gap, told.outcomes("t").get(gap).map(String::as_str), Some("gap"))?;
    }
    same(
        "every way is told",
        ways::of(krsi_sh::redteam::Deed::parse("open /a").map_err(text)?.kind()).count(),
        told.outcomes("t").values().filter(|outcome| *outcome != "not tried").count(),
    )?;
    same("exit code", told.ended.code, Some(0))?;
    same("the file is as it was", fs::read_to_string(FILE).map_err(text)?, "content".to_owned())?;
    holds(!fs::exists("/tmp/.krsi-redteam").map_err(text)?, "the scene is left behind")?;

    // The rules for what one about opening does not see, and a breaker, which these attempts do not trip.
    let others: String = ["truncate", "stat", "rename"]
        .iter()
        .map(|template| {
            format!(
                "probe(\"{template}\", #{{path: \"{FILE}\"}}).scope(#{{uid: 0}}).deny(\"EXDEV\").attach();"
            )
        })
        .collect();
    let told = redteam(&[], &format!("{rule}.trip(2, \"1h\").attach(); {others}"))?;
    told.stops("t", OPENS, UNSEEN)?;
    for way in ["truncate", "stat", "moved away"] {
        same(way, told.outcomes("t").get(way).map(String::as_str), Some("stopped"))?;
    }
    holds(told.reasons().contains("no ways round a rule of `truncate`"), told.reasons())?;
    // That it observes for a while is the command's own doing.
    let is_alarmed = ["another process", "somebody else"].iter().any(|word| told.ended.stderr.contains(word));
    holds(!is_alarmed, told.ended.stderr.clone())?;
    same("exit code with others", told.ended.code, Some(0))
}

pub fn names() -> Outcome {
    place()?;
    let holes = ["bind mount", "chroot", "hard link", "namespaces of one's own", "rename"];
    for (what, rule) in [
        ("prefix", format!("probe(\"file_open\", #{{path_prefix: \"{PLACE}/\"}}).scope(#{{uid: 0}})")),
        (
            "filter",
            format!("probe(\"file_open\").scope(#{{uid: 0}}).when(|e| e.path.starts_with(\"{PLACE}/\"))"),
        ),
    ] {
        let told = redteam(&[], &format!("{rule}.deny(\"EXDEV\").name(\"t\").attach();"))?;
        same(what, told.with("t", "HOLE"), holes.map(str::to_owned).to_vec())
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
        same("no doubt", told.with("t", "inconclusive"), Vec::<String>::new())
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
        holds(told.reasons().contains("`path`, which holds the file as well as the name"), told.reasons())?;
        same("exit code", told.ended.code, Some(4))?;
    }
    Ok(())
}

pub fn program() -> Outcome {
    place()?;
    let program = format!("{PLACE}/program");
    fs::copy("/bin/busybox", &program).map_err(text)?;
    let rule = |rest: &str| format!("probe(\"exec\"{rest}.deny(\"EXDEV\").name(\"t\").attach();");
    let told = redteam(&[], &rule(&format!(", #{{path: \"{program}\"}}).scope(#{{uid: 0}})")))?;
    same("holes", told.with("t", "HOLE"), vec!["copy".to_owned(), "memfd and fexecve".to_owned()])
        .map_err(|error| format!("{error}; {}", told.reasons()))?;
    same("exit code", told.ended.code, Some(4))?;
    let stopped = [
        "hard link",
        "symbolic link",
        "bind mount",
        "rename",
        "#! script",
        "thread",
        "execveat",
        "/proc/self/root",
        "chroot",
        "pid namespace",
    ];
    for way in stopped {
        same(way, told.outcomes("t").get(way).map(String::as_str), Some("stopped"))
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
    }
    // By place: what is not where programs are does not run, a copy and memory included. A kill is a refusal as well.
    let placed = ").scope(#{uid: 0}).when(|e| !e.path.starts_with(\"/bin/\"))";
    let told = redteam(&[], &rule(placed))?;
    told.stops(
        "t",
        &["copy", "memfd and fexecve", "hard link", "symbolic link", "thread"],
        &["another user"],
    )?;
    same("exit code by place", told.ended.code, Some(0))?;

    // A rule about a place is gone round by whoever brings the program to another one.
    let of_place = ").scope(#{uid: 0}).when(|e| e.path.starts_with(\"/tmp/redteam/\"))";
    let told = redteam(&[&format!("exec {program}")], &rule(of_place))?;
    for way in ["copy", "bind mount", "hard link", "memfd and fexecve"] {
        same(way, told.outcomes("t").get(way).map(String::as_str), Some("HOLE"))
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
    }

    let script = format!("{PLACE}/script");
    fs::write(&script, "#!/bin/sh\nexit 0\n").map_err(text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(text)?;
    let killed =
        format!("probe(\"exec\", #{{path: \"{script}\"}}).scope(#{{uid: 0}}).kill().name(\"t\").attach();");
    let told = redteam(&[], &killed)?;
    let outcomes = told.outcomes("t");
    for (way, outcome) in [("interpreter", "gap"), ("hard link", "stopped"), ("#! script", "not possible")] {
        same(way, outcomes.get(way).map(String::as_str), Some(outcome))
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
    }
    Ok(())
}

pub fn connection() -> Outcome {
    let listener = TcpListener::bind("[::]:4711").map_err(text)?;
    let rule = "probe(\"connect\", #{address: \"127.0.0.1\", port: 4711}).scope(#{uid: 0}).deny(\"EXDEV\").name(\"t\").attach();";
    let told = redteam(&[], rule)?;
    same("holes", told.with("t", "HOLE"), vec!["address of another family".to_owned()])
        .map_err(|error| format!("{error}; {}", told.reasons()))?;
    let stopped = [
        "IPv4 in the form of IPv6",
        "unspecified address",
        "TCP Fast Open",
        "io_uring",
        "thread",
        "pid namespace",
        "user namespace",
    ];
    for way in stopped {
        same(way, told.outcomes("t").get(way).map(String::as_str), Some("stopped"))
            .map_err(|error| format!("{error}; {}", told.reasons()))?;
    }
    same("exit code", told.ended.code, Some(4))?;
    let both = "probe(\"connect\", #{address: [\"127.0.0.0/8\", \"::1\"], port: 4711}).scope(#{uid: 0}).deny(\"EXDEV\").name(\"t\").attach();";
    let told = redteam(&[], both)?;
    told.stops("t", &["address of another family"], &["another user"])?;
    same("exit code of both", told.ended.code, Some(0))?;
    drop(listener);
    Ok(())
}

pub fn family() -> Outcome {
    let told = redteam(
        &[],
        "probe(\"socket\", #{family: \"packet\"}).scope(#{uid: 0}).deny(\"EXDEV\").name(\"t\").attach();",
    )?;
    told.stops("t", &["thread", "pid namespace"], &["another user"])?;
    same("exit code", told.ended.code, Some(0))
}

pub fn nothing_to_go_round() -> Outcome {
    place()?;
    let observing =
        format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{uid: 0}}).name(\"t\").attach();");
    let told = redteam(&[], &observing)?;
    same("exit code of one that observes", told.ended.code, Some(5))?;
    holds(told.reasons().contains("none of its probes denies or kills: t (observe)"), told.reasons())?;

    let told = redteam(&[], "exit(0);")?;
    same("exit code of one that ends", told.ended.code, Some(5))?;
    holds(told.reasons().contains("the script ended, with exit code 0"), told.reasons())?;

    // What cannot be told from the rule is asked for.
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(FILE).map_err(text)?);
    let by_inode = format!(
        "probe(\"file_open\").scope(#{{uid: 0}}).when(|e| e.inode == {inode} && e.size == 7).deny(\"EXDEV\").name(\"t\").attach();"
    );
    let told = redteam(&[], &by_inode)?;
    same("exit code without a deed", told.ended.code, Some(5))?;
    holds(
        told.reasons().contains("no deed is known that this probe refuses")
            && told.reasons().contains("fix: say what it refuses: --deed 'open …'"),
        told.reasons(),
    )?;
    let told = redteam(&[&format!("open {FILE}")], &by_inode)?;
    told.stops("t", &["hard link", "rename", "openat2"], UNSEEN)?;

    // Of a list some stand for the others, which is said.
    let files: Vec<String> = (0..5).map(|number| format!("{PLACE}/{number}")).collect();
    files.iter().try_for_each(|file| fs::write(file, "")).map_err(text)?;
    let of_many = format!(
        "probe(\"file_open\", #{{path: {files:?}}}).scope(#{{uid: 0}}).deny(\"EXDEV\").name(\"t\").attach();
         probe(\"exec\").name(\"watcher\").attach();"
    );
    let told = redteam(&[], &of_many)?;
    same("exit code of many", told.ended.code, Some(0))?;
    holds(told.reasons().contains("more of what it may refuse; the first 3"), told.reasons())?;
    holds(told.reasons().contains("not tried: it neither denies nor kills (observe)"), told.reasons())?;

    // And what is said of it has to be so.
    let told = redteam(&["open /etc/hosts"], &by_inode)?;
    same("exit code of a deed that is permitted", told.ended.code, Some(5))?;
    holds(
        told.reasons()
            .contains("the script does not refuse `open /etc/hosts`: t: `open /etc/hosts` is permitted"),
        told.reasons(),
    )
}

/// Whoever the scope is about tries; and a rule that lapses meanwhile is no rule that holds.
pub fn whom_and_how_long() -> Outcome {
    place()?;
    fs::set_permissions(PLACE, fs::Permissions::from_mode(0o777)).map_err(text)?;
    fs::set_permissions(FILE, fs::Permissions::from_mode(0o644)).map_err(text)?;
    let rule = format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{uid: 1000, not_uid: 0}})");
    let told = redteam(&[], &format!("{rule}.deny(\"EXDEV\").name(\"t\").attach();"))?;
    told.stops("t", &["symbolic link", "openat2", "thread", "copy"], UNSEEN)?;
    // Who is no administrator mounts nothing, and changes no root.
    for way in ["bind mount", "chroot"] {
        same(way, told.outcomes("t").get(way).map(String::as_str), Some("not possible"))?;
    }
    let scoped = format!("probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{exe: \"/bin/busybox\"}})");
    let told = redteam(&[], &format!("{scoped}.deny(\"EXDEV\").name(\"t\").attach();"))?;
    holds(
        told.reasons().contains("its scope is about what executable a process runs (`exe`)"),
        told.reasons(),
    )?;
    same("exit code of one that nobody can be", told.ended.code, Some(5))?;
    // After so many refusals the script itself gives up.
    let gives_up = format!(
        "let n = 0; let p = {rule}.deny(\"EXDEV\").name(\"t\").attach(); p.on_event(|e| {{ n += 1; if n == 4 {{ p.observe(); }} }});"
    );
    let told = redteam(&[], &gives_up)?;
    holds(!told.with("t", "inconclusive").is_empty(), format!("{:?}", told.outcomes("t")))?;
    same("holes of one that gives up", told.with("t", "HOLE"), Vec::<String>::new())?;
    same("exit code of one that gives up", told.ended.code, Some(5))
}
