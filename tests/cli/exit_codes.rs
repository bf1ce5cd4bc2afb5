//! How the program ends.

use super::*;

#[test]
fn a_script_that_ends_well_is_0() {
    assert_eq!(run(&["-e", "let a = 1;"]).code, Some(0));
}

#[test]
fn a_script_that_fails_is_1_and_says_where() {
    let ran = run(&["-e", "let a = 1;\nlet b = a + c;"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    assert!(ran.stderr.contains("-e:2:13"), "{}", ran.stderr);
}

#[test]
fn an_unknown_flag_is_2_and_names_the_nearest() {
    let stderr = run(&["--formt", "json"]).refused();
    assert!(stderr.contains("'--format'"), "{stderr}");
}

#[test]
fn an_impossible_value_is_2_and_names_the_possible_ones() {
    let stderr = run(&["--format", "xml"]).refused();
    assert!(
        stderr.contains("[possible values: auto, text, json, ndjson, junit, tap, sarif, html]"),
        "{stderr}"
    );
}

#[test]
fn a_probe_without_privilege_is_3_with_the_cure() {
    let output = as_nobody(&Directory::new(), &["-e", r#"probe("exec").attach()"#]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("fix: run krsi-sh as root"), "{stderr}");
}

#[test]
fn a_script_chooses_its_own_with_exit() {
    assert_eq!(run(&["-e", "exit(42)"]).code, Some(42));
}

#[test]
fn help_and_version_are_0() {
    for flag in ["-h", "--help", "-V", "--version"] {
        assert_eq!(run(&[flag]).code, Some(0), "{flag}");
    }
}
