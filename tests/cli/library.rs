//! Scripts by their names, their parameters, and what is run beside them.

use super::*;

/// A library of one's own, with a hunt.
fn library() -> Directory {
    let directory = Directory::new();
    fs::create_dir_all(directory.path("hunts")).unwrap();
    let hunt = fs::read_to_string("scripts/hunts/ld-preload.rhai").unwrap();
    directory.write("hunts/ld-preload.rhai", hunt);
    directory.write("plain.rhai", "// Says which words it has.\nprint(args)");
    directory
}

fn named(directory: &Directory, words: &[&str]) -> RunResult {
    let path = directory.0.path().display().to_string();
    let elsewhere = Directory::new();
    let mut command = Command::from_std(started(PROGRAM));
    command
        .args(words)
        .current_dir(elsewhere.0.path())
        .env("KRSI_SH_SCRIPTS", path)
        .env("HOME", "/nonexistent");
    RunResult::of(&command.output().unwrap(), directory)
}

#[test]
fn a_script_is_found_by_its_name_whole_or_short() {
    let directory = library();
    for name in ["plain", "./plain"] {
        let ran = named(&directory, &["run", name, "a"]);
        assert_eq!(ran.code == Some(0), name == "plain", "{name}: {}", ran.stderr);
    }
    for name in ["hunts/ld-preload", "ld-preload"] {
        let ran = named(&directory, &["run", name, "--help"]);
        assert!(ran.code == Some(0) && ran.stdout.contains("--since DURATION"), "{name}: {ran:?}");
        assert!(
            ran.stdout.contains("T1574.006") && ran.stdout.contains("False positives:"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_parameter_that_there_is_not_is_refused_with_those_there_are() {
    let directory = library();
    let refused = |words: &[&str], part: &str| {
        let words: Vec<&str> = ["run", "ld-preload"].iter().chain(words).copied().collect();
        let stderr = named(&directory, &words).refused();
        assert!(stderr.contains(part), "{stderr}");
    };
    refused(&["--sinc", "10m"], "did you mean `--since`?");
    refused(&["--since", "soon"], "--since: `soon` does not fit; allowed: a number with a unit");
    refused(&["now"], "no parameter `now`; allowed: --not-exe, --not-library, --since, --help");
}

#[test]
fn scripts_are_listed_searched_and_described() {
    let directory = library();
    let names = named(&directory, &["scripts", "--names"]);
    assert!(names.stdout.lines().any(|line| line == "hunts/ld-preload"), "{names:?}");
    let listed = named(&directory, &["scripts", "--tag", "T1574"]);
    assert!(listed.stdout.contains("hunts/ld-preload"), "{listed:?}");
    assert!(!listed.stdout.contains("plain"), "{listed:?}");
    let described = named(&directory, &["scripts", "ld-preload"]);
    for part in [
        "What it looks for",
        "severity high, ATT&CK T1574.006",
        "--not-library TEXT,…",
        "hunts/ld-preload.rhai",
    ] {
        assert!(described.stdout.contains(part), "{part}: {}", described.stdout);
    }
    let json = named(&directory, &["--format", "json", "scripts", "ld-preload"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["params"][2]["name"], "since");
    assert_eq!(json["severity"], "high");
    let stderr = named(&directory, &["scripts", "no-such-word-at-all"]).refused();
    assert!(stderr.contains("nothing fits"), "{stderr}");
}

#[test]
fn a_header_that_is_none_is_an_error_with_its_line() {
    let ran = Directory::with("a.rhai", "// hunt: A\n// abut: B\nprint(1)").run(&["a.rhai"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    assert!(
        ran.stderr.contains("line 2 of the header: there is no `abut` (did you mean `about`?)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_command_ends_its_session_and_gives_its_exit_code() {
    let code = |words: &[&str]| run(words).code;
    assert_eq!(code(&["-c", "-e", "", "--", "sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["-c", "-e", "", "--", "sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(code(&["-c", "-e", "", "--", "/"]), Some(126));
    run(&["-c", "-e", "print(target.keys())", "--", "true"]).says("[\"pid\"]");
    let stderr = run(&["-c"]).refused();
    assert!(stderr.contains("-c: no command\nallowed: krsi-sh -c COMMAND"), "{stderr}");
    let stderr = run(&["-p", "4000000", "-e", ""]).refused();
    assert!(stderr.contains("there is no process 4000000"), "{stderr}");
}

#[test]
fn a_command_is_not_started_where_its_script_fails() {
    let directory = Directory::new();
    let ran = directory.run(&["-c", "-e", "throw 1", "--", "touch", "made"]);
    assert_eq!(ran.code, Some(1));
    assert!(!directory.path("made").exists());
}
