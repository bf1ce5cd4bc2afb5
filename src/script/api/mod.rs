//! What a script can say: one file a domain, each with one `register`.
//!
//! The doc comment on a function is its documentation: `help` prints it. Functions
//! find what they act on through the engine's tag.

mod aggregation;
mod attempt;
mod breaker;
mod check;
pub mod cut;
pub mod event;
pub mod facts;
mod group;
mod host;
mod hunt;
mod last;
mod library;
mod limit;
pub mod list;
pub mod network;
mod output;
mod pin;
mod probe;
mod process;
mod reaction;
mod recorder;
mod sequence;
mod session;
mod set;
mod start;
mod state;
pub mod text;
mod threshold;
mod time;
pub mod verdict;

use std::rc::Rc;

use rhai::{Dynamic, Engine, NativeCallContext};

pub use self::facts::System;
use super::{
    Fault, event::ScriptEvent, fault::Fallible, file::ScriptFile, runtime::Runtime, summary::ScriptSummary,
};
use crate::{raw, report};

/// Everything there is.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Fault>("Error").register_fn("to_string", |fault: Fault| fault.text);
    probe::register(engine);
    pin::register(engine);
    aggregation::register(engine);
    event::register(engine);
    last::register(engine);
    sequence::register(engine);
    threshold::register(engine);
    state::register(engine);
    time::register(engine);
    process::register(engine);
    reaction::register(engine);
    start::register(engine);
    host::register(engine);
    facts::register(engine);
    output::register(engine);
    session::register(engine);
    check::register(engine);
    hunt::register(engine);
    attempt::register(engine);
    breaker::register(engine);
    limit::register(engine);
    set::register(engine);
    recorder::register(engine);
    text::register(engine);
    list::register(engine);
    network::register(engine);
    verdict::register(engine);
    library::register(engine);
}

fn runtime(context: &NativeCallContext) -> Fallible<Rc<Runtime>> {
    let tag = context.tag().and_then(|tag| tag.clone().try_cast::<Rc<Runtime>>());
    let runtime = tag.ok_or_else(|| Fault::script("this function works inside of a session only"))?;
    // Some functions take a second each (a filter that is loaded), and a script of few steps that calls them is alive.
    runtime.heartbeat();
    Ok(runtime)
}

/// A value as the prompt shows it.
#[must_use]
pub fn shown(value: &Dynamic) -> String {
    if let Some(probe) = value.read_lock::<super::handle::ProbeHandle>() {
        return probe.describe();
    }
    if let Some(summary) = value.read_lock::<ScriptSummary>() {
        return summary.describe();
    }
    if value.is_map()
        || value.is_array()
        || value.is_blob()
        || value.is::<ScriptEvent>()
        || value.is::<ScriptFile>()
    {
        let text = serde_json::to_string_pretty(&super::value::to_json(value)).unwrap_or_default();
        return text.lines().map(report::safe_json).collect::<Vec<_>>().join("\n");
    }
    match value.as_immutable_string_ref() {
        Ok(text) => raw::literal(&text),
        Err(_) => super::value::text(value),
    }
}

/// A value's kind, with its article, for messages: "a string", "an array".
pub fn a(value: &Dynamic) -> String {
    match value.as_bool() {
        Ok(known) => known.to_string(),
        Err(_) => super::diagnostics::a(&super::docs::plain_types(value.type_name())),
    }
}
