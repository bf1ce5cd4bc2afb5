//! The library of hunts, guards and mitigations, without a kernel: each has a header that holds, parameters that can be told, and a
//! case in the lab.
//!
//! docs/hunts.md and docs/guards.md are made of the headers: `KRSI_BLESS=1 cargo test --release --test hunts`.

mod cases;
mod gallery;
mod guards;
mod reactions;

use std::{collections::BTreeSet, fs, path::PathBuf};

use krsi_sh::{
    report::{Lines, Purpose, Record, Renderer, Sink, Stream},
    script::{Header, Options, Param, Session, Source},
    template::Catalogue,
};

/// A script of the library, as it says of itself.
struct Hunt {
    name: String,
    source: Source,
    header: Header,
}

fn hunts() -> Vec<Hunt> {
    scripts("hunts", Purpose::Hunt)
}

/// Those of one directory, all of which are for this.
fn scripts(directory: &str, purpose: Purpose) -> Vec<Hunt> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts").join(directory);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let hunt = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let header = Header::of(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = header.unwrap_or_else(|| panic!("{name} does not begin with a header"));
        assert_eq!(header.purpose, purpose, "{name}");
        Hunt { source: Source { name: path.display().to_string(), text }, name, header }
    };
    paths.iter().map(hunt).collect()
}

/// Shows what goes wrong, and nothing else.
struct Errors;

impl Sink for Errors {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> std::io::Result<()> {
        if record.stream() == Stream::Log { renderer.render(record, self) } else { Ok(()) }
    }
}

impl Lines for Errors {
    fn line(&mut self, _: Stream, line: &str) -> std::io::Result<()> {
        eprintln!("{line}");
        Ok(())
    }
}

fn session() -> Session {
    Session::explaining(
        Catalogue::builtin().unwrap(),
        Options { quiet: true, imports: krsi_sh::source::imports::everywhere(), ..Options::default() },
        Box::new(Errors),
    )
}

fn params(hunt: &Hunt) -> Vec<Param> {
    session().declared(&hunt.source).unwrap_or_else(|code| panic!("{}: {code}", hunt.name))
}

#[test]
fn there_are_at_least_forty_and_each_has_a_case_in_the_lab() {
    let hunts: BTreeSet<String> = hunts().into_iter().map(|hunt| hunt.name).collect();
    let cases: BTreeSet<String> = cases::CASES.iter().map(|case| case.hunt.to_owned()).collect();
    assert!(hunts.len() >= 40, "{}", hunts.len());
    assert_eq!(cases.len(), cases::CASES.len(), "a hunt has two cases");
    assert_eq!(hunts, cases, "each hunt has its row in tests/hunts/cases.rs, and each row its hunt");
    for case in cases::CASES {
        assert!(!case.says.is_empty() && case.words.iter().all(|word| !word.is_empty()), "{}", case.hunt);
        assert!(case.before.iter().all(is_something), "{}", case.hunt);
        for acts in [case.enact, case.look_alike] {
            assert!(!acts.is_empty() && acts.iter().all(is_something), "{}", case.hunt);
        }
    }
    assert!(u32::try_from(2 * cases::CASES.len()).unwrap() < u32::MAX - cases::FIRST_GROUP);
}

fn is_something(act: &cases::Act) -> bool {
    match act {
        cases::Act::Sh(code)
        | cases::Act::User(code)
        | cases::Act::Deed(code)
        | cases::Act::UserDeed(code) => !code.is_empty(),
        cases::Act::As(path, code) => path.starts_with('/') && !code.is_empty(),
    }
}

/// It makes the probes that its header names, and every filter compiles.
fn explains_itself(script: &Hunt) {
    let explained = session().explanations(&script.source);
    assert_eq!((explained.code, &explained.ended), (0, &None), "{}", script.name);
    let made: BTreeSet<_> = explained.probes.iter().map(|probe| probe.template.to_string()).collect();
    let named: BTreeSet<_> = script.header.needs.iter().cloned().collect();
    assert_eq!(made, named, "{}: `needs`", script.name);
}

/// Its sample is what the lab has seen, in the words that its case asks for.
fn shows_what_it_says(script: &Hunt, says: &str) {
    let [sample] = script.header.sample.as_slice() else { panic!("{}: one line of sample", script.name) };
    assert!(sample.contains(says), "{}: `{sample}` does not say `{says}`", script.name);
    let begins = format!("12:00:00.000 alert {}: ", script.header.severity);
    let ends = format!("[{}]", script.header.attack.join(" "));
    assert!(sample.starts_with(&begins) && sample.ends_with(&ends), "{}: {sample}", script.name);
}

#[test]
fn each_makes_the_probes_that_its_header_names_and_every_filter_compiles() {
    hunts().iter().for_each(explains_itself);
}

#[test]
fn each_declares_whom_it_spares() {
    for hunt in hunts() {
        let params = params(&hunt);
        assert!(
            params.iter().any(|param| param.name.starts_with("not_")),
            "{}: nothing can be excluded",
            hunt.name
        );
        assert!(params.iter().all(|param| !param.about.is_empty()), "{}", hunt.name);
    }
}

#[test]
fn each_shows_what_it_says() {
    for hunt in hunts() {
        let case = cases::CASES.iter().find(|case| case.hunt == hunt.name).unwrap();
        shows_what_it_says(&hunt, case.says.lines().next().unwrap_or_default());
    }
}
