//! Filters with as many words as public rules have: nearly all compile, and the running kernel takes them.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use krsi_sh::{
    filter::{Compiled, UNKNOWN},
    kernel::bench::test_run::{TestRun, TestRunError},
    script::equivalence::Closure,
    template::{Catalogue, Template},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{
    filter_cases,
    filter_needles::{Needled, filters},
};

const FILTERS: usize = 500;
/// Of a hundred, how many compile.
const COMPILE: usize = 97;
/// What a filter may be refused for.
const TOO_LARGE: [&str; 2] = ["too large", "seeks too much"];
/// The largest that the kernel is asked about, and of the others one in so many.
const LARGEST: usize = 25;
const ONE_IN: usize = 14;
/// Longer than this, a compilation is told.
const LONG: Duration = Duration::from_millis(200);
/// So much of its text.
const SHOWN: usize = 400;

fn exec() -> Arc<Template> {
    Arc::clone(Catalogue::builtin().unwrap().get("exec").unwrap())
}

fn compile(filter: &Needled, template: &Template) -> Result<Compiled, String> {
    let closure = Closure::new(&filter.script).map_err(|error| format!("{error}\n{}", filter.script))?;
    closure.compile(template).map_err(|refusal| refusal.text.clone())
}

#[test]
fn the_filters_are_as_large_as_public_rules() {
    let mut sizes: Vec<_> = filters(FILTERS).iter().map(|filter| filter.needles).collect();
    sizes.sort_unstable();
    let at = |share: usize| sizes[FILTERS * share / 100 - 1];
    assert_eq!([at(50), at(75), at(90), at(95), at(100)], [3, 10, 26, 44, 1000]);
    let scripts = |_| filters(FILTERS).into_iter().map(|filter| filter.script).collect::<Vec<_>>();
    assert_eq!(scripts(0), scripts(1), "they are the same ones each time");
}

#[test]
fn nearly_all_compile() {
    let template = exec();
    let (mut compiled, mut refused, mut longest) = (0, vec![], (Duration::ZERO, 0));
    for filter in filters(FILTERS) {
        let begun = Instant::now();
        let outcome = compile(&filter, &template);
        let took = begun.elapsed();
        longest = longest.max((took, filter.needles));
        if took > LONG {
            let begin: String = filter.script.chars().take(SHOWN).collect();
            eprintln!("{} words take {took:?} to compile: {begin}", filter.needles);
        }
        match outcome {
            Ok(_) => compiled += 1,
            Err(text) => refused.push((filter, text)),
        }
    }
    eprintln!(
        "{compiled} of {FILTERS} filters compile; the longest takes {:?} ({} words)",
        longest.0, longest.1
    );
    for (filter, text) in &refused {
        eprintln!("{} words: {text}", filter.needles);
        assert!(
            TOO_LARGE.iter().any(|why| text.contains(why)),
            "refused for another reason: {text}\n{}",
            filter.script
        );
    }
    assert!(compiled * 100 >= FILTERS * COMPILE, "{compiled} of {FILTERS}");
}

/// Where the kernel should have its say, and does not.
fn skipped(reason: &str) {
    assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

/// The largest, and a sample of the others.
fn some(filters: &[Needled]) -> Vec<&Needled> {
    let large = filters.len() - LARGEST;
    filters[..large].iter().step_by(ONE_IN).chain(&filters[large..]).collect()
}

thread_local! {
    /// The event's words are random, and the same ones each time.
    static RUNNER: RefCell<TestRunner> = RefCell::new(TestRunner::deterministic());
}

fn events(template: &Template) -> Vec<Vec<u8>> {
    let case = RUNNER.with_borrow_mut(|runner| filter_cases::case(template).new_tree(runner));
    case.unwrap().current().events
}

#[test]
fn the_running_kernel_takes_them() {
    let template = exec();
    let carrier = match TestRun::new(template.event_size) {
        Ok(carrier) => carrier,
        Err(error) => return skipped(&error.to_string()),
    };
    let (mut loaded, mut most) = (0, 0);
    for filter in some(&filters(FILTERS)) {
        let Ok(compiled) = compile(filter, &template) else { continue };
        let events = events(&template);
        match carrier.run(&compiled.code, &events) {
            Ok(ran) => {
                for (event, ran) in events.iter().zip(ran) {
                    let expected = compiled.filter.evaluate(event).map_or(UNKNOWN, |answer| answer.code());
                    assert_eq!(ran.answer, expected.cast_unsigned(), "{}", filter.script);
                    most = most.max(ran.walked);
                }
                loaded += 1;
            }
            Err(TestRunError::Host(error)) => return skipped(&error.to_string()),
            Err(error) => panic!("{} words: {error}\n{}", filter.needles, filter.script),
        }
    }
    eprintln!("{loaded} filters are loaded; the verifier walks through {most} instructions at most");
}
