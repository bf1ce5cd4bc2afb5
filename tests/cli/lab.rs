//! `krsi-sh lab`, as far as it goes without a guest.

use super::*;

#[test]
fn a_kernel_that_is_not_cached_is_3_and_says_how_to_get_it() {
    let directory = Directory::new();
    let cache = directory.path("kernels").display().to_string();
    let ran = directory.run_with(&["lab", "-e", "1"], &[("KRSI_KERNELS", &*cache)], "");
    assert_eq!((ran.code, &*ran.stdout), (Some(3), ""));
    assert!(ran.stderr.starts_with("krsi-sh: lab: "), "{}", ran.stderr);
}

#[test]
fn code_and_a_script_contradict_each_other() {
    let stderr = run(&["lab", "-e", "1", "a.rhai"]).refused();
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}

#[test]
fn a_size_without_sense_is_refused_with_the_allowed_form() {
    let stderr = run(&["lab", "--memory", "much"]).refused();
    assert!(stderr.contains("allowed: a number with a unit"), "{stderr}");
}

#[test]
fn memory_in_which_no_guest_boots_is_refused_at_once() {
    let stderr = run(&["lab", "--memory", "16M", "-e", "1"]).refused();
    assert!(stderr.contains("allowed: 192M"), "{stderr}");
}

#[test]
fn without_a_kernel_the_one_of_this_machine_is_proposed() {
    let none = [("KRSI_KERNELS", "/nonexistent"), ("HOME", "")];
    let ran = Directory::new().run_with(&["lab", "-e", "1"], &none, "");
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    if ran.stderr.contains("no kernel") {
        for wanted in ["--kernel /boot/vmlinuz-", "HOME is not set", "KRSI_KERNELS"] {
            assert!(ran.stderr.contains(wanted), "{wanted}: {}", ran.stderr);
        }
    }
}
