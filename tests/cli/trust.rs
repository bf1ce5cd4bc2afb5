//! A script that runs as root is root's alone.

use std::ffi::CString;

use nix::libc;

use super::*;

#[test]
fn a_script_that_everybody_may_write_is_refused() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    directory.mode("a.rhai", 0o646);
    assert_snapshot!(directory.run(&["a.rhai"]).refused(), @r"
    krsi-sh: script `a.rhai` can be written by every user, and what runs as root must not be (mode 0646)
    cause: they could put anything into it
    fix: read it, then: chmod go-w a.rhai; or rehearse it: krsi-sh lab a.rhai
    ");
}

#[test]
fn a_script_that_a_group_may_write_is_refused() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    directory.mode("a.rhai", 0o664);
    chown(directory.path("a.rhai"), None, Some(NOBODY)).unwrap();
    let stderr = directory.run(&["a.rhai"]).refused();
    assert!(stderr.contains("can be written by group id 65534"), "{stderr}");
}

#[test]
fn a_script_that_roots_own_group_may_write_is_run() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    directory.mode("a.rhai", 0o664);
    chown(directory.path("a.rhai"), Some(0), Some(0)).unwrap();
    directory.run(&["a.rhai"]).says("[]");
}

#[test]
fn a_script_of_somebody_elses_is_refused_even_if_they_called_sudo() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    chown(directory.path("a.rhai"), Some(NOBODY), None).unwrap();
    let ran = directory.run_with(&["a.rhai"], &[("SUDO_UID", "65534")], "");
    assert_snapshot!(ran.refused(), @r"
    krsi-sh: script `a.rhai` belongs to user id 65534, and what runs as root must belong to root
    cause: its owner could put anything into it
    fix: read it, then: chown root:root a.rhai; or rehearse it: krsi-sh lab a.rhai
    ");
}

#[test]
fn a_link_of_roots_does_not_vouch_for_what_it_leads_to() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    chown(directory.path("a.rhai"), Some(NOBODY), None).unwrap();
    symlink("a.rhai", directory.path("link.rhai")).unwrap();
    let stderr = directory.run(&["link.rhai"]).refused();
    assert!(stderr.contains("belongs to user id 65534"), "{stderr}");
}

#[test]
fn what_root_pipes_in_is_roots_decision() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    chown(directory.path("a.rhai"), Some(NOBODY), None).unwrap();
    let mut command = started(PROGRAM);
    command.arg("-").stdin(File::open(directory.path("a.rhai")).unwrap());
    RunResult::of(&command.output().unwrap(), &directory).says("[]");
}

#[test]
fn whoever_is_not_root_runs_what_they_can_read() {
    let directory = Directory::with("a.rhai", TELL_ARGS);
    directory.mode("a.rhai", 0o666);
    let script = directory.path("a.rhai");
    let output = as_nobody(&directory, &[script.to_str().unwrap()]);
    RunResult::of(&output, &directory).says("[]");
}

/// Lets users write a file by an access control list, whose mask the mode then shows as the group's bits. False where
/// the file system has none.
fn let_write(path: &Path, user: u32) -> bool {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1_u16, 6_u16, u32::MAX), (2, 6, user), (4, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let name = c"system.posix_acl_access";
    // SAFETY: setxattr(2) reads the two strings and as many bytes as it is told.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
    if set != 0 {
        println!("skipped: no access control lists here");
    }
    set == 0
}

#[test]
fn an_access_control_list_lets_nobody_write_unseen() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a.rhai", TELL_ARGS);
    if let_write(&directory.path("a.rhai"), NOBODY) {
        let stderr = directory.run(&["a.rhai"]).refused();
        let said = "can be written by user id 65534 (by its access control list)";
        assert!(stderr.contains(said) && stderr.contains("mode 0664"), "{stderr}");
    }
    // A list that only names root takes nothing away.
    directory.write("b.rhai", TELL_ARGS);
    if let_write(&directory.path("b.rhai"), 0) {
        directory.run(&["b.rhai"]).says("[]");
    }
}

#[test]
fn a_directory_in_which_others_can_replace_the_script_is_refused() {
    if not_root() {
        return;
    }
    let directory = Directory::new();
    fs::create_dir_all(directory.path("in/deep")).unwrap();
    directory.write("in/deep/a.rhai", TELL_ARGS);
    directory.run(&["in/deep/a.rhai"]).says("[]");
    directory.mode("in", 0o777);
    assert_snapshot!(directory.run(&["in/deep/a.rhai"]).refused(), @r"
    krsi-sh: script `in/deep/a.rhai`: the directory ~/in on the way to it can be written by every user (mode 0777), and what runs with privilege must not be replaced
    cause: they could put another file in its place
    fix: read it, then copy it to a directory that only root writes to, such as /root; or rehearse it: krsi-sh lab in/deep/a.rhai
    ");
    // As /tmp is: others may make files there, and leave this one alone.
    directory.mode("in", 0o1777);
    directory.run(&["in/deep/a.rhai"]).says("[]");
    directory.mode("in", 0o755);
    chown(directory.path("in/deep"), Some(NOBODY), None).unwrap();
    let stderr = directory.run(&["in/deep/a.rhai"]).refused();
    assert!(stderr.contains("/in/deep on the way to it belongs to user id 65534"), "{stderr}");
    // By whatever name: what counts is where it is.
    symlink("in/deep/a.rhai", directory.path("link.rhai")).unwrap();
    assert!(directory.run(&["link.rhai"]).refused().contains("belongs to user id 65534"));
}

#[test]
fn a_script_from_a_pipe_has_no_directory() {
    if not_root() {
        return;
    }
    let directory = Directory::new();
    nix::unistd::mkfifo(&directory.path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let pipe = directory.path("pipe");
    let writer = std::thread::spawn(move || fs::write(pipe, TELL_ARGS));
    directory.run(&["pipe"]).says("[]");
    writer.join().unwrap().unwrap();
}
