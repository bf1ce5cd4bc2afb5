//! Guards and mitigations: each refuses, is rehearsed first, and has its case in the lab.

use std::collections::BTreeSet;

use krsi_sh::report::Purpose;

use super::{
    Hunt,
    cases::{self, GUARDS},
    explains_itself, is_something, params, scripts, shows_what_it_says,
};

/// They ask a person, at a prompt.
const ASKING: [&str; 2] = ["guards/first-connections", "guards/new-executables"];
/// What all have, besides parameters of their own.
const COMMON: [&str; 3] = ["cgroup", "lease", "shadow"];

pub fn guards() -> Vec<Hunt> {
    let named = |directory: &str, purpose| {
        let mut found = scripts(directory, purpose);
        found.iter_mut().for_each(|script| script.name = format!("{directory}/{}", script.name));
        found
    };
    let mut all = named("guards", Purpose::Guard);
    all.extend(named("mitigations", Purpose::Mitigation));
    all
}

#[test]
fn there_are_enough_and_each_has_a_case_in_the_lab() {
    let all = guards();
    let of = |purpose| all.iter().filter(|script| script.header.purpose == purpose).count();
    assert!(of(Purpose::Guard) >= 15 && of(Purpose::Mitigation) >= 8);
    let names: BTreeSet<&str> = all.iter().map(|script| script.name.as_str()).collect();
    let cases: BTreeSet<&str> = GUARDS.iter().map(|case| case.script).chain(ASKING).collect();
    assert_eq!(cases.len(), GUARDS.len() + ASKING.len(), "one has two cases");
    assert_eq!(names, cases, "each has its row in tests/hunts/cases.rs, and each row its script");
    for case in GUARDS {
        let acts = [case.refused, case.look_alike];
        assert!(
            !case.says.is_empty() && case.before.iter().chain(&acts).all(is_something),
            "{}",
            case.script
        );
        assert!(case.words.iter().all(|word| !word.is_empty()), "{}", case.script);
    }
    assert!(cases::FIRST_GUARDED > cases::FIRST_GROUP + 2 * u32::try_from(cases::CASES.len()).unwrap());
}

#[test]
fn each_makes_the_probes_that_its_header_names_and_every_filter_compiles() {
    guards().iter().for_each(explains_itself);
}

#[test]
fn each_can_be_rehearsed_and_ends_by_itself() {
    for script in guards() {
        let names: BTreeSet<String> = params(&script).into_iter().map(|param| param.name).collect();
        assert!(COMMON.iter().all(|name| names.contains(*name)), "{}: {names:?}", script.name);
        let rehearsed = script.header.purpose == Purpose::Mitigation;
        assert_eq!(names.contains("rehearse"), rehearsed, "{}", script.name);
    }
}

#[test]
fn each_shows_what_it_says() {
    for script in guards() {
        let says = GUARDS.iter().find(|case| case.script == script.name).map_or("", |case| case.says);
        shows_what_it_says(&script, says);
    }
}
