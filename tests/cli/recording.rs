//! `krsi-sh record` and `krsi-sh replay`, as far as they need no kernel: what is refused, and a script without a probe.

use super::*;

const NOTHING: &str = "print(`at ${strftime(\"%S.%f\").len() > 0}`); run_for(\"10ms\"); print(args);";

#[test]
fn a_recording_needs_a_file_and_touches_none_that_is_there() {
    let directory = Directory::new();
    let stderr = run(&["record", "-e", "1"]).refused();
    assert!(stderr.contains("--output <FILE>"), "{stderr}");
    directory.write("there", "something else");
    let stderr = directory.run(&["record", "-o", "there", "-e", "1"]).refused();
    assert_eq!(stderr, "krsi-sh: cannot make there: it is there already, and is not touched\n");
    let stderr = directory.run(&["record", "-o", "no/such/directory", "-e", "1"]).refused();
    assert!(stderr.starts_with("krsi-sh: cannot make no/such/directory: No such file"), "{stderr}");
    let stderr = directory.run(&["record", "-o", "new"]).refused();
    assert!(stderr.contains("record FILE"), "{stderr}");
    assert!(!directory.path("new").exists());
}

#[test]
fn what_is_no_recording_is_refused() {
    let directory = Directory::new();
    directory.write("text", "no recording\n");
    let stderr = directory.run(&["replay", "text", "-e", "1"]).refused();
    assert!(stderr.contains("text is no recording") && stderr.contains("krsi-sh record -o"), "{stderr}");
    let stderr = directory.run(&["replay", "absent", "-e", "1"]).refused();
    assert!(stderr.contains("cannot read absent: No such file"), "{stderr}");
    let stderr = directory.run(&["replay", "text"]).refused();
    assert!(stderr.contains("text is no recording"), "{stderr}");
}

#[test]
fn a_session_without_a_probe_is_had_again_with_its_arguments_own() {
    let directory = Directory::new();
    directory.write("script.rhai", NOTHING);
    let live = directory.run(&["record", "-o", "file.zst", "script.rhai", "one", "two"]);
    assert_eq!(
        (live.code, live.stdout.as_str()),
        (Some(0), "at true\n[\"one\", \"two\"]\n"),
        "{}",
        live.stderr
    );
    assert!(live.stderr.contains("recorded 0 events in file.zst"), "{}", live.stderr);
    // Either may come first.
    for words in [["file.zst", "script.rhai"], ["script.rhai", "file.zst"]] {
        let again = directory.run(&["replay", words[0], words[1], "one", "two"]);
        assert_eq!((again.code, again.stdout), (Some(0), live.stdout.clone()), "{}", again.stderr);
    }
}

#[test]
fn a_replay_has_no_effect() {
    let directory = Directory::new();
    let ran = directory.run(&["record", "-q", "-o", "file", "-e", "print(1)"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for (code, told) in [
        ("run([\"touch\", \"made\"])", "this is a replay"),
        ("start([\"touch\", \"made\"])", "this is a replay"),
        ("probe(\"exec\").attach()", "the recording has no probe of template `exec`; its probes are: none"),
    ] {
        let ran = directory.run(&["replay", "file", "-e", code]);
        assert!(ran.code != Some(0) && ran.stderr.contains(told), "{code}: {}", ran.stderr);
    }
    let mut child = process::Command::new("sleep").arg("100").spawn().unwrap();
    let ran = directory.run(&["replay", "file", "-e", &format!("print(kill({}, \"SIGKILL\"))", child.id())]);
    assert!(child.try_wait().unwrap().is_none(), "a replay has killed a process");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((ran.code, ran.stdout.lines().last()), (Some(0), Some("true")), "{}", ran.stderr);
    assert!(!directory.path("made").exists());
}

#[test]
fn the_schema_names_every_line_of_a_recording() {
    let directory = Directory::new();
    let schema: Value = serde_json::from_str(&run(&["record", "--schema"]).stdout).unwrap();
    let known = schema["oneOf"].as_array().unwrap();
    let ran = directory.run(&["record", "-q", "-o", "file", "-e", NOTHING]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = fs::read_to_string(directory.path("file")).unwrap();
    assert!(text.lines().count() > 4, "{text}");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let of = known.iter().find(|of| of["properties"]["type"]["const"] == line["type"]);
        let of = of.unwrap_or_else(|| panic!("not in the schema: {line}"));
        for name in of["required"].as_array().unwrap() {
            assert!(line.get(name.as_str().unwrap()).is_some(), "{name} is missing: {line}");
        }
    }
}
