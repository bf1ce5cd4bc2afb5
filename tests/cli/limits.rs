//! What a process lacks is named, and not what it wanted to load.

use super::*;

/// Runs the program with so many files: soft and hard limit.
fn with_files(soft: u32, hard: u32, words: &[&str]) -> RunResult {
    let directory = Directory::new();
    let mut command = started("/bin/sh");
    command.args(["-c", &format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$@\""), "sh", PROGRAM]);
    RunResult::of(&command.args(words).current_dir(directory.0.path()).output().unwrap(), &directory)
}

#[test]
fn too_few_files_are_named_whatever_was_wanted_first() {
    if not_root() {
        return;
    }
    for few in [5, 8, 12, 16, 20] {
        let ran = with_files(few, few, &["-q", "-e", "probe(\"exec\").attach(); exit()"]);
        assert_eq!(ran.code, Some(3), "{few}: {}", ran.stderr);
        assert!(ran.stderr.contains("ulimit -n"), "{few}: {}", ran.stderr);
        assert!(!ran.stderr.contains("not a template"), "{few}: {}", ran.stderr);
    }
}

#[test]
fn a_program_that_a_script_runs_has_the_files_it_was_given() {
    let ran = with_files(64, 128, &["-e", "print(run([\"/bin/sh\", \"-c\", \"ulimit -Sn\"]).stdout)"]);
    assert!(ran.stdout.contains("64") || ran.code != Some(0), "{} {}", ran.stdout, ran.stderr);
}
