//! Calls a function of a script's again and again, and resolves what it calls only once.
//!
//! `FnPtr::call` forgets, after each call, which function an operator, a getter or a name stood for; for a callback of
//! a few expressions the search for them takes longer than they do. What they stand for is decided by the program and
//! the types of the arguments, neither of which changes for a function that is kept, so the memory of it is kept beside
//! the function. That needs rhai's `internals`: only here, and where the syntax of a filter is walked.

use std::cell::RefCell;

use rhai::{AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, FnPtr, Position, Scope};

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// What the calls of one function have resolved so far.
#[derive(Debug, Default)]
pub struct Resolved(RefCell<Caches>);

impl Resolved {
    /// Calls the function, of which `ast` is the program: always the same two.
    ///
    /// # Errors
    /// What the function fails with.
    pub fn call(&self, engine: &Engine, function: &FnPtr, ast: &AST, arguments: Vec<Dynamic>) -> Outcome {
        let mut arguments: Vec<Dynamic> = function.curry().iter().cloned().chain(arguments).collect();
        let mut arguments: Vec<&mut Dynamic> = arguments.iter_mut().collect();
        self.evaluate(engine, ast, &mut Scope::new(), |context| {
            context.call_fn_raw(function.fn_name(), false, false, &mut arguments)
        })
    }

    /// Evaluates a part of the function in a scope of its own, as a call would.
    ///
    /// # Errors
    /// What it fails with, as if it had been called.
    pub fn part(
        &self,
        engine: &Engine,
        function: &FnPtr,
        ast: &AST,
        part: &Expr,
        variables: impl IntoIterator<Item = (String, Dynamic)>,
    ) -> Outcome {
        let mut scope = Scope::new();
        for (name, value) in variables {
            scope.push_dynamic(name, value);
        }
        let outcome =
            self.evaluate(engine, ast, &mut scope, |context| context.eval_expression_tree(&part.into()));
        outcome.or_else(|error| match *error {
            EvalAltResult::Return(value, _) => Ok(value),
            error if error.is_system_exception() || matches!(error, EvalAltResult::Exit(..)) => {
                Err(error.into())
            }
            error => {
                let name = function.fn_name().to_owned();
                let inner = Box::new(error);
                Err(EvalAltResult::ErrorInFunctionCall(name, String::new(), inner, Position::NONE).into())
            }
        })
    }

    fn evaluate(
        &self,
        engine: &Engine,
        ast: &AST,
        scope: &mut Scope,
        evaluate: impl FnOnce(&mut EvalContext) -> Outcome,
    ) -> Outcome {
        let mut global = engine.new_global_runtime_state();
        global.lib.push(ast.shared_lib().clone());
        // A function that is called while it runs begins with nothing; what it learns is lost, and no more.
        let mut caches = self.0.take();
        let outcome = evaluate(&mut EvalContext::new(engine, &mut global, &mut caches, scope, None));
        // What was resolved inside of something that has failed on its way.
        caches.rewind_fn_resolution_caches(1);
        self.0.replace(caches);
        outcome
    }
}
