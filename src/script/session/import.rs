//! A text with what it imports: each file is read once, evaluated once for its constants, and its functions join the session's.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use rhai::{Dynamic, EvalAltResult, Position, Scope};

use super::{Failure, Started};
use crate::{
    exit,
    filter::Answer,
    script::{
        Source, api,
        diagnostics::Diagnostic,
        imports::{self, Constant, Found, Imported, Marks, Misplaced, Module, NotFound, Scan, is_concerned},
        program::{self, Program},
        stop::Stop,
        value,
    },
};

/// What a file of the program's imports on its way.
struct Open {
    key: String,
    label: String,
}

impl Started {
    /// Imports what a text imports; gives it without that, and what its words stand for.
    ///
    /// # Errors
    /// If something cannot be imported or used so, which is said.
    pub(super) fn linked<'s>(&mut self, source: &'s Rc<Source>) -> Result<(Cow<'s, str>, Marks), Failure> {
        if !is_concerned(&source.text) {
            return Ok((Cow::Borrowed(&source.text), Marks::new()));
        }
        let scan = Scan::of(&source.text).map_err(|error| self.misplaced(source, &error))?;
        let new = self.imports_of(source, &scan, &mut Vec::new())?;
        self.imported.aliases.extend(new);
        let linked = imports::linked(&source.text, &scan, &self.imported, None);
        let (text, marks) = linked.map_err(|error| self.misplaced(source, &error))?;
        Ok((Cow::Owned(text), marks))
    }

    /// The files that a text imports, by the names that it gives them.
    fn imports_of(
        &mut self,
        source: &Rc<Source>,
        scan: &Scan,
        open: &mut Vec<Open>,
    ) -> Result<HashMap<String, Rc<Module>>, Failure> {
        let mut aliases = HashMap::new();
        for statement in &scan.statements {
            let module = self.import(source, &statement.path, statement.at, open)?;
            if let Some(other) = aliases.insert(statement.alias.clone(), Rc::clone(&module))
                && !Rc::ptr_eq(&other, &module)
            {
                let text = format!("two imports have the name `{}`", statement.alias);
                return Err(self.refused(
                    source,
                    statement.at,
                    &text,
                    Some("give one of them another".into()),
                ));
            }
        }
        Ok(aliases)
    }

    fn import(
        &mut self,
        from: &Rc<Source>,
        path: &str,
        at: Position,
        open: &mut Vec<Open>,
    ) -> Result<Rc<Module>, Failure> {
        let found = self.runtime.options.imports.find(path, &from.name);
        let found = found.map_err(|NotFound { text, advice }| self.refused(from, at, &text, advice))?;
        if let Some(begin) = open.iter().position(|outer| outer.key == found.key) {
            let circle: Vec<_> =
                open[begin..].iter().map(|outer| &*outer.label).chain([&*found.label]).collect();
            let text = format!("these files import each other: {}", circle.join(" \u{2192} "));
            let advice = "move what both need into a third file";
            return Err(self.refused(from, at, &text, Some(advice.to_owned())));
        }
        if let Some(known) = self.imported.known(&found.key) {
            return Ok(known);
        }
        if open.len() >= imports::DEPTH {
            let text = format!("files import each other more than {} deep", imports::DEPTH);
            return Err(self.refused(from, at, &text, None));
        }
        if self.imported.modules.len() >= imports::MOST {
            let text = format!("a session imports {} files at the most", imports::MOST);
            return Err(self.refused(from, at, &text, None));
        }
        open.push(Open { key: found.key.clone(), label: found.label.clone() });
        let module = self.load(&found, open);
        open.pop();
        module
    }

    /// Reads a file that has not been imported yet.
    fn load(&mut self, found: &Found, open: &mut Vec<Open>) -> Result<Rc<Module>, Failure> {
        let source = Rc::new(found.source.clone());
        let scan = Scan::of(&source.text).map_err(|error| self.misplaced(&source, &error))?;
        let aliases = self.imports_of(&source, &scan, open)?;
        let module = Module::new(found, &scan, &self.imported.modules);
        let module = Rc::new(module.map_err(|error| self.misplaced(&source, &error))?);
        let of_this_file = Imported { modules: Vec::new(), aliases };
        let linked = imports::linked(&source.text, &scan, &of_this_file, Some(&module));
        let (text, marks) = linked.map_err(|error| self.misplaced(&source, &error))?;
        for constant in &module.constants {
            self.register(constant);
        }
        let mut scope = Scope::new();
        scope.push_constant("sys", api::System);
        scope.push_constant("allow", Answer::Allow);
        let compiled = self.receivers.compile(&mut self.engine, &scope, &text, marks).map_err(|error| {
            let known: Vec<_> = module.constants.iter().map(|constant| constant.name.clone()).collect();
            self.runtime.diagnose(&self.runtime.explain_parse(&error, &source, &known));
            Failure::Reported(exit::FAILED)
        })?;
        self.runtime.texts.learn(&source, compiled.iter_functions().map(|f| f.name.to_owned()));
        for function in &module.functions {
            let shown = format!("{}::{}", module.label.rsplit('/').next().unwrap_or_default(), function.name);
            let known = program::Imported { shown, params: function.params.clone() };
            self.runtime.texts.learn_imported(module.mangled(&function.name), known);
        }
        let mut ast = self.library.merge(&compiled);
        ast.set_source(source.name.as_str());
        let program = Rc::new(Program { source: Rc::clone(&source), ast });
        let former = self.runtime.enter(&program);
        self.runtime.defines_only.set(true);
        let outcome = self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &program.ast);
        self.runtime.defines_only.set(false);
        self.runtime.leave(former);
        let _nothing = outcome.map_err(|error| match Stop::of(&error) {
            Some(stop) => Failure::Stopped(stop, error.position()),
            None => {
                let diagnostic = self.runtime.explain_failure(&error, &source);
                self.runtime.diagnose(&diagnostic);
                Failure::Reported(diagnostic.exit_code())
            }
        })?;
        for (constant, place) in module.constants.iter().zip(scan.constants().unwrap_or_default()) {
            let value = scope.get_value::<Dynamic>(&constant.name).unwrap_or_default().flatten_clone();
            if !value::is_plain(&value) {
                let text = format!(
                    "`{}` is {}, which a constant of an imported file cannot be",
                    constant.name,
                    api::a(&value)
                );
                let advice =
                    "allowed: numbers, texts, true and false, ranges, networks, and arrays and maps of them";
                return Err(self.refused(&source, place.at, &text, Some(advice.to_owned())));
            }
            if let Some(mut kept) = constant.value.clone().write_lock::<Dynamic>() {
                *kept = value;
            }
        }
        self.library = program.ast.clone_functions_only();
        self.imported.modules.push(Rc::clone(&module));
        Ok(module)
    }

    /// Makes the word that stands for a constant known.
    fn register(&mut self, constant: &Constant) {
        let (value, name) = (constant.value.clone(), constant.name.clone());
        let parse = {
            let value = value.clone();
            move |_: &[rhai::ImmutableString], _: &str, state: &mut Dynamic| {
                *state = value.clone();
                Ok(None)
            }
        };
        let evaluate = move |context: &mut rhai::EvalContext, _: &[rhai::Expression], _: &Dynamic| {
            let known = value.flatten_clone();
            if !known.is_unit() {
                return Ok(known);
            }
            // The file is being evaluated: what stands above has its value there.
            let above = context.scope().get(&name).map(Dynamic::flatten_clone);
            above.ok_or_else(|| EvalAltResult::ErrorVariableNotFound(name.clone(), Position::NONE).into())
        };
        self.engine.register_custom_syntax_with_state_raw(constant.word.as_str(), parse, false, evaluate);
    }

    fn misplaced(&self, source: &Rc<Source>, error: &Misplaced) -> Failure {
        self.refused(source, error.at, &error.text, Some(error.advice.clone()))
    }

    fn refused(&self, source: &Rc<Source>, at: Position, text: &str, advice: Option<String>) -> Failure {
        self.runtime.diagnose(&Diagnostic::at(source, at, text, advice));
        Failure::Reported(exit::FAILED)
    }
}
