//! The host's role: each group in turn, then the table, the document and the exit code.
//!
//! A goal that is missed and a figure that could not be had both end in failure, the
//! whole table having been printed first. What this machine refuses to let anybody
//! measure is a row that says so, and no failure.

use std::process::ExitCode;

use crate::{
    asks, boot, cost, document, figure, figure::Figure, filters, patterns, pipeline, size, start, walks,
};

/// A group of rows: the word that chooses it, and what takes it.
type Group = (&'static str, fn() -> Vec<Figure>);

const GROUPS: &[Group] = &[
    ("boot", boot::figures),
    ("start", start::figures),
    ("size", size::figures),
    ("cost", cost::figures),
    ("filters", filters::figures),
    ("walks", walks::figures),
    ("patterns", patterns::figures),
    ("asks", asks::figures),
    ("pipeline", pipeline::figures),
];

pub fn main() -> ExitCode {
    // Cargo says `--bench`; other words choose groups.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = chosen.iter().find(|word| !GROUPS.iter().any(|(name, _)| name == word)) {
        let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        eprintln!("figures: no group `{unknown}`; allowed: {}", groups.join(", "));
        return ExitCode::from(2);
    }
    let mut figures = Vec::new();
    for (name, take) in GROUPS {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            eprintln!("figures: measuring {name}");
            figures.extend(take());
        }
    }
    let circumstances = document::circumstances();
    println!("{circumstances}\n\n{}", figure::table(&figures));
    if std::env::var_os(document::BLESS).is_some() {
        let renewed = if chosen.is_empty() {
            document::renew(&circumstances, &figures)
        } else {
            document::renew_rows(&chosen.join(", "), &figures)
        };
        if let Err(error) = renewed {
            eprintln!("figures: {error}");
            return ExitCode::FAILURE;
        }
    }
    if figures.iter().any(Figure::spoils) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
