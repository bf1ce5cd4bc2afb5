//! Calls a function of a script's again and again, and resolves what it calls only once.
//!
//! `FnPtr::call` forgets, after each call, which function an operator, a getter or a name stood for; for a callback of
//! a few expressions the search for them takes longer than they do. What they stand for is decided by the program and
//! the types of the arguments, neither of which changes for a function that is kept, so the memory of it is kept beside
//! the function. That needs rhai's `internals`: only here, and where a filter's syntax is walked.

use std::cell::RefCell;

use rhai::{AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, FnPtr, Scope};

/// What the calls of one function have resolved so far.
#[derive(Debug, Default)]
pub struct Resolved(RefCell<Caches>);

impl Resolved {
    /// Calls the function, of which `ast` is the program: always the same two.
    ///
    /// # Errors
    /// What the function fails with.
    pub fn call(
        &self,
        engine: &Engine,
        function: &FnPtr,
        ast: &AST,
        arguments: Vec<Dynamic>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = engine.new_global_runtime_state();
        global.lib.push(ast.shared_lib().clone());
        // A function that calls itself by another way begins with nothing; what it learns is lost, and no more.
        let mut caches = self.0.take();
        let mut scope = Scope::new();
        let mut arguments: Vec<Dynamic> = function.curry().iter().cloned().chain(arguments).collect();
        let mut arguments: Vec<&mut Dynamic> = arguments.iter_mut().collect();
        let outcome = EvalContext::new(engine, &mut global, &mut caches, &mut scope, None).call_fn_raw(
            function.fn_name(),
            false,
            false,
            &mut arguments,
        );
        // What was resolved inside of something that has failed on its way.
        caches.rewind_fn_resolution_caches(1);
        self.0.replace(caches);
        outcome
    }
}
