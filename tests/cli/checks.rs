//! `krsi-sh check`, as cron runs it: exit codes, reports, and what is left behind when it is cut short.

use std::{
    io::{BufRead, BufReader},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;

/// How long something that was told to end may take, on a machine that does other work besides.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check that passes, one that fails, and one that cannot be decided.
const PASSES: &str = "check(\"well\", \"all is well\", || expect(1, equals(1)));\n";
const FAILS: &str = "check(\"mode\", \"others cannot read it\", #{ severity: \"high\", tags: [\"files\"], remedy: \"chmod 640 it\" },\n  || expect(0o644, is_mode_within(0o640), \"it is open\"));\n";
const UNDECIDED: &str = "check(\"dim\", \"nobody knows\", #{ level: 2 }, || inconclusive(\"it is dark\"));\n";

/// Runs of checks in a directory of their own: their lock, and what they remember, are in it as well.
struct Checks(Directory);

impl Checks {
    fn with(scripts: &[(&str, &str)]) -> Self {
        let checks = Checks(Directory::new());
        scripts.iter().for_each(|(name, text)| checks.0.write(name, text));
        checks
    }

    fn command(&self, words: &[&str]) -> process::Command {
        let mut command = started(PROGRAM);
        command.arg("check").args(words).current_dir(self.0.0.path()).stdin(Stdio::null());
        command.env("RUNTIME_DIRECTORY", self.0.path("run")).env("STATE_DIRECTORY", self.0.path("state"));
        command
    }

    fn run(&self, words: &[&str]) -> RunResult {
        RunResult::of(&self.command(words).output().unwrap(), &self.0)
    }

    /// Starts a run, and waits for a file that one of its scripts makes.
    fn under_way(&self, words: &[&str], file: &str) -> process::Child {
        let child = self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.wait_for(file);
        child
    }

    #[track_caller]
    fn wait_for(&self, file: &str) {
        wait_until(file, || self.0.path(file).exists());
    }

    fn report(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.path(file)).unwrap()).unwrap()
    }
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A script whose check makes `began`, waits, and makes `torn-down` when it is over.
fn waits(checks: &Checks) {
    let at = |name: &str| checks.0.path(name).display().to_string();
    checks.0.write(
        "waits.rhai",
        format!(
            "check(\"waits\", \"it waits\", || {{ teardown(|| run([\"touch\", \"{}\"])); run([\"touch\", \"{}\"]); sleep(600); true }});\n\
             check(\"after\", \"what comes after\", || true);\n",
            at("torn-down"),
            at("began")
        ),
    );
}

#[test]
fn when_all_is_well_nothing_is_written() {
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    let ran = checks.run(&["a.rhai"]);
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(0), "", ""));
}

