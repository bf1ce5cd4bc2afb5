//! Script text that compiled, and the functions in it that will be called later.

use std::rc::Rc;

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr};

use super::{Fault, Source, call::Resolved};
use crate::{
    filter::{self, Compiled, Refusal},
    template::Template,
};

/// A text, and everything a function of it may call. At the prompt that is also what
/// former lines have defined.
#[derive(Debug)]
pub struct Program {
    pub source: Rc<Source>,
    pub ast: AST,
}

/// A function of a script's that something will call: an event, a timer, the end.
#[derive(Debug, Clone)]
pub struct Callback {
    pub function: FnPtr,
    /// Kept beside the function, whose name means nothing elsewhere.
    pub program: Rc<Program>,
    /// How many arguments it takes.
    pub arity: usize,
    resolved: Rc<Resolved>,
}

impl Callback {
    /// # Errors
    /// If the function takes more than `most` arguments, which nobody would give it.
    pub fn new(function: FnPtr, program: Rc<Program>, most: usize, of: &str) -> Result<Self, Fault> {
        let curried = function.curry().len();
        let arities: Vec<usize> = program
            .ast
            .iter_functions()
            .filter(|f| f.name == function.fn_name())
            .map(|f| f.params.len().saturating_sub(curried))
            .collect();
        // A function of the engine's own (`Fn("print")`) is not listed; it gets all there is.
        let arity = arities.iter().copied().filter(|a| *a <= most).max();
        match (arity, arities.first()) {
            (Some(arity), _) => Ok(Callback { function, program, arity, resolved: Rc::default() }),
            (None, None) => Ok(Callback { function, program, arity: most, resolved: Rc::default() }),
            (None, Some(takes)) => {
                let allowed = if most == 0 {
                    "none: `|| …`".to_owned()
                } else {
                    format!("at most {most}: `|e| …`")
                };
                Err(Fault::script(format!(
                    "the function given to `{of}` takes {takes} arguments; allowed: {allowed}"
                )))
            }
        }
    }

    /// Calls the function; of the arguments it gets as many as it takes.
    ///
    /// # Errors
    /// What it fails with.
    pub fn call(&self, engine: &Engine, mut arguments: Vec<Dynamic>) -> Result<Dynamic, Box<EvalAltResult>> {
        arguments.truncate(self.arity);
        self.resolved.call(engine, &self.function, &self.program.ast, arguments)
    }
}

/// A closure that the kernel will run.
#[derive(Debug, Clone)]
pub struct When {
    pub function: FnPtr,
    pub program: Rc<Program>,
}

impl When {
    /// The filter, with the values that captured variables have now.
    ///
    /// # Errors
    /// What cannot be compiled, at its place.
    pub fn compile(&self, template: &Template) -> Result<Compiled, Refusal> {
        filter::compile(&self.program.ast, self.function.fn_name(), self.function.curry(), template)
    }
}
