//! Filters: a closure of the script that the kernel runs.
//!
//! In: Rhai's syntax tree of `|e| …`, the values of the variables it captures, and the template's
//! fields. Out: instructions for the slot that every template reserves, or a [`Refusal`] with the
//! place of what cannot be compiled. Nothing here falls back to user space, and nothing
//! here talks to the kernel.
//!
//! ```text
//! syntax     Rhai's AST ─▶ a tree of what a filter may say (the only file that walks the AST)
//! check      tree + fields + captured values ─▶ IR, typed
//! ir         the meaning; evaluate computes it on an event's bytes
//! walks      which questions about a text are answered by one walk over it
//! weight     what is too much for one walk
//! questions  such questions as states
//! automaton  states, and the table that is walked through
//! stages     what of it is asked before anything is gathered
//! emit       IR ─▶ eBPF, in the form that verifiers follow easily
//! explain    all of it, for reading
//! asked      what params ask, said as a filter would
//! guard      what a callback asks first, answered on an event's bytes as well
//! ```
//!
//! A filter has one meaning, computed in three ways (Rhai on the event, the IR's evaluator, the
//! generated code), and a property test holds them together: `tests/filter.rs`.

mod asked;
mod assembler;
mod automaton;
mod check;
mod emit;
mod evaluate;
mod explain;
mod glob;
pub mod ir;
mod prefilter;
mod questions;
mod refusal;
mod stages;
mod syntax;
mod troubles;
mod uses;
mod walks;
mod weight;
mod whole_globs;

use std::collections::BTreeSet;

use rhai::{AST, Dynamic, Position};

use crate::template::Template;

pub use self::{
    asked::Asked,
    automaton::{Pattern, PatternError, Table},
    emit::{CAPACITY, Code, MARGIN, STEPS, Set, TooLarge, UNKNOWN},
    glob::{Glob, GlobError},
    ir::{Answer, Filter, Known, Test, Trouble},
    prefilter::{Follows, Prefilter},
    refusal::Refusal,
    stages::{CAPACITY as FIRST_CAPACITY, First},
};

/// A filter, and its code for the kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    pub filter: Filter,
    /// What of it the script's closure says, if there is one; the rest is asked by params.
    pub when: Option<Filter>,
    pub code: Code,
    /// What of it is asked first, about the task alone.
    pub first: Option<First>,
    /// What in it can never be, if there is something: it would be a rule that matches nothing, in silence.
    pub never: Option<Refusal>,
}

impl Compiled {
    /// Whether it asks about one of these fields of the event.
    #[must_use]
    pub fn asks(&self, names: &[&str]) -> bool {
        uses::any_of(&self.filter, names)
    }
}

/// The names of fields that stand anywhere in a script: `x.name`, `x["name"]`.
#[must_use]
pub fn named_fields(ast: &AST) -> BTreeSet<String> {
    syntax::named_fields(ast)
}

/// Whether the function, or one of the script's that it calls, calls something of one of these names.
#[must_use]
pub fn calls_any(ast: &AST, function: &str, wanted: &[&str]) -> bool {
    syntax::calls_any(ast, function, wanted)
}

/// Where the closure `name` begins, which takes so many arguments, the captured ones included.
#[must_use]
pub fn place(ast: &AST, name: &str, arguments: usize) -> Position {
    syntax::begins(ast, name, arguments)
}

/// That a function which Rhai itself will call compares ids with a name, at its place: nothing is equal then.
#[must_use]
pub fn account_by_name(ast: &AST, name: &str, arguments: usize) -> Option<Refusal> {
    let (position, field, text) = syntax::account_by_name(ast, name, arguments)?;
    let of = if field.ends_with("gid") { "gid" } else { "uid" };
    Some(Refusal {
        text: format!("`{field}` is a number here, and never equal to {text:?}: only `.when(…)` takes names"),
        advice: Some(format!("write the id: `{of}({text:?})` gives it")),
        function: name.to_owned(),
        position,
    })
}

/// Compiles the function `name` of the script, which takes `captured` and then the event; what is asked besides is asked
/// first.
///
/// # Errors
/// What cannot be compiled, with its place.
pub fn compile(
    ast: &AST,
    name: &str,
    captured: &[Dynamic],
    asked: &[Asked<'_>],
    template: &Template,
) -> Result<Compiled, Refusal> {
    let (said, never) = check::check(ast, name, captured, template)?;
    let filter = match asked {
        [] => said.clone(),
        _ => asked_before(asked, &said, template)?,
    };
    let compiled = coded(&filter, template).map_err(|error| Refusal {
        function: name.to_owned(),
        position: syntax::begins(ast, name, captured.len() + 1),
        ..too_large(&error)
    })?;
    let when = if asked.is_empty() { compiled.filter.clone() } else { said };
    Ok(Compiled { when: Some(when), never, ..compiled })
}

/// Compiles what params ask, where there is no closure.
///
/// # Errors
/// What cannot be compiled.
pub fn compile_asked(asked: &[Asked<'_>], template: &Template) -> Result<Compiled, Refusal> {
    let everything = Filter { body: ir::Decision::Answer(Answer::Match), slots: 0 };
    coded(&asked_before(asked, &everything, template)?, template).map_err(|error| too_large(&error))
}

/// A filter that matches where one of these questions is answered with yes and `filter` matches.
fn asked_before(asked: &[Asked<'_>], filter: &Filter, template: &Template) -> Result<Filter, Refusal> {
    let condition = check::asked(asked, template)?;
    let body = ir::decide(condition, filter.body.clone(), ir::Decision::Answer(Answer::NoMatch));
    Ok(Filter { body, slots: filter.slots })
}

fn coded(checked: &Filter, template: &Template) -> Result<Compiled, TooLarge> {
    let emitted = |plan| {
        let filter = walks::lowered(checked, plan);
        filter.emit().map(|code| (filter, code))
    };
    // A walk over a text costs its bytes, however much is sought; a few short texts are cheaper to compare.
    let (filter, code) = emitted(walks::Plan::WhereCheaper)
        .or_else(|error| emitted(walks::Plan::Everywhere).map_err(|_| error))?;
    // One that is too large is no loss: all of it is in the filter as well.
    let first = stages::first(&filter, template).unwrap_or_default();
    Ok(Compiled { filter, when: None, code, first, never: None })
}

fn too_large(error: &TooLarge) -> Refusal {
    Refusal {
        text: error.to_string(),
        advice: Some(match error {
            TooLarge::Table => {
                "ask for fewer patterns, say where they begin (`^…`), or use two probes".into()
            }
            _ => "put sets into params of the probe, or use two probes".into(),
        }),
        function: String::new(),
        position: Position::NONE,
    }
}
