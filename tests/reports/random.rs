//! Texts and values of any kind, control characters and markup among them: each format stays what it is.

use jiff::Timestamp;
use krsi_sh::{
    check::{Accepted, Check, CheckResult, Finished, Run, samples},
    report::Document,
    values::Severity,
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    strategy::{BoxedStrategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::Value;

use crate::{html, junit, readers, sarif, tap, written};

/// Runs that are written and read; each reader is started once for all of them.
const RUNS: usize = 60;

/// Any characters, and often those that mean something somewhere.
fn text() -> BoxedStrategy<String> {
    let special = prop::sample::select(vec![
        "\0",
        "\n",
        "\r",
        "\t",
        "\u{1b}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{fdd0}",
        "\u{1fffe}",
        "\u{efff}",
        "<",
        ">",
        "&",
        "\"",
        "'",
        "`",
        "]]>",
        "<!--",
        "-->",
        "<script>",
        "</style>",
        "&lt;",
        "&#0;",
        "#",
        "\\",
        "# SKIP",
        "# TODO",
        "\nok 1",
        "\nBail out!",
        "...",
        "---",
        "\n  ...\n",
        ": ",
        "- ",
        "{",
        "}",
        "{0}",
        "[a](b)",
        "%",
        "~",
        "null",
        "é",
        "日",
    ])
    .prop_map(str::to_owned);
    vec(prop_oneof![2 => special, 1 => any::<char>().prop_map(String::from), 1 => "[a-z ]{0,8}"], 0..8)
        .prop_map(|parts| parts.concat())
        .boxed()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn check() -> impl Strategy<Value = Check> {
    let severity = prop::sample::select(Severity::ALL.map(|(severity, _)| severity).to_vec());
    let said =
        (option::of(text()), option::of(text()), option::of(text()), vec(text(), 0..3), vec(text(), 0..3));
    ("[a-zA-Z0-9_.-]{1,12}", text(), severity, said, text(), 0..100_usize).prop_map(
        |(id, title, severity, (about, why, remedy, refs, tags), script, line)| Check {
            id,
            title,
            level: 1,
            tags,
            severity,
            about,
            why,
            remedy,
            refs: refs.into_iter().flat_map(|text| [format!("https://{text}"), text]).collect(),
            script,
            line,
        },
    )
}

fn finished() -> impl Strategy<Value = Finished> {
    let result = prop::sample::select(CheckResult::ALL.to_vec());
    let expected = option::of((text(), value()));
    (check(), result, text(), expected, vec(value(), 0..4), option::of(text()), 0..100_usize).prop_map(
        |(check, result, reason, expected, evidence, accepted, decided_at)| {
            let (expected, found) = expected.unzip();
            Finished {
                check,
                result,
                reason: (result != CheckResult::Pass).then_some(reason),
                expected,
                found,
                decided_at,
                evidence,
                began: Timestamp::UNIX_EPOCH,
                seconds: 0.5,
                listed: false,
                accepted: accepted
                    .filter(|_| result == CheckResult::Fail)
                    .map(|reason| Accepted { reason, until: None }),
            }
        },
    )
}

#[test]
fn whatever_a_run_says_each_format_stays_what_it_is() {
    let mut runner = TestRunner::default();
    let strategy =
        (text(), vec(finished(), 0..5)).prop_map(|(host, finished)| Run { host, finished, ..samples::run() });
    let runs: Vec<Run> = (0..RUNS).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let all = |document| runs.iter().map(|run| written(document, run)).collect::<Vec<_>>();
    let python = |form, document| readers::python(form, &all(document));
    if let Some(read) = python("junit", Document::Junit) {
        read.iter().zip(&runs).for_each(|(read, run)| junit::agrees(read, run));
    }
    if let (Some(read), Some(below)) = (readers::perl(&all(Document::Tap)), python("yaml", Document::Tap)) {
        read.iter().zip(&below).zip(&runs).for_each(|((read, below), run)| tap::agrees(read, below, run));
    }
    if let Some(read) = python("sarif", Document::Sarif) {
        read.iter().zip(&runs).for_each(|(read, run)| sarif::agrees(read, run));
    }
    if let Some(read) = python("html", Document::Html) {
        read.iter().zip(&runs).for_each(|(read, run)| html::agrees(read, run));
    }
}
