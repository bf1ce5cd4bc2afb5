//! Script text that compiled, and the functions in it that will be called later.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr};

use super::{Fault, Source, call::Resolved, event::ScriptEvent};
use crate::{
    filter::{self, Asked, Compiled, Follows, Prefilter, Refusal},
    template::Template,
};

/// A text, and everything a function of it may call. At the prompt that is also what
/// former lines have defined.
#[derive(Debug)]
pub struct Program {
    pub source: Rc<Source>,
    pub ast: AST,
}

/// Which text each function stands in.
#[derive(Debug, Default)]
pub struct Texts {
    texts: RefCell<HashMap<String, Rc<Source>>>,
    imported: RefCell<HashMap<String, Imported>>,
}

/// A function of an imported file, as the file knows it.
#[derive(Debug, Clone)]
pub struct Imported {
    /// `net::is_private`
    pub shown: String,
    pub params: Vec<String>,
}

impl Texts {
    /// Remembers where the functions of a newly compiled text stand.
    pub fn learn(&self, source: &Rc<Source>, functions: impl IntoIterator<Item = String>) {
        self.texts.borrow_mut().extend(functions.into_iter().map(|name| (name, Rc::clone(source))));
    }

    pub fn text_of(&self, function: &str) -> Option<Rc<Source>> {
        self.texts.borrow().get(function).cloned()
    }

    /// Remembers what a function of an imported file is called there.
    pub fn learn_imported(&self, name: String, known: Imported) {
        self.imported.borrow_mut().insert(name, known);
    }

    /// What a function is called in the file that it was imported from.
    pub fn imported(&self, function: &str) -> Option<Imported> {
        self.imported.borrow().get(function).cloned()
    }
}

/// A function of a script's that something will call: an event, a timer, the end.
#[derive(Debug)]
pub struct Callback {
    pub function: FnPtr,
    /// Kept beside the function, whose name means nothing elsewhere.
    pub program: Rc<Program>,
    /// How many arguments it takes.
    pub arity: usize,
    resolved: Resolved,
    /// Its first question, for events of each template that it has been called with.
    prefilters: RefCell<Prefilters>,
}

type Prefilters = Vec<(Arc<Template>, Option<Rc<Prefilter>>)>;

impl Callback {
    /// # Errors
    /// If the function takes more than `most` arguments, which nobody would give it.
    pub fn new(function: FnPtr, program: Rc<Program>, most: usize, of: &str) -> Result<Rc<Self>, Fault> {
        let curried = function.curry().len();
        let arities: Vec<usize> = program
            .ast
            .iter_functions()
            .filter(|f| f.name == function.fn_name())
            .map(|f| f.params.len().saturating_sub(curried))
            .collect();
        let arity = arities.iter().copied().filter(|a| *a <= most).max();
        if let Some(misunderstood) =
            arity.and_then(|arity| filter::account_by_name(&program.ast, function.fn_name(), arity + curried))
        {
            return Err(misunderstood.into());
        }
        let callback = |arity| {
            let (resolved, prefilters) = Default::default();
            Rc::new(Callback { function, program, arity, resolved, prefilters })
        };
        match (arity, arities.first()) {
            (Some(arity), _) => Ok(callback(arity)),
            // A function of the engine's own (`Fn("print")`) is not listed; it gets all there is.
            (None, None) => Ok(callback(most)),
            (None, Some(takes)) => {
                let allowed = match most {
                    0 => "none: `|| …`".to_owned(),
                    1 => "at most 1: `|e| …`".to_owned(),
                    _ => format!("at most {most}: `|e, before| …`"),
                };
                Err(Fault::script(format!(
                    "the function given to `{of}` takes {takes} arguments; allowed: {allowed}"
                )))
            }
        }
    }

    /// Calls the function without arguments.
    ///
    /// # Errors
    /// What it fails with.
    pub fn call(&self, engine: &Engine) -> Result<Dynamic, Box<EvalAltResult>> {
        self.resolved.call(engine, &self.function, &self.program.ast, Vec::new())
    }

    /// Calls the function with an event, if it takes one. What it asks first is answered here, where that is possible.
    ///
    /// # Errors
    /// What it fails with.
    pub fn call_with(&self, engine: &Engine, event: ScriptEvent) -> Result<Dynamic, Box<EvalAltResult>> {
        if let Some(prefilter) = self.prefilter(event.inner().template())
            && let Some(follows) = prefilter.follows(event.inner(), self.function.curry())
        {
            let part = match follows {
                Follows::Value(value) => return Ok(value.into()),
                Follows::Nothing => return Ok(Dynamic::UNIT),
                Follows::Body(part) => part,
            };
            let values = self.function.curry().iter().cloned().chain([Dynamic::from(event)]);
            let variables = prefilter.params().iter().cloned().zip(values);
            return self.resolved.part(engine, &self.function, &self.program.ast, part, variables);
        }
        let arguments = if self.arity == 0 { Vec::new() } else { vec![Dynamic::from(event)] };
        self.resolved.call(engine, &self.function, &self.program.ast, arguments)
    }

    /// Calls the function with as many of these values as it takes.
    ///
    /// # Errors
    /// What it fails with.
    pub fn call_with_values(
        &self,
        engine: &Engine,
        mut values: Vec<Dynamic>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        values.truncate(self.arity);
        self.resolved.call(engine, &self.function, &self.program.ast, values)
    }

    /// Whether it may do something to the system, as far as can be told from its text.
    pub fn acts(&self) -> bool {
        const ACTING: [&str; 10] = [
            "kill",
            "run",
            "deny",
            "lease",
            "attach",
            "detach",
            "freeze",
            "thaw",
            "keep_evidence",
            "write_recording",
        ];
        filter::calls_any(&self.program.ast, self.function.fn_name(), &ACTING)
    }

    /// What it asks first of this template's events, if that is answered beforehand.
    pub fn prefilter(&self, template: &Arc<Template>) -> Option<Rc<Prefilter>> {
        if self.arity == 0 {
            return None;
        }
        let mut prefilters = self.prefilters.borrow_mut();
        if let Some((_, prefilter)) = prefilters.iter().find(|(of, _)| Arc::ptr_eq(of, template)) {
            return prefilter.clone();
        }
        let prefilter = Prefilter::of(&self.program.ast, &self.function, template).map(Rc::new);
        prefilters.push((Arc::clone(template), prefilter.clone()));
        prefilter
    }
}

/// A closure that the kernel will run.
#[derive(Debug, Clone)]
pub struct When {
    pub function: FnPtr,
    pub program: Rc<Program>,
}

impl When {
    /// The filter, with the values that captured variables have now, behind what is asked besides.
    ///
    /// # Errors
    /// What cannot be compiled, or can never be, at its place.
    pub fn compile(&self, asked: &[Asked<'_>], template: &Template) -> Result<Compiled, Refusal> {
        let (ast, captured) = (&self.program.ast, self.function.curry());
        let compiled = filter::compile(ast, self.function.fn_name(), captured, asked, template);
        // A filter may nest deeper than a value may.
        let _ = crate::memory::was_too_deep();
        let mut compiled = compiled?;
        match compiled.never.take() {
            Some(never) => Err(never),
            None => Ok(compiled),
        }
    }
}
