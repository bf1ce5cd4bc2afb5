//! Reports of a run of checks, read by other people's programs: JUnit by the schema of Jenkins' plugin, TAP by Perl's parser and a
//! reader of YAML, SARIF by the standard's schema, HTML by a parser that forgives nothing and, where there is one, a browser.
//!
//! What a report says is compared with the run that it was written from, as those programs have understood it. Without them
//! (`scripts/reports` fetches them) a test says "skipped", or fails with `KRSI_REQUIRE_REPORTS` set.

mod browser;
mod html;
mod json;
mod junit;
mod random;
mod readers;
mod sarif;
mod tap;

use krsi_sh::{
    check::Run,
    report::{Document, Look},
};

/// Returns the report on a run.
fn written(document: Document, run: &Run) -> String {
    let mut out = Vec::new();
    document.write(run, Look::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Returns what a text is once nothing is left in it that a document must not carry: what these tests expect to read.
fn harmless(text: &str) -> String {
    let forbidden = |c: char| {
        let code = u32::from(c);
        code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
    };
    let printable = krsi_sh::report::printable_lines(text);
    printable.chars().map(|c| if forbidden(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}
