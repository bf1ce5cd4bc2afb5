//! Rhai as this program uses it: bounded, without files of its own, with the bindings.

use std::{cell::OnceCell, rc::Rc};

use rhai::{Dynamic, Engine, OptimizationLevel, module_resolvers::DummyModuleResolver};

use super::{
    api,
    docs::Index,
    limits::{CALL_DEPTH, EXPRESSION_DEPTH, FUNCTIONS, VARIABLES},
    runtime::Runtime,
};
use crate::{report::Record, template::Catalogue};

/// An engine whose bindings act on `runtime`.
pub fn build(runtime: &Rc<Runtime>) -> Engine {
    let mut engine = bare();
    api::register(&mut engine);
    api::event::register_fields(&mut engine, runtime.catalogue.field_names());
    engine.set_default_tag(Dynamic::from(Rc::clone(runtime)));

    let acting = Rc::clone(runtime);
    engine.on_print(move |text| acting.report(|reporter| reporter.emit(Record::Print(text))));
    let acting = Rc::clone(runtime);
    engine.on_debug(move |text, _, position| {
        acting.report(|reporter| reporter.log(&format!("debug {position:?}: {text}")));
    });
    let acting = Rc::clone(runtime);
    engine.on_progress(move |steps| acting.progress(steps).map(Dynamic::from));
    engine
}

/// The language with its limits and without the bindings: enough to parse.
pub fn bare() -> Engine {
    let mut engine = Engine::new();
    engine
        // Every expression keeps its place, for carets.
        .set_optimization_level(OptimizationLevel::None)
        .set_module_resolver(DummyModuleResolver::new())
        .disable_symbol("eval")
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_max_call_levels(CALL_DEPTH)
        .set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH)
        .set_max_variables(VARIABLES)
        // Not the sizes of values, which Rhai would measure at each step: see `crate::memory`.
        .set_max_functions(FUNCTIONS);
    engine
}

/// The index of everything a script can name, built once for each thread.
#[must_use]
pub fn index(catalogue: &Catalogue) -> Rc<Index> {
    thread_local! {
        static INDEX: OnceCell<Rc<Index>> = const { OnceCell::new() };
    }
    let build = || {
        let mut engine = Engine::new();
        api::register(&mut engine);
        Rc::new(Index::new(&engine, catalogue.clone()))
    };
    INDEX.with(|cell| Rc::clone(cell.get_or_init(build)))
}
