//! A script that runs as root is root's alone.

use super::*;

#[test]
fn a_script_that_everybody_may_write_is_refused() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    folder.mode("a.rhai", 0o646);
    assert_snapshot!(folder.run(&["a.rhai"]).refused(), @r"
    krsi-sh: script `a.rhai` can be written by every user, and a script that runs as root must not be (mode 0646)
    cause: they could put anything into it
    cure: read it, then: chmod go-w a.rhai; or rehearse it: krsi-sh lab a.rhai
    ");
}

#[test]
fn a_script_that_a_group_may_write_is_refused() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    folder.mode("a.rhai", 0o664);
    chown(folder.path("a.rhai"), None, Some(NOBODY)).unwrap();
    let stderr = folder.run(&["a.rhai"]).refused();
    assert!(stderr.contains("can be written by group id 65534"), "{stderr}");
}

#[test]
fn a_script_that_roots_own_group_may_write_is_run() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    folder.mode("a.rhai", 0o664);
    chown(folder.path("a.rhai"), Some(0), Some(0)).unwrap();
    folder.run(&["a.rhai"]).says("[]");
}

#[test]
fn a_script_of_somebody_elses_is_refused_even_if_they_called_sudo() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    chown(folder.path("a.rhai"), Some(NOBODY), None).unwrap();
    let ran = folder.run_with(&["a.rhai"], &[("SUDO_UID", "65534")], "");
    assert_snapshot!(ran.refused(), @r"
    krsi-sh: script `a.rhai` belongs to user id 65534, and a script that runs as root must belong to root
    cause: its owner could put anything into it
    cure: read it, then: chown root:root a.rhai; or rehearse it: krsi-sh lab a.rhai
    ");
}

#[test]
fn a_link_of_roots_does_not_vouch_for_what_it_leads_to() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    chown(folder.path("a.rhai"), Some(NOBODY), None).unwrap();
    symlink("a.rhai", folder.path("link.rhai")).unwrap();
    let stderr = folder.run(&["link.rhai"]).refused();
    assert!(stderr.contains("belongs to user id 65534"), "{stderr}");
}

#[test]
fn what_root_pipes_in_is_roots_decision() {
    if not_root() {
        return;
    }
    let folder = Folder::with("a.rhai", TELL_ARGS);
    chown(folder.path("a.rhai"), Some(NOBODY), None).unwrap();
    let mut command = started(PROGRAM);
    command.arg("-").stdin(File::open(folder.path("a.rhai")).unwrap());
    Ran::of(&command.output().unwrap(), &folder).says("[]");
}

#[test]
fn whoever_is_not_root_runs_what_they_can_read() {
    let folder = Folder::with("a.rhai", TELL_ARGS);
    folder.mode("a.rhai", 0o666);
    let script = folder.path("a.rhai");
    let output = as_nobody(&folder, &[script.to_str().unwrap()]);
    Ran::of(&output, &folder).says("[]");
}
