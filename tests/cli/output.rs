//! In which format a session and a command answer.

use super::*;

/// Every kind of line that needs no kernel.
const SPEAK: &str =
    r#"print("a\nb"); emit(#{ n: 1 }); alert("high", "c"); help("exec"); help("no such words");"#;

fn with(words: &[&str], variable: &str) -> Ran {
    Folder::new().run_with(words, &[("KRSI_SH_FORMAT", variable)], "")
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
    let folder = Folder::with("a.rhai", SPEAK);
    let unset = &[("KRSI_SH_FORMAT", "")];
    assert_eq!(types(&folder.run_with(&["a.rhai"], unset, "").stdout), expected);
    assert_eq!(types(&folder.run_with(&["-"], unset, SPEAK).stdout), expected);
    assert_eq!(types(&folder.run_with(&[], unset, SPEAK).stdout), expected);
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
    assert!(text.contains(" p allow ") && text.contains(" uid="), "{text}");
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
    error: the variable KRSI_SH_FORMAT is `jsn`, which is no format (did you mean `json`?)
      allowed: auto, text, json, as for --format, which goes before it
    ");
}
