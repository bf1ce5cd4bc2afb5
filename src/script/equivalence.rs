//! A filter's closure, evaluated by Rhai and compiled; and a callback's, called as a session calls it and by Rhai alone:
//! for the test that compares them.

use std::rc::Rc;

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr};

use super::{
    Source, api, cut, engine,
    event::ScriptEvent,
    program::{Callback, Program},
};
use crate::{
    event::Event,
    filter::{self, Answer, Compiled, Prefilter, Refusal},
    template::Template,
};

/// A script whose value is a closure.
pub struct Closure {
    engine: Engine,
    ast: AST,
    function: FnPtr,
}

impl Closure {
    /// # Errors
    /// If the text does not parse, or has another value.
    pub fn new(text: &str) -> Result<Self, Box<EvalAltResult>> {
        let mut engine = engine::bare();
        api::event::register(&mut engine);
        api::cut::register(&mut engine);
        api::text::register(&mut engine);
        api::list::register(&mut engine);
        api::network::register(&mut engine);
        api::verdict::register(&mut engine);
        let ast = engine.compile(text)?;
        let function = engine.eval_ast::<FnPtr>(&ast)?;
        Ok(Closure { engine, ast, function })
    }

    /// # Errors
    /// What cannot be compiled.
    pub fn compile(&self, template: &Template) -> Result<Compiled, Refusal> {
        filter::compile(&self.ast, self.function.fn_name(), self.function.curry(), &[], template)
    }

    /// What Rhai says about an event.
    ///
    /// # Errors
    /// If the evaluation fails.
    pub fn evaluate(&self, event: &Event) -> Result<Answer, Box<EvalAltResult>> {
        let event = ScriptEvent::for_filter(event.clone());
        let said: Dynamic = self.function.call(&self.engine, &self.ast, (event,))?;
        if let Ok(matches) = said.as_bool() {
            return Ok(matches.into());
        }
        let kind = said.type_name();
        said.try_cast().ok_or_else(|| format!("a filter gives no {kind}").into())
    }

    /// Whether Rhai gave up since a text is cut before what the answer depends on.
    #[must_use]
    pub fn stopped_at_a_cut(error: &EvalAltResult) -> bool {
        cut::is_cut(error)
    }

    /// Whether the first question that it asks of this template's events is one that a filter may ask.
    #[must_use]
    pub fn has_prefilter(&self, template: &Template) -> bool {
        Prefilter::of(&self.ast, &self.function, template).is_some()
    }

    /// What it gives for each event when it is called as a callback.
    ///
    /// # Errors
    /// If it takes more than an event.
    pub fn called(&self, events: &[Event]) -> Result<Vec<String>, String> {
        let source = Rc::new(Source { name: "closure".into(), text: String::new() });
        let program = Rc::new(Program { source, ast: self.ast.clone() });
        let callback =
            Callback::new(self.function.clone(), program, 1, "on_event").map_err(|e| e.to_string())?;
        let call = |event: &Event| callback.call_with(&self.engine, ScriptEvent::new(event.clone()));
        Ok(events.iter().map(|event| said(call(event))).collect())
    }

    /// What it gives for each event by Rhai's own means.
    #[must_use]
    pub fn interpreted(&self, events: &[Event]) -> Vec<String> {
        let call = |event: &Event| {
            let event = ScriptEvent::new(event.clone());
            self.function.call::<Dynamic>(&self.engine, &self.ast, (event,))
        };
        events.iter().map(|event| said(call(event))).collect()
    }
}

fn said(outcome: Result<Dynamic, Box<EvalAltResult>>) -> String {
    match outcome {
        Ok(value) => format!("{}: {value:?}", value.type_name()),
        Err(error) => format!("error: {error:?}"),
    }
}
