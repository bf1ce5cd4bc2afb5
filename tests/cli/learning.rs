//! `krsi-sh learn`, as far as it needs no kernel: what is refused, and before anything is begun.

use super::*;

/// Runs it, which is refused, and leaves no profile.
fn refused(directory: &Directory, words: &[&str]) -> String {
    let stderr = directory.run(words).refused();
    assert!(!directory.path("new.rhai").exists(), "{words:?}");
    stderr
}

#[test]
fn it_has_to_be_said_where_to_and_from_whom() {
    let directory = Directory::new();
    assert!(refused(&directory, &["learn", "-p", "1"]).contains("--output <FILE>"));
    let stderr = refused(&directory, &["learn", "-o", "new.rhai"]);
    assert!(stderr.contains("from whom?") && stderr.contains("--scope '#{ exe:"), "{stderr}");
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "-c"]);
    assert!(stderr.contains("-c: no command"), "{stderr}");
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "--scope", "#{}", "-p", "1"]);
    assert!(stderr.contains("cannot be used with"), "{stderr}");
    directory.write("there", "something else");
    let stderr = refused(&directory, &["learn", "-o", "there", "-p", "1"]);
    assert!(
        stderr.contains("there is there already, and is not touched") && stderr.contains("--refine"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_learned_is_named_with_what_can() {
    let directory = Directory::new();
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "-p", "1", "exec,conect"]);
    assert!(stderr.contains("`conect` is nothing that can be learned (did you mean `connect`?)"), "{stderr}");
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "no/such.ndjson"]);
    assert!(stderr.contains("cannot read no/such.ndjson: No such file"), "{stderr}");
    directory.write("text", "no recording\n");
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "text"]);
    assert!(stderr.contains("text is no recording"), "{stderr}");
    let ran = directory.run(&["record", "-q", "-o", "file", "-e", "print(1)"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "file", "exec"]);
    assert!(stderr.contains("more than one recording, or templates beside it"), "{stderr}");
    // Of a session about nobody: whom should the profile be about?
    let stderr = refused(&directory, &["learn", "-o", "new.rhai", "file"]);
    assert!(stderr.contains("whom the profile is about has to be said"), "{stderr}");
}

#[test]
fn what_is_learned_of_nothing_allows_nothing_and_can_be_refined() {
    let directory = Directory::new();
    let ran = directory.run(&["record", "-q", "-o", "file", "-e", "print(1)"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let scope = ["--scope", "#{ exe: \"/usr/sbin/nginx\" }"];
    let ran = directory.run(&["learn", "-o", "new.rhai", scope[0], scope[1], "file"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("learned 0 rules from 0 events, in new.rhai"), "{}", ran.stderr);
    let text = fs::read_to_string(directory.path("new.rhai")).unwrap();
    assert!(text.contains("let scope = #{ exe: \"/usr/sbin/nginx\" };"), "{text}");
    assert!(text.contains("let programs = [\n];"), "{text}");
    let ran = directory.run(&["explain", "new.rhai"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    // What somebody has written stays, byte for byte.
    let edited =
        text.replace("let programs = [\n", "let programs = [\n    // Ours.\n    \"/opt/a\\\"b\", // mine\n");
    directory.write("new.rhai", &edited);
    let ran = directory.run(&["learn", "--refine", "new.rhai", "file"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(directory.path("new.rhai")).unwrap(), edited);

    directory.write("bad.rhai", edited.replace("    // Ours.\n", "    ours,\n"));
    let stderr = directory.run(&["learn", "--refine", "bad.rhai", "file"]).refused();
    assert!(
        stderr.contains("cannot read bad.rhai: line ") && stderr.contains("`ours,` is no text in quotes"),
        "{stderr}"
    );
    directory.write("none.rhai", "print(1)\n");
    let stderr = directory.run(&["learn", "--refine", "none.rhai", "file"]).refused();
    assert!(stderr.contains("this is no profile"), "{stderr}");
}

#[test]
fn what_would_be_lost_at_the_end_is_said_at_the_beginning() {
    let directory = Directory::new();
    let stderr = directory.run(&["learn", "-o", "no/such/new.rhai", "-p", "1"]);
    assert!(
        stderr.code == Some(3) && stderr.stderr.contains("cannot write no/such/new.rhai"),
        "{}",
        stderr.stderr
    );
    directory.write("some.rhai", "let programs = [\n];\n");
    let stderr = directory.run(&["learn", "--refine", "some.rhai", "-p", "1", "exec,create"]).refused();
    assert!(
        stderr.contains("some.rhai has no rules of create") && stderr.contains("allowed: exec"),
        "{stderr}"
    );
    // What was never begun makes no profile, which would allow nothing.
    let ran = directory.run(&["learn", "-o", "new.rhai", "--scope", "#{ uidd: 33 }", "exec"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(!directory.path("new.rhai").exists());
}

#[test]
fn a_profile_can_go_to_standard_output() {
    let directory = Directory::new();
    let ran = directory.run(&["record", "-q", "-o", "file", "-e", "print(1)"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = directory.run(&["learn", "-q", "-o", "-", "--scope", "#{ uid: 33 }", "file"]);
    assert!(
        ran.code == Some(0) && ran.stdout.starts_with("#!/usr/bin/env krsi-sh\n// guard: "),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
    // What is no scope is said where the profile is read.
    let ran = directory.run(&["learn", "-q", "-o", "-", "--scope", "#{ uidd: 33 }", "file"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("uid"), "{}", ran.stderr);
}