#[test]
fn the_worst_result_is_the_exit_code() {
    let checks = Checks::with(&[("a.rhai", PASSES), ("b.rhai", FAILS), ("c.rhai", UNDECIDED)]);
    for (words, code) in [
        (&["a.rhai", "b.rhai"][..], 4),
        (&["a.rhai", "c.rhai"], 5),
        (&["."], 5),
        (&["--skip", "dim", "."], 4),
        (&["--level", "1", "."], 4),
        (&["--tag", "files", "."], 4),
        (&["--only", "w*", "."], 0),
        (&["--fail-on", "critical", "b.rhai"], 0),
        (&["--fail-on", "never", "."], 5),
        (&["--jobs", "1", "."], 5),
    ] {
        let ran = checks.run(words);
        assert_eq!(ran.code, Some(code), "{words:?}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_failure_tells_what_was_expected_what_was_found_and_what_to_do() {
    let checks = Checks::with(&[("b.rhai", FAILS), ("a.rhai", PASSES), ("c.rhai", UNDECIDED)]);
    let ran = checks.run(&["."]);
    let without_time = ran.stdout.rsplit_once(" (").unwrap().0.replace(&hostname(), "HOST");
    assert_snapshot!(without_time, @r#"
    FAIL         high     mode  others cannot read it
      it is open
      expected: a mode of at most 0o640
      found:    "0o644"
      at:       ./b.rhai:2
      remedy:   chmod 640 it
    INCONCLUSIVE medium   dim  nobody knows
      it is dark
      at:       ./c.rhai:1
    3 checks on HOST: 1 pass, 1 fail, 1 inconclusive
    "#);
}

fn hostname() -> String {
    nix::unistd::gethostname().unwrap().to_string_lossy().into_owned()
}

#[test]
fn what_keeps_a_script_from_its_checks_is_an_error_and_takes_no_other_with_it() {
    let checks = Checks::with(&[
        ("a.rhai", PASSES),
        ("broken.rhai", "let x = ;"),
        ("empty.rhai", "print(1);"),
        ("ends.rhai", "check(\"first\", \"one\", || true); exit(7); check(\"second\", \"two\", || true);"),
        ("nothing.rhai", "check(\"idle\", \"asserts nothing\", || [1]);"),
        (
            "hidden.rhai",
            "check(\"caught\", \"a try hides nothing\", || { try { fail(\"so it is\"); } catch { } true });",
        ),
        ("ended.rhai", "check(\"ended\", \"ends the session\", || exit(0));"),
        ("twice.rhai", "check(\"well\", \"the id of another\", || true);"),
    ]);
    let ran = checks.run(&[".", "--output", "all.json"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let report = checks.report("all.json");
    let result = |id: &str| {
        let found = report["results"].as_array().unwrap().iter().find(|one| one["id"] == id);
        let found = found.unwrap_or_else(|| panic!("no {id} in {report}"));
        (
            found["result"].as_str().unwrap().to_owned(),
            found["reason"].as_str().unwrap_or_default().to_owned(),
        )
    };
    for (id, expected, reason) in [
        ("well", "pass", ""),
        ("script.broken", "error", "Unexpected ';'"),
        ("script.empty", "error", "it has no checks"),
        ("first", "pass", ""),
        ("script.ends", "error", "it ended with exit code 7"),
        ("idle", "error", "it asserts nothing"),
        ("caught", "fail", "so it is"),
        ("ended", "error", "it ended the session"),
    ] {
        let (found, why) = result(id);
        assert_eq!(found, expected, "{id}: {why}");
        assert!(why.contains(reason), "{id}: {why}");
    }
    assert!(report["results"].to_string().contains("the id is used twice: ./a.rhai:1"), "{report}");
}

#[test]
fn reports_are_whole_files_of_their_owners_in_each_format() {
    let checks = Checks::with(&[("a.rhai", PASSES), ("b.rhai", FAILS)]);
    let files =
        ["r.txt", "r.json", "r.ndjson", "r.xml", "r.tap", "r.sarif", "r.html"].map(|name| ["--output", name]);
    let mut words: Vec<&str> = files.concat();
    words.extend(["--output", "junit:other", "."]);
    let mut command = checks.command(&words);
    // As a careless environment has it.
    let umask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let output = command.output().unwrap();
    nix::sys::stat::umask(umask);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    for [_, name] in files {
        let path = checks.0.path(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("mode") && text.contains("well"), "{name}: {text}");
    }
    assert!(fs::read_to_string(checks.0.path("other")).unwrap().contains("<testsuite"));
    let left = fs::read_dir(checks.0.0.path()).unwrap().filter_map(Result::ok);
    assert!(left.map(|e| e.file_name()).all(|name| !name.to_string_lossy().starts_with(".krsi")));
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    let ran = checks.run(&["a.rhai", "--output", "no/such/r.json"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("cannot write no/such/r.json"), "{}", ran.stderr);
    let ran = checks.run(&["a.rhai", "--output", "json:/dev/full"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = checks.command(&["a.rhai", "-v"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn nothing_is_neither_with_nor_without() {
    let matchers = [
        "includes(\"a\")",
        "excludes(\"a\")",
        "is_empty()",
        "is_not_empty()",
        "is_like(\"a*\")",
        "is_not(is_like(\"a*\"))",
        "is_at_least(1)",
        "is_not(is_at_least(1))",
        "is_mode_within(0o640)",
        "is_not(is_mode_within(0o640))",
        "each(1)",
        "is_not(each(1))",
        "is_present()",
    ];
    let checks: String = matchers
        .iter()
        .enumerate()
        .map(|(at, matcher)| format!("check(\"c{at}\", \"t\", || expect((), {matcher}));\n"))
        .collect();
    let checks = Checks::with(&[("a.rhai", &checks)]);
    assert_eq!(checks.run(&["a.rhai", "--output", "r.json"]).code, Some(4));
    assert_eq!(checks.report("r.json")["fail"], matchers.len());
}

#[test]
fn who_stops_reading_is_no_error() {
    let checks = Checks::with(&[("b.rhai", FAILS)]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = checks.command(&["b.rhai"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(4), &b""[..]));
}

#[test]
fn only_what_is_different_is_told() {
    let checks = Checks::with(&[("a.rhai", FAILS)]);
    let first = checks.run(&["--changed", "."]);
    assert_eq!(first.code, Some(4));
    assert!(first.stdout.contains("FAIL"), "{}", first.stdout);
    let same = checks.run(&["--changed", "."]);
    assert_eq!((same.code, &*same.stdout), (Some(4), ""), "the exit code is that of the whole");
    checks.0.write("a.rhai", "check(\"mode\", \"others cannot read it\", || true);");
    let mended = checks.run(&["--changed", "."]);
    assert!(mended.code == Some(0) && mended.stdout.starts_with("was fail:\n  PASS"), "{}", mended.stdout);
    checks.0.write("a.rhai", PASSES);
    let other = checks.run(&["--changed", "."]);
    assert!(other.stdout.contains("gone: mode") && other.stdout.contains("new:"), "{}", other.stdout);
    assert_eq!(&*checks.run(&["--changed", "."]).stdout, "", "what is gone is told once");
}

#[test]
fn a_baseline_accepts_a_failure_until_its_day() {
    let checks = Checks::with(&[("a.rhai", FAILS), ("known", "mode 2999-12-31 until the move\n")]);
    let accepted = checks.run(&["--baseline", "known", "."]);
    assert_eq!((accepted.code, &*accepted.stdout), (Some(0), ""), "{}", accepted.stderr);
    checks.0.write("known", "mode 2020-01-31 until the move\n");
    let expired = checks.run(&["--baseline", "known", "."]);
    assert_eq!(expired.code, Some(4));
    assert!(expired.stderr.contains("line 1: `mode` was accepted until 2020-01-31, and fails still"));
    checks.0.write("known", "mode soon\n");
    assert!(checks.run(&["--baseline", "known", "."]).refused().contains("line 1: `soon` is not a day"));
}

/// The clock is behind what was written here before.
#[test]
fn a_clock_that_was_set_back_accepts_nothing_again() {
    let checks = Checks::with(&[("a.rhai", FAILS), ("known", "mode 2031-01-31 until the move\n")]);
    assert_eq!(checks.run(&["--baseline", "known", "."]).code, Some(0));
    let later = std::time::UNIX_EPOCH + Duration::from_secs(1_990_000_000);
    let known = File::options().append(true).open(checks.0.path("known")).unwrap();
    known.set_modified(later).unwrap();
    let behind = checks.run(&["--baseline", "known", "--output", "report.json", "."]);
    assert_eq!(behind.code, Some(4), "{}", behind.stderr);
    assert!(behind.stderr.contains("known was written on 2033-01-2"), "{}", behind.stderr);
    assert!(
        behind.stderr.contains("`mode` was accepted until 2031-01-31, and fails still"),
        "{}",
        behind.stderr
    );
    assert!(checks.report("report.json").is_object());
}

#[test]
fn one_run_at_a_time() {
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    waits(&checks);
    let mut child = checks.under_way(&["waits.rhai"], "began");
    let second = checks.run(&["a.rhai"]);
    assert_eq!((second.code, &*second.stdout), (Some(5), ""));
    let told = format!("another run of checks goes on: process {}", child.id());
    assert!(second.stderr.contains(&told) && second.stderr.contains("waits.rhai"), "{}", second.stderr);
    // What only lists disturbs nobody.
    assert_eq!(checks.run(&["--list", "a.rhai"]).code, Some(0));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(checks.run(&["a.rhai"]).code, Some(0));
}

#[test]
fn time_that_is_up_is_inconclusive_and_what_was_set_up_is_torn_down() {
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    waits(&checks);
    let ran = checks.run(&["--timeout", "2s", "--jobs", "1", "waits.rhai", "a.rhai", "--output", "r.json"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(checks.0.path("torn-down").exists());
    let report = checks.report("r.json").to_string();
    assert!(report.contains("the time of the run was up"), "{report}");
    assert!(report.contains("it was not run: the run took more than 2s"), "{report}");
}

#[test]
fn a_signal_ends_a_run_with_its_reports_and_its_teardown() {
    let checks = Checks::with(&[]);
    waits(&checks);
    let child = checks.under_way(&["waits.rhai", "--output", "r.json"], "began");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 15), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(checks.0.path("torn-down").exists());
    assert!(checks.report("r.json").to_string().contains("the run was ended by signal 15"));
}

#[test]
fn a_run_that_is_killed_leaves_no_process_and_no_half_report() {
    let checks = Checks::with(&[]);
    waits(&checks);
    checks.0.write("r.json", "the one before");
    let mut child = checks.under_way(&["waits.rhai", "--output", "r.json"], "began");
    let workers = children(child.id());
    assert_eq!(workers.len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    checks.wait_for("torn-down");
    wait_until("the worker's end", || !Path::new(&format!("/proc/{}", workers[0])).exists());
    assert_eq!(fs::read_to_string(checks.0.path("r.json")).unwrap(), "the one before");
}

#[test]
fn what_is_set_up_is_torn_down_though_nobody_reads() {
    let checks = Checks::with(&[]);
    let at = checks.0.path("torn-down").display().to_string();
    let script = format!(
        "check(\"c\", \"t\", || {{ teardown(|| {{ print(\"late\"); run([\"touch\", \"{at}\"]); }}); print(\"meanwhile\"); sleep(2); true }});"
    );
    checks.0.write("a.rhai", script);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        started(PROGRAM).arg("a.rhai").current_dir(checks.0.0.path()).stdout(writer).output().unwrap();
    assert!(checks.0.path("torn-down").exists(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_script_whose_process_is_killed_is_an_error() {
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    waits(&checks);
    let child = checks.under_way(&["--jobs", "1", "waits.rhai", "a.rhai", "--output", "r.json"], "began");
    let workers = children(child.id());
    kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let report = checks.report("r.json");
    assert!(report.to_string().contains("its process was ended by signal 9"), "{report}");
    assert_eq!(report["pass"], 1, "{report}");
}

fn children(of: u32) -> Vec<i32> {
    let path = format!("/proc/{of}/task/{of}/children");
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn cron_gives_little_and_that_is_enough() {
    let checks = Checks::with(&[("a.rhai", FAILS)]);
    let mut command = checks.command(&["."]);
    command.env_clear().env("PATH", "/bin").env("STATE_DIRECTORY", checks.0.path("state"));
    command.env("RUNTIME_DIRECTORY", checks.0.path("run"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("FAIL"), "text, though no terminal shows it: {text}");
}

#[test]
fn checks_are_listed_and_explained_without_being_run() {
    let checks = Checks::with(&[("a.rhai", &format!("{PASSES}{FAILS}"))]);
    checks
        .run(&["--list", "--tag", "files", "."])
        .says("mode                             1 high     others cannot read it");
    let told = checks.run(&["--explain", "mode", "."]);
    assert_eq!(told.code, Some(0));
    assert!(told.stdout.contains("chmod 640 it") && told.stdout.contains("./a.rhai:2"), "{}", told.stdout);
    let refused = checks.run(&["--explain", "mod", "."]).refused();
    assert!(refused.contains("did you mean `mode`?"), "{refused}");
}

#[test]
fn a_word_that_no_check_answers_to_is_refused() {
    let checks = Checks::with(&[("a.rhai", FAILS)]);
    let refused = checks.run(&["--skip", "moed", "."]).refused();
    assert!(refused.contains("--skip moed: no check has that id; did you mean `mode`?"), "{refused}");
    let refused = checks.run(&["--output", "report.doc", "."]).refused();
    assert!(refused.contains("the end of `report.doc` tells no format"), "{refused}");
    assert!(checks.run(&["no-such"]).refused().contains("cannot read no-such"));
    assert!(run(&["--format", "junit", "-e", "1"]).refused().contains("krsi-sh check PATH"));
}

#[test]
fn a_script_with_checks_run_by_itself_ends_with_their_code() {
    let checks = Checks::with(&[("a.rhai", FAILS), ("b.rhai", PASSES)]);
    assert_eq!(checks.0.run(&["a.rhai"]).code, Some(4));
    assert_eq!(checks.0.run(&["b.rhai"]).code, Some(0));
    let record = checks.0.run(&["--format", "json", "a.rhai"]);
    let line: Value = serde_json::from_str(record.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["type"], &line["result"], &line["found"]),
        (&"check".into(), &"fail".into(), &"0o644".into())
    );
}

#[test]
fn a_script_that_others_can_write_is_refused_before_any_is_run() {
    if not_root() {
        return;
    }
    let checks = Checks::with(&[("a.rhai", PASSES)]);
    waits(&checks);
    checks.0.mode("a.rhai", 0o666);
    let refused = checks.run(&["waits.rhai", "a.rhai"]).refused();
    assert!(refused.contains("can be written by every user"), "{refused}");
    assert!(!checks.0.path("began").exists());
}

#[test]
fn lines_of_ndjson_end_with_the_sum() {
    let checks = Checks::with(&[("a.rhai", PASSES), ("b.rhai", FAILS)]);
    let mut command = checks.command(&["--format", "ndjson", "."]);
    let output = command.output().unwrap();
    let lines: Vec<Value> =
        BufReader::new(&*output.stdout).lines().map(|l| serde_json::from_str(&l.unwrap()).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|l| l["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["check", "check", "checks"]
    );
    assert_eq!(
        (&lines[2]["pass"], &lines[2]["fail"], &lines[2]["checks"]),
        (&1.into(), &1.into(), &2.into())
    );
}
