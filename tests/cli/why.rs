//! `krsi-sh why`, as far as it needs no kernel of its own.

use super::*;

#[test]
fn without_a_command_or_a_process_it_says_what_it_takes() {
    let stderr = run(&["why"]).refused();
    assert!(stderr.contains("COMMAND"), "{stderr}");
    let stderr = run(&["why", "-p", "1", "true"]).refused();
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}

#[test]
fn a_command_that_is_not_there_cannot_be_started() {
    let stderr = run(&["why", "--", "no-such-command"]).refused();
    assert_eq!(stderr, "krsi-sh: cannot start `no-such-command`: ENOENT\n");
}

/// Where functions cannot be watched either: what may be told is told, and called probable.
#[test]
fn a_refusal_is_told_with_what_is_in_its_way() {
    let directory = Directory::new();
    directory.write("program", "#!/bin/sh\n");
    let ran = directory.run(&["why", "--format", "json", "--", "sh", "-c", "./program; exit 7"]);
    if ran.code == Some(3) {
        eprintln!("skipped: nothing can be watched here: {}", ran.stderr);
        return;
    }
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    let told = ran.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let refused: Vec<Value> = told.filter(|line| line["call"] == "execve").collect();
    let [refused, ..] = &refused[..] else { panic!("nothing was told: {}", ran.stdout) };
    assert_eq!((&refused["type"], &refused["errno"]), (&"denial".into(), &"EACCES".into()));
    assert_eq!(refused["layer"], "file mode", "{refused}");
    let why = refused["why"].as_str().unwrap_or_default();
    assert!(why.contains("may not execute"), "{refused}");
}
