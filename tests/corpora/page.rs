//! docs/rules.md: the shares, and what holds rules back.

use std::{fmt::Write as _, fs};

use super::{
    rules::{REASONS, collections},
    shares::Counted,
};

const PATH: &str = "docs/rules.md";
const RENEW: &str = "KRSI_BLESS=1 cargo test --release --test corpora";

const BEFORE: &str = "\
# Public rules

What public rule sets detect, and how much of it can be expressed here. `tests/corpora/rules` has each rule in our own words, with a
script that says it or what is lacking; a test compiles every script. This page is generated from them
(`KRSI_BLESS=1 cargo test --release --test corpora`).

**Said**: the script says the behaviour in full, with the exceptions that are known. **Partly**: the operation is seen, and a condition
or an exception is lacking. **Cannot**: what is left would not be the rule. **Shipped**: a script of the library finds it
([hunts.md](hunts.md)), as its case in the lab shows; which rule by which script stands in the files.

";

fn page() -> String {
    let collections = collections();
    let mut page = BEFORE.to_owned();
    page.push_str(
        "| collection | rules | said | partly | cannot | said, of 100 | shipped |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut sum = Counted::default();
    let mut all = 0;
    for collection in &collections {
        let counted = Counted::of(collection);
        sum = sum.plus(counted);
        let shipped = collection.rules.iter().filter(|rule| rule.shipped.is_some()).count();
        all += shipped;
        page.push_str(&row(collection.name, counted, shipped));
    }
    page.push_str(&row("all", sum, all));
    page.push_str("\n## What is lacking\n\nA rule may lack several of these.\n\n");
    page.push_str("| what | cannot | partly | why |\n|---|--:|--:|---|\n");
    let rules: Vec<_> = collections.iter().flat_map(|collection| &collection.rules).collect();
    let count = |reason: &str, with_script: bool| {
        let held = rules.iter().filter(|rule| rule.lacks.iter().any(|lack| lack == reason));
        held.filter(|rule| rule.script.is_empty() != with_script).count()
    };
    let mut reasons: Vec<_> = REASONS
        .iter()
        .map(|(reason, why)| (count(reason, false), count(reason, true), reason, why))
        .collect();
    reasons.sort_by_key(|(cannot, partly, ..)| std::cmp::Reverse(cannot + partly));
    for (cannot, partly, reason, why) in reasons {
        let _ = writeln!(page, "| {reason} | {cannot} | {partly} | {why} |");
    }
    page
}

fn row(name: &str, counted: Counted, shipped: usize) -> String {
    let Counted { said, partly, cannot } = counted;
    format!(
        "| {name} | {} | {said} | {partly} | {cannot} | {} | {shipped} |\n",
        counted.all(),
        counted.percent()
    )
}

#[test]
fn the_page_is_that_of_the_rules() {
    let fresh = page();
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        fs::write(PATH, &fresh).unwrap();
    }
    let committed = fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == fresh, "{PATH} is stale; renew it with: {RENEW}");
}
