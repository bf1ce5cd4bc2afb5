//! Every function of the registry is judged here: a new one fails the first test until it is.

use std::{
    collections::BTreeSet,
    process::{Child, Command},
};

use super::Policy;
use crate::{
    kernel::Live,
    report::Format,
    script::{Options, Session, Source, api, docs::plain_types, testing::Written},
    template::Catalogue,
};

/// How it is seen whether an effect happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// The code's probe `p` enforces.
    Enforces(&'static str),
    /// The code, in which `PID` is a child's process id, ends that child.
    Kills(&'static str),
    /// The code runs a program that prints `ran`.
    Runs(&'static str),
    /// It loads something: that needs a kernel, and is tried in the lab.
    Loads(&'static str),
    /// It keeps a file of that name: tried in tests/cli, which has a directory of its own for it.
    Keeps(&'static str),
    /// It starts this program again, which these tests are not: tried in tests/attempts.rs.
    InScratch(&'static str),
    /// The code, in which `PID` is a child's process id, stops that child.
    Freezes(&'static str),
    /// The code keeps what the child of id `PID` is, in `FOLDER`.
    Evidence(&'static str),
    /// It is about an event, and so needs a kernel: tried in the lab.
    OfEvent,
}

/// All that have an effect on the system.
const EFFECTS: &[(&str, Trial)] = &[
    ("attach(Probe)", Trial::Loads("probe(\"exec\").attach()")),
    ("ask(Probe)", Trial::Enforces("p.ask()")),
    ("ask(Probe, map)", Trial::Enforces("p.ask(#{timeout: \"5s\"})")),
    ("ask(Probe, function)", Trial::Enforces("p.ask(|e| allow())")),
    ("ask(Probe, function, map)", Trial::Enforces("p.ask(|e| allow(), #{otherwise: \"kill\"})")),
    (
        "armed(Probe, map, string)",
        Trial::Enforces("p.armed(#{shadow: false, lease: \"1h\", cgroup: []}, \"EPERM\")"),
    ),
    ("deny(Probe)", Trial::Enforces("p.deny()")),
    ("deny(Probe, string)", Trial::Enforces("p.deny(\"EACCES\")")),
    ("deny(Probe, int)", Trial::Enforces("p.deny(13)")),
    ("kill(Probe)", Trial::Enforces("p.kill()")),
    ("kill(Probe, string)", Trial::Enforces("p.kill(\"SIGTERM\")")),
    ("kill(Probe, int)", Trial::Enforces("p.kill(15)")),
    ("kill(int, string)", Trial::Kills("kill(PID, \"SIGKILL\")")),
    ("kill(int, int)", Trial::Kills("kill(PID, 9)")),
    ("kill(Event, string)", Trial::OfEvent),
    ("freeze(Event)", Trial::OfEvent),
    ("freeze(int)", Trial::Freezes("freeze(PID)")),
    ("keep_evidence(Event)", Trial::OfEvent),
    ("keep_evidence(Event, map)", Trial::OfEvent),
    ("keep_evidence(int)", Trial::Evidence("keep_evidence(PID)")),
    ("keep_evidence(int, map)", Trial::Evidence("keep_evidence(PID, #{directory: FOLDER})")),
    ("pin(Probe, string)", Trial::Loads("probe(\"exec\").attach().pin(\"guard\")")),
    ("pin(Probe, string, map)", Trial::Loads("probe(\"exec\").attach().pin(\"guard\", #{lease: \"10m\"})")),
    ("pinned(string)", Trial::Loads("pinned(\"guard\")")),
    ("pins()", Trial::Loads("pins()")),
    ("observe(Pin)", Trial::Loads("pinned(\"guard\").observe()")),
    ("resume(Pin)", Trial::Loads("pinned(\"guard\").resume()")),
    ("renew(Pin)", Trial::Loads("pinned(\"guard\").renew()")),
    ("remove(Pin)", Trial::Loads("pinned(\"guard\").remove()")),
    ("preview(Probe)", Trial::Loads("probe(\"exec\").preview()")),
    ("attempt(Scratch, string)", Trial::InScratch("scratch().attempt(\"reboot\")")),
    ("attempt(Scratch, string, any)", Trial::InScratch("scratch().attempt(\"bpf\", \"map\")")),
    ("attempt(Scratch, string, any, any)", Trial::InScratch("scratch().attempt(\"open\", \"/\", \"r\")")),
    ("attempt(string, array, map)", Trial::InScratch("attempt(\"open\", [\"/\"], #{})")),
    ("attempt(string, map)", Trial::InScratch("attempt(\"reboot\", #{})")),
    ("run(Scratch, array)", Trial::InScratch("scratch().run([\"true\"])")),
    ("scratch()", Trial::InScratch("scratch()")),
    ("scratch(map)", Trial::InScratch("scratch(#{})")),
    ("state(string)", Trial::Keeps("state(\"policy-test\")")),
    ("write_recording(string)", Trial::Keeps("write_recording(\"policy-test\")")),
    ("start(array)", Trial::Runs("start([\"/bin/sh\", \"-c\", \"kill -9 PID; echo ran\"]).wait()")),
    ("run(array)", Trial::Runs("run([\"/bin/sh\", \"-c\", \"kill -9 PID; echo ran\"])")),
];

/// All that have none: they configure, read, wait or write to the session's own streams. What a probe that is attached
/// then does is its mode's, and the modes are above.
const HARMLESS: &[&str] = &[
    "after(string, function)",
    "advise(string)",
    "alert(string, string)",
    "alert(string, string, Event)",
    "alive(Event)",
    "allow()",
    "allow(string)",
    "any(array, function)",
    "as_string(blob)",
    "avg(Probe)",
    "avg(Probe, string)",
    "avg(Probe, string, any)",
    "blob(int)",
    "blob(int, int)",
    "by(Sequence, function)",
    "by(Threshold, function)",
    "bytes(string)",
    "cancel(Timer)",
    "capabilities(Event)",
    "capabilities(int)",
    "capable(Event, string)",
    "capable(int, string)",
    "cgroup_path(Event)",
    "cidr(array)",
    "cidr(string)",
    "clear(Probe)",
    "close(Scratch)",
    "contains(Networks, string)",
    "contains(string, string)",
    "count(Probe)",
    "count_by(Probe, any)",
    "counts(Probe)",
    "dedup(array, function)",
    "deny()",
    "deny(string)",
    "deny(string, string)",
    "detach(Probe)",
    "unpin(Probe)",
    "stats(Pin)",
    "get$mode(Pin)",
    "get$name(Pin)",
    "get$now(Pin)",
    "get$pinned_as(Probe)",
    "get$rule(Pin)",
    "to_debug(Pin)",
    "to_string(Pin)",
    "distinct(Probe)",
    "distinct(Probe, string)",
    "distinct(Probe, string, any)",
    "emit(map)",
    "ends_with(string, string)",
    "events(Probe, bool)",
    "every(string, function)",
    "everywhere(Probe)",
    "exe_sha256(Event)",
    "exit()",
    "exit(any)",
    "exit(int)",
    "explain(Probe)",
    "fail_fast()",
    "fields(Event)",
    "fields(Probe, array)",
    "for_executable(Reply)",
    "first_seen(State, string, any)",
    "first_seen(string, any)",
    "forget(State, any)",
    "get$attached(Probe)",
    "get$audit_only(Probe)",
    "get$door(Probe)",
    "get$bytes(string)",
    "get$cgroup(Scratch)",
    "get$dir(Scratch)",
    "get$id(Probe)",
    "get$len(string)",
    "get$mode(Probe)",
    "get$name(Probe)",
    "get$overflow(Summary)",
    "get$rows(Summary)",
    "get$template(Probe)",
    "get$total(Summary)",
    "getpid()",
    "help()",
    "help(string)",
    "hist(Probe)",
    "hist(Probe, string)",
    "hist(Probe, string, any)",
    "index$get$(Ancestor, string)",
    "index$get$(Event, string)",
    "index$get$(EventPart, string)",
    "index$get$(Summary, int)",
    "join(array, string)",
    "keys(Event)",
    "kill()",
    "kill(string)",
    "kstack(Probe)",
    "last()",
    "last(Probe)",
    "last(Probe, int)",
    "last(int)",
    "lease(Probe, ())",
    "lease(Probe, string)",
    "len(State)",
    "len(Summary)",
    "len(string)",
    "lhist(Probe)",
    "lhist(Probe, string, int, int, int)",
    "lhist(Probe, string, int, int, int, any)",
    "like(string, string)",
    "limit(Sequence, int)",
    "limit(Threshold, int)",
    "matches(string, string)",
    "max(Probe)",
    "max(Probe, string)",
    "max(Probe, string, any)",
    "max_keys(Probe, int)",
    "min(Probe)",
    "min(Probe, string)",
    "min(Probe, string, any)",
    "name(Probe, string)",
    "none(array, function)",
    "observe(Probe)",
    "of(Summary)",
    "of(Summary, any)",
    "of(Threshold, Probe)",
    "of(Threshold, Probe, function)",
    "on_error(Probe, string)",
    "on_event(Probe, function)",
    "on_exit(function)",
    "on_match(Sequence, function)",
    "on_match(Threshold, function)",
    "operations()",
    "order(array, function)",
    "order_by(array, function)",
    "pad(array, int, any)",
    "pad(blob, int, int)",
    "pad(string, int, char)",
    "pad(string, int, string)",
    "pop(array)",
    "probe(string)",
    "probe(string, map)",
    "probe_named(string)",
    "probes()",
    "process_key(Event)",
    "quoted(array)",
    "quoted(string)",
    "redact(array)",
    "redact(string)",
    "remove(array, int)",
    "remove(map, string)",
    "replace(string, char, string)",
    "replace(string, string, char)",
    "replace(string, string, string)",
    "run_for(string)",
    "save(State)",
    "scope(Probe, map)",
    "sequence(string)",
    "set(Probe, string, any)",
    "sha256(string)",
    "shadow(Probe)",
    "shift(array)",
    "show(Summary)",
    "sleep(float)",
    "sleep(int)",
    "sleep(string)",
    "sort(array, function)",
    "sort_by(array, function)",
    "split(string)",
    "split(string, char)",
    "split(string, char, int)",
    "split(string, string)",
    "split(string, string, int)",
    "split_rev(string, char)",
    "split_rev(string, char, int)",
    "split_rev(string, string)",
    "split_rev(string, string, int)",
    "starts_with(string, string)",
    "stats(Probe)",
    "stats(Sequence)",
    "stats(Threshold)",
    "step(Sequence, Probe)",
    "step(Sequence, Probe, function)",
    "stop(Sequence)",
    "stop(Threshold)",
    "strftime(string)",
    "sum(Probe)",
    "sum(Probe, string)",
    "sum(Probe, string, any)",
    "summaries(Probe)",
    "take(Probe)",
    "take(any)",
    "templates()",
    "threshold(int, string)",
    "to_array(blob)",
    "to_ascii_lower(string)",
    "to_blob(string)",
    "to_chars(string)",
    "to_debug(Ancestor)",
    "to_debug(Event)",
    "to_debug(EventPart)",
    "to_debug(Networks)",
    "to_debug(Probe)",
    "to_debug(Scratch)",
    "to_debug(Sequence)",
    "to_debug(State)",
    "to_debug(Threshold)",
    "to_debug(Summary)",
    "to_debug(Timer)",
    "to_debug(Verdict)",
    "to_json(Ancestor)",
    "to_json(Event)",
    "to_json(EventPart)",
    "to_json(map)",
    "to_string(Error)",
    "to_string(Ancestor)",
    "to_string(Event)",
    "to_string(EventPart)",
    "to_string(Networks)",
    "to_string(Probe)",
    "to_string(Scratch)",
    "to_string(Sequence)",
    "to_string(State)",
    "to_string(Threshold)",
    "to_string(Summary)",
    "to_string(Timer)",
    "to_string(Verdict)",
    "top(Probe, int)",
    "top(Probe, int, any)",
    "top(Summary, int)",
    "limit(Probe, ())",
    "limit(Probe, string)",
    "limit(Probe, string, string)",
    "sample(Probe, int)",
    "expects_file(Probe, bool)",
    "set(string)",
    "set(string, string)",
    "add(Set, any)",
    "add(Set, any, string)",
    "remove(Set, any)",
    "clear(Set)",
    "fill(Set, array)",
    "fill(Set, array, string)",
    "contains(Set, any)",
    "len(Set)",
    "values(Set)",
    "get$name(Set)",
    "to_string(Set)",
    "to_debug(Set)",
    "canary(Probe, ())",
    "canary(Probe, string, function)",
    "trip(Probe, ())",
    "trip(Probe, int, string)",
    "trip_when(Probe, ())",
    "trip_when(Probe, string, function)",
    "tripped(Probe)",
    "ustack(Probe)",
    "when(Probe, ())",
    "when(Probe, function)",
    "where_user(Probe, function)",
    "env(string)",
    "gid(string)",
    "cwd()",
    "hostname()",
    "index$set$(Event, string, any)",
    "read_lines(string)",
    "uid(string)",
    "cmdline()",
    "mounts()",
    "processes()",
    "sockets()",
    "users()",
    "groups()",
    "shadow()",
    "modules()",
    "services()",
    "timers()",
    "packages()",
    "cgroups()",
    "namespaces()",
    "cron_jobs()",
    "ssh_config()",
    "pam()",
    "bpf_programs()",
    "sysctl(string)",
    "sysctl(string, any)",
    "kconfig(string)",
    "package_of(string)",
    "verify(string)",
    "file(string)",
    "files(string)",
    "files(string, map)",
    "count(Files)",
    "to_array(Files)",
    "to_string(Files)",
    "to_debug(Files)",
    "filter(Files, function)",
    "map(Files, function)",
    "find(Files, function)",
    "any(Files, function)",
    "all(Files, function)",
    "to_string(File)",
    "to_debug(File)",
    "to_string(System)",
    "to_debug(System)",
    "get$kernel(System)",
    "get$lsm(System)",
    "get$os(System)",
    "get$hostname(System)",
    "get$init(System)",
    "get$root(System)",
    "get$path(File)",
    "get$name(File)",
    "get$kind(File)",
    "get$mode(File)",
    "get$permissions(File)",
    "get$setuid(File)",
    "get$setgid(File)",
    "get$sticky(File)",
    "get$world_writable(File)",
    "get$uid(File)",
    "get$gid(File)",
    "get$owner(File)",
    "get$group(File)",
    "get$size(File)",
    "get$links(File)",
    "get$inode(File)",
    "get$device(File)",
    "get$mtime(File)",
    "get$ctime(File)",
    "get$atime(File)",
    "get$target(File)",
    "get$resolved(File)",
    "get$capabilities(File)",
    "get$attributes(File)",
    "get$acl(File)",
    "get$default_acl(File)",
    "get$format(File)",
    "get$sha256(File)",
    "check(string, string, function)",
    // In the mode that the policy has let it have.
    "rearm(Probe)",
    "recorder(Probe, ())",
    "recorder(Probe, string)",
    "release(Child)",
    "wait(Child)",
    "discard(Evidence)",
    "get(Probe, string)",
    "get$files(Evidence)",
    "get$directory(Evidence)",
    "get$pids(Frozen)",
    "get$rehearsed(Evidence)",
    "get$rehearsed(Frozen)",
    "get$troubles(Evidence)",
    "stay(Frozen)",
    "thaw(Frozen)",
    "to_debug(Evidence)",
    "to_debug(Frozen)",
    "to_string(Evidence)",
    "to_string(Frozen)",
    "get$pid(Child)",
    "get$scope(Child)",
    "to_string(Child)",
    "to_debug(Child)",
    "remembers(State, any)",
    "found(string)",
    "found(string, Event)",
    "found(string, string, Event)",
    "params(map)",
    "seconds(string)",
    "check(string, string, map, function)",
    "each(any)",
    "equals(any)",
    "evidence(any)",
    "excludes(any)",
    "expect(any, any)",
    "expect(any, any, string)",
    "expect(bool)",
    "fail(string)",
    "includes(any)",
    "inconclusive(string)",
    "is_at_least(any)",
    "is_at_most(any)",
    "is_between(any, any)",
    "is_empty()",
    "is_like(string)",
    "is_missing()",
    "is_mode_within(int)",
    "is_not(any)",
    "is_not_empty()",
    "is_one_of(array)",
    "is_present()",
    "setup(function)",
    "skip(string)",
    "teardown(function)",
    "to_debug(Matcher)",
    "to_debug(Reply)",
    "to_string(Matcher)",
    "to_string(Reply)",
];

fn registry() -> BTreeSet<String> {
    let mut engine = rhai::Engine::new();
    api::register(&mut engine);
    let metadata = engine.gen_fn_metadata_to_json(false).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let signature = |entry: &serde_json::Value| {
        let kinds = entry["params"].as_array().into_iter().flatten().filter_map(|p| p["type"].as_str());
        let kinds: Vec<_> = kinds.map(plain_types).filter(|kind| kind != "NativeCallContext").collect();
        format!("{}({})", entry["name"].as_str().unwrap(), kinds.join(", "))
    };
    metadata["functions"].as_array().unwrap().iter().map(signature).collect()
}

#[test]
fn every_function_is_judged() {
    let judged: BTreeSet<String> =
        EFFECTS.iter().map(|(name, _)| *name).chain(HARMLESS.iter().copied()).map(str::to_owned).collect();
    let found = registry();
    let missing: Vec<_> = found.difference(&judged).collect();
    assert!(missing.is_empty(), "has it an effect on the system? then it asks the policy: {missing:#?}");
    let gone: Vec<_> = judged.difference(&found).collect();
    assert!(gone.is_empty(), "no such function any more: {gone:#?}");
}

/// Runs a script under a policy: its exit code, and what it wrote.
fn session(policy: Policy, code: &str) -> (i32, String) {
    let lines = Written::default();
    let options = Options { policy, format: Format::Text, ..Options::default() };
    let source = Source { name: "-e".into(), text: code.into() };
    let catalogue = Catalogue::builtin().unwrap();
    let backend = Box::new(Live::new(catalogue.clone(), None));
    let code = Session::new(catalogue, options, backend, Box::new(lines.clone())).run(&source).code;
    (code, lines.0.lock().unwrap().join("\n"))
}

/// Explains a script: its exit code, and what it wrote.
fn explained(code: &str) -> (i32, String) {
    let lines = Written::default();
    let options = Options { format: Format::Text, ..Options::default() };
    let source = Source { name: "-e".into(), text: code.into() };
    let catalogue = Catalogue::builtin().unwrap();
    let mut session = Session::explaining(catalogue, options, Box::new(lines.clone()));
    let code = session.explanations(&source).code;
    (code, lines.0.lock().unwrap().join("\n"))
}

struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Victim(Command::new("sleep").arg("60").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    fn stands_still(&self) -> bool {
        procfs::process::Process::new(self.0.id().cast_signed()).unwrap().stat().unwrap().state == 'T'
    }

    /// The code with this process's id in it.
    fn in_code(&self, code: &str) -> String {
        code.replace("PID", &self.0.id().to_string())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn under_audit_nothing_is_refused_or_signalled_and_it_is_reported() {
    let audit = Policy::default().audited();
    for (name, trial) in EFFECTS {
        match trial {
            Trial::Enforces(code) => {
                let text = format!("let p = probe(\"exec\"); {code}; print(p.mode)");
                let (_, said) = session(audit, &text);
                let shadows = said.lines().any(|line| line == "shadow");
                assert!(shadows && said.contains("--audit"), "{name}: {said}");
            }
            Trial::Kills(code) => {
                let mut victim = Victim::new();
                let (ended, said) = session(audit, &victim.in_code(&format!("print({code})")));
                let report = format!("would send SIGKILL to process {}", victim.0.id());
                assert!(ended == 0 && said.contains(&report) && said.ends_with("true"), "{name}: {said}");
                assert!(victim.lives(), "{name}");
            }
            Trial::Runs(code) => {
                // Programs run under --audit, and what they do is done: that is documented.
                let mut victim = Victim::new();
                let (_, said) = session(audit, &victim.in_code(&format!("print({code}.stdout)")));
                assert!(said.contains("ran"), "{name}: {said}");
                assert!(!victim.0.wait().unwrap().success());
            }
            Trial::Freezes(code) => {
                let mut victim = Victim::new();
                let (ended, said) =
                    session(audit, &victim.in_code(&format!("let f = {code}; print(f.rehearsed)")));
                let report = format!("would send SIGSTOP to process {}", victim.0.id());
                assert!(ended == 0 && said.contains(&report) && said.contains("true"), "{name}: {said}");
                assert!(victim.lives() && !victim.stands_still(), "{name}");
            }
            Trial::Evidence(code) => {
                let (victim, directory) = (Victim::new(), tempfile::tempdir().unwrap());
                let code = victim.in_code(&in_directory(code, directory.path()));
                let (ended, said) = session(audit, &format!("let kept = {code}; print(kept.rehearsed)"));
                assert!(
                    ended == 0 && said.contains("\"would\":\"keep\"") && said.contains("true"),
                    "{name}: {said}"
                );
                assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{name}");
            }
            Trial::Loads(_) | Trial::InScratch(_) | Trial::Keeps(_) | Trial::OfEvent => {}
        }
    }
}

/// The code with a directory that is not there yet.
fn in_directory(code: &str, directory: &std::path::Path) -> String {
    code.replace("FOLDER", &format!("\"{}/kept\"", directory.display()))
}

#[test]
fn what_is_explained_is_not_done() {
    for (name, trial) in EFFECTS {
        match trial {
            Trial::Enforces(_) | Trial::OfEvent => {}
            Trial::Loads(code) | Trial::InScratch(code) | Trial::Keeps(code) => {
                let (ended, said) = explained(code);
                assert_eq!((ended, &*said), (0, ""), "{name}");
            }
            Trial::Kills(code) | Trial::Runs(code) | Trial::Freezes(code) => {
                let mut victim = Victim::new();
                let (ended, _) = explained(&victim.in_code(code));
                assert!(ended == 0 && victim.lives() && !victim.stands_still(), "{name}");
            }
            Trial::Evidence(code) => {
                let (victim, directory) = (Victim::new(), tempfile::tempdir().unwrap());
                let (ended, _) = explained(&victim.in_code(&in_directory(code, directory.path())));
                assert!(
                    ended == 0 && std::fs::read_dir(directory.path()).unwrap().next().is_none(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn without_either_it_is_done() {
    for (name, trial) in EFFECTS {
        match trial {
            Trial::Enforces(code) => {
                let (_, said) =
                    session(Policy::default(), &format!("let p = probe(\"exec\"); {code}; print(p.mode)"));
                let is_mode = |line: &str| {
                    ["deny(", "kill(", "ask, otherwise "].iter().any(|mode| line.starts_with(mode))
                };
                assert!(said.lines().any(is_mode), "{name}: {said}");
            }
            Trial::Kills(code) => {
                let mut victim = Victim::new();
                session(Policy::default(), &victim.in_code(code));
                assert!(!victim.0.wait().unwrap().success(), "{name}");
            }
            Trial::Freezes(code) => {
                let victim = Victim::new();
                let code = victim.in_code(&format!(
                    "let f = {code}; print(processes().find(|p| p.pid == PID).state); print(f.thaw())"
                ));
                let (ended, said) = session(Policy::default(), &code);
                assert!(ended == 0 && said.contains("stopped\n1"), "{name}: {said}");
                assert!(!victim.stands_still(), "{name}");
            }
            Trial::Evidence(code) if code.contains("FOLDER") => {
                let (victim, directory) = (Victim::new(), tempfile::tempdir().unwrap());
                let code = victim.in_code(&in_directory(code, directory.path()));
                let (ended, said) = session(
                    Policy::default(),
                    &format!("let kept = {code}; print(kept.files[\"exe\"].size > 0)"),
                );
                assert!(ended == 0 && said.contains("true"), "{name}: {said}");
                assert_eq!(std::fs::read_dir(directory.path().join("kept")).unwrap().count(), 1, "{name}");
            }
            _ => {}
        }
    }
}
