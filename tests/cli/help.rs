//! Help and version.

use super::*;

#[test]
fn the_short_one_fits_on_a_screen_and_leads_to_the_long_one() {
    let help = run(&["-h"]).stdout;
    assert!(help.lines().count() <= 40, "{help}");
    assert!(help.contains("--help"), "{help}");
}

#[test]
fn the_long_one_has_examples_exit_codes_environment_and_files() {
    let help = run(&["--help"]).stdout;
    for part in ["Examples:", "Exit codes:", "Environment:", "NO_COLOR", "Files:", "/sys/kernel/security/lsm"]
    {
        assert!(help.contains(part), "{part} is not in:\n{help}");
    }
}

#[test]
fn no_line_is_too_wide_for_a_page() {
    for words in [&["--help"][..], &["lab", "--help"], &["templates", "--help"], &["run", "--help"]] {
        let ran = run(words);
        let wide: Vec<_> = ran.stdout.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{words:?}: {wide:#?}");
    }
}

#[test]
fn the_version_is_the_packages() {
    run(&["-V"]).says(concat!("krsi-sh ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_subcommand_says_what_it_is_for() {
    for subcommand in krsi_sh::cli::command().get_subcommands() {
        assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
    }
}
