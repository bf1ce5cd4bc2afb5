//! In which format a session and a command answer.

use super::*;

/// Every kind of line that needs no kernel.
const SPEAK: &str =
    r#"print("a\nb"); emit(#{ n: 1 }); alert("high", "c"); help("exec"); help("no such words");"#;

fn with(words: &[&str], variable: &str) -> RunResult {
    Directory::new().run_with(words, &[("KRSI_SH_FORMAT", variable)], "")
}

fn types(stdout: &str) -> Vec<String> {
    let kind = |line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned();
    stdout.lines().map(kind).collect()
}

#[test]
fn a_session_that_no_terminal_shows_writes_a_record_a_line() {
    let expected = ["print", "emit", "alert", "print", "print"];
    assert_eq!(types(&with(&["-e", SPEAK], "").stdout), expected);
    assert_eq!(types(&with(&["--format", "auto", "-e", SPEAK], "text").stdout), expected);
    let directory = Directory::with("a.rhai", SPEAK);
    let unset = &[("KRSI_SH_FORMAT", "")];
    assert_eq!(types(&directory.run_with(&["a.rhai"], unset, "").stdout), expected);
    assert_eq!(types(&directory.run_with(&["-"], unset, SPEAK).stdout), expected);
    assert_eq!(types(&directory.run_with(&[], unset, SPEAK).stdout), expected);
}

/// `krsi-sh -e 'help()' | less` is for people; where help stands among records, it is one.
#[test]
fn help_that_is_all_there_is_is_text_wherever_it_goes() {
    let help = r#"help("exec"); help("uid")"#;
    let text = with(&["-e", help], "").stdout;
    assert!(text.starts_with("exec") && !text.contains("\"type\""), "{text}");
    assert_eq!(types(&with(&["--format", "json", "-e", help], "").stdout), ["print", "print"]);
    assert_eq!(types(&with(&["-e", help], "json").stdout), ["print", "print"]);
}

#[test]
fn every_record_has_a_time_of_nanoseconds_and_an_alert_has_one_in_text_too() {
    for line in with(&["-e", SPEAK], "").stdout.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let time = record["time"].as_str().unwrap();
        assert!(time.len() == 30 && time.ends_with('Z') && time.contains('T'), "{line}");
    }
    let own = with(&["-e", r#"emit(#{ time: "noon" })"#], "").stdout;
    assert_eq!(own, "{\"type\":\"emit\",\"time\":\"noon\"}\n");
    let text = with(&["--format", "text", "-e", SPEAK], "").stdout;
    let alert = text.lines().find(|line| line.contains("alert high")).unwrap();
    let (time, rest) = alert.split_once(' ').unwrap();
    assert!(time.len() == "12:00:00.000".len() && time.matches(':').count() == 2, "{alert}");
    assert_eq!(rest, "alert high: c");
}

#[test]
fn a_text_that_is_not_utf_8_keeps_its_bytes_from_a_program_to_a_program() {
    let script = r#"
        let name = run(["printf", "a\\377b"]).stdout;
        print(name == "a\uefffb");
        print(name.len() == 3 && name.bytes == 3 && name.to_blob().as_string() == name);
        print(run(["printf", "%s", name]).stdout == name);
        print(run(["sh", "-c", "printf %s \"$1\" | od -An -tx1", "sh", name]).stdout.split().join("-"));
        print(["ls", "a b", "", name, "x=y"].quoted());
        print([1, true, "x"].join(", "));
        emit(#{ name: name });
    "#;
    let ran = with(&["--format", "text", "-e", script], "");
    assert_eq!(
        ran.stdout,
        "true\ntrue\ntrue\n61-ff-62\nls 'a b' '' $'a\\xffb' 'x=y'\n1, true, x\n{\"name\":\"a\\uefffb\"}\n",
        "{}",
        ran.stderr
    );
}

#[test]
fn a_session_at_a_terminal_writes_text() {
    assert_eq!(on_terminal(&["-e", "print(6 * 7)"], &[]), "42\r\n");
    assert_eq!(on_terminal(&["-e", "print(1)"], &[("KRSI_SH_FORMAT", "auto")]), "1\r\n");
    let json = on_terminal(&["-e", "print(1)"], &[("KRSI_SH_FORMAT", "json")]);
    assert_eq!(types(&json), ["print"]);
}

#[test]
fn events_and_books_are_records_too() {
    let script = r#"probe("exec").scope(#{ pid: getpid() }).name("p").attach(); run(["true"]); run_for("500ms"); exit(0)"#;
    let ran = with(&["-e", script], "");
    if ran.code == Some(3) {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "{}", ran.stderr);
        println!("skipped: `exec` cannot be attached here: {}", ran.stderr);
        return;
    }
    assert_eq!(types(&ran.stdout), ["event", "books"], "{}", ran.stderr);
    let text = with(&["--format=text", "-e", script], "").stdout;
    assert!(text.contains(" p true[") && text.contains(" uid="), "{text}");
}

#[test]
fn the_variable_stands_for_the_option_and_the_option_goes_before_it() {
    with(&["-e", "print(1)"], "text").says("1");
    with(&["--format=text", "-e", "print(1)"], "json").says("1");
    with(&["--format=text", "-e", "print(1)"], "no word of ours").says("1");
    assert_eq!(types(&with(&["--format=json", "-e", "print(1)"], "text").stdout), ["print"]);
}

#[test]
fn what_a_command_answers_is_text_wherever_it_goes() {
    assert!(with(&["templates"], "").stdout.starts_with("NAME "));
    assert!(with(&["templates"], "auto").stdout.starts_with("NAME "));
    assert!(with(&["templates"], "json").stdout.starts_with('['));
    assert!(with(&["explain", "-e", r#"probe("exec")"#], "").stdout.contains("template exec"));
}

#[test]
fn a_word_that_is_none_is_refused_with_those_that_are_allowed() {
    let stderr = with(&["-e", "print(1)"], "jsn").refused();
    let said = stderr.split("\n\n").next().unwrap();
    assert_snapshot!(said, @r"
    error: the variable KRSI_SH_FORMAT is `jsn`, which is not a format (did you mean `json`?)
      allowed: auto, text, json, as for --format, which goes before it
    ");
}
