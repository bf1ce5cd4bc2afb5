//! `krsi-sh templates`.

use super::*;

fn listed(words: &[&str]) -> Vec<Value> {
    let ran = run(words);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_has_what_was_promised() {
    let all = listed(&["templates", "--format", "json"]);
    assert!(all.len() >= 2);
    for template in &all {
        assert_eq!(
            keys(template),
            [
                "name",
                "summary",
                "attack",
                "hooks",
                "can_deny",
                "can_ask",
                "example",
                "not_seen",
                "scope_required",
                "params",
                "fields"
            ]
        );
        assert!(template["attack"].is_array() && template["hooks"].is_array());
        assert!(template["can_deny"].is_boolean() && template["scope_required"].is_boolean());
        for param in template["params"].as_array().unwrap() {
            assert_eq!(keys(param), ["name", "type", "doc", "default"]);
        }
        for field in template["fields"].as_array().unwrap() {
            assert_eq!(keys(field), ["name", "type", "unit", "doc"]);
        }
    }
}

#[test]
fn json_of_one_is_a_list_of_one() {
    let one = listed(&["templates", "exec", "--format", "json"]);
    assert_eq!(one.len(), 1);
    assert_eq!(one[0]["name"], "exec");
    assert_eq!(one[0]["hooks"][0], "bprm_check_security");
}

#[test]
fn the_list_has_a_line_for_each() {
    let ran = run(&["templates"]);
    let mut lines = ran.stdout.lines();
    assert!(lines.next().unwrap().starts_with("NAME"));
    let names: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let all = listed(&["templates", "--format=json"]);
    assert_eq!(names, all.iter().map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>());
}

#[test]
fn one_is_described_in_full() {
    let page = run(&["templates", "file_open"]).stdout;
    for part in ["file_open", "T1005", "deny", "path_prefix", "every access", "major:minor", "krsi-sh -e '"] {
        assert!(page.contains(part), "{part} is not in:\n{page}");
    }
}

#[test]
fn the_example_runs_as_it_stands_up_to_the_kernel() {
    let page = run(&["templates", "exec"]).stdout;
    let (_, code) = page.split_once("krsi-sh -e '").unwrap();
    let (code, _) = code.split_once('\'').unwrap();
    let (configured, _) = code.split_once(".attach()").unwrap();
    assert_eq!(run(&["-e", &format!("{configured};")]).code, Some(0), "{code}");
}

#[test]
fn an_unknown_one_names_the_nearest_and_all() {
    let stderr = run(&["templates", "exce"]).refused();
    assert!(
        stderr.starts_with("krsi-sh: there is no template `exce` (did you mean `exec`?)\nallowed: "),
        "{stderr}"
    );
}

#[test]
fn a_narrow_terminal_gets_narrow_lines() {
    // A new pseudo-terminal has no size; 80 is assumed.
    let page = on_terminal(&["--color=never", "templates"], &[]);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}
