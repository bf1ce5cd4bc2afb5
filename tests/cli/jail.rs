//! Scripts that are about a command, as far as they need no kernel: what is asked of them, and what is refused before anything is begun.

use super::*;

fn jail() -> String {
    format!("{}/scripts/jail.rhai", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn without_a_command_it_is_said_what_is_missing() {
    let jail = jail();
    for words in [&["run", &jail][..], &[&jail], &["run", &jail, "--offline"], &["run", &jail, "--"]] {
        let stderr = run(words).refused();
        assert!(
            stderr.contains("jail.rhai is about a command, and there is none")
                && stderr.contains("fix: krsi-sh run")
                && stderr.contains("-- COMMAND"),
            "{words:?}: {stderr}"
        );
    }
    let ran = run(&["run", &jail, "--help"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in ["--profile PATH", "--learn -o p.rhai", "--shadow", "--writable PATH"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // It says itself that it is about one: any script may.
    let directory = Directory::new();
    let header = "// guard: A\n// about: A\n// attack: T1059\n// severity: low\n// needs: exec\n// target: command\n// false positives: none\n// sample:\n//   a\n";
    directory.write("own.rhai", format!("{header}print(args); print(target.pid > 0);"));
    let ran = directory.run(&["-q", "run", "own.rhai", "a", "--", "/bin/sh", "-c", "exit 7"]);
    assert!(ran.stdout.starts_with("[\"a\"]\ntrue\n"), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert!(directory.run(&["run", "own.rhai", "a"]).refused().contains("own.rhai is about a command"));
}

#[test]
fn its_words_are_told_apart_and_what_contradicts_is_refused() {
    let jail = jail();
    let refused = |words: &[&str], part: &str| {
        let stderr = run(&[&["run", &jail][..], words].concat()).refused();
        assert!(stderr.contains(part), "{words:?}: {stderr}");
    };
    refused(&["--learn", "--", "true"], "fix: --learn -o p.rhai");
    refused(&["-o", "p.rhai", "--", "true"], "-o is for what is learned");
    refused(&["--profile", "--", "true"], "--profile: a file is missing");
    refused(&["--profile", "no/such.rhai", "--", "true"], "no/such.rhai");
    refused(&["--profile", &jail, "--learn", "-o", "x", "--", "true"], "--learn --refine FILE");
    refused(&["--audit", "--", "true"], "`--audit` after the script");
    refused(&["--", "no-such-program"], "cannot start `no-such-program`");
    let stderr = run(&["run", "-p", "1", &jail, "--", "true"]).refused();
    assert!(stderr.contains("process 1 of -p and a command behind `--`"), "{stderr}");
    let stderr = run(&["record", "-o", "/dev/null/x", &jail, "--learn", "-o", "p", "--", "true"]).refused();
    assert!(stderr.contains("--learn is an option of `run`"), "{stderr}");
    let ran = run(&["explain", &jail, "--offline", "--", "npm", "install"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("secrets: template file_open"), "{}", ran.stdout);
}

#[test]
fn a_profile_is_one_of_a_command() {
    let directory = Directory::new();
    directory.write("hunt.rhai", "print(1)\n");
    let jail = jail();
    let stderr = directory.run(&["run", &jail, "--profile", "hunt.rhai", "--", "true"]).refused();
    assert!(
        stderr.contains("hunt.rhai: this is no profile of a command") && stderr.contains("--learn -o FILE"),
        "{stderr}"
    );
    directory.write("bad.rhai", "// guard: A\n// about: A\nprint(1)\n");
    let stderr = directory.run(&["run", &jail, "--profile", "bad.rhai", "--", "true"]).refused();
    assert!(stderr.contains("--profile bad.rhai: line 2 of the header: `attack:` is missing"), "{stderr}");
}
