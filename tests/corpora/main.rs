//! What public rule sets ask for, and how much of it can be said here.
//!
//! `rules/NAME.rules` has each rule of a collection, with a script that says it, or what is lacking. Every script is
//! compiled as `explain` does; how many rules can be said may only rise. Filters with as many words as large rules have
//! are generated besides, compiled, and given to the running kernel's verifier.
//!
//! `KRSI_BLESS=1` writes docs/rules.md anew.

#[path = "../filter_cases/mod.rs"]
mod filter_cases;
#[path = "../filter_needles/mod.rs"]
mod filter_needles;

mod needles;
mod page;
mod rules;
mod said;
mod shares;
