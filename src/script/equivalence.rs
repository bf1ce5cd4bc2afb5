//! A filter's closure, evaluated by Rhai and compiled: for the test that compares both.

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr};

use super::{api, engine};
use crate::{
    event::Event,
    filter::{self, Answer, Compiled, Refusal},
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
        filter::compile(&self.ast, self.function.fn_name(), self.function.curry(), template)
    }

    /// What Rhai says about an event.
    ///
    /// # Errors
    /// If the evaluation fails.
    pub fn evaluate(&self, event: &Event) -> Result<Answer, Box<EvalAltResult>> {
        let event = api::event::ScriptEvent::for_filter(event.clone());
        let said: Dynamic = self.function.call(&self.engine, &self.ast, (event,))?;
        if let Ok(matches) = said.as_bool() {
            return Ok(matches.into());
        }
        let kind = said.type_name();
        said.try_cast().ok_or_else(|| format!("a filter gives no {kind}").into())
    }
}
