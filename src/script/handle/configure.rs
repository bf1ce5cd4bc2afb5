//! What is decided before a probe is attached.

use std::collections::BTreeSet;

use rhai::AST;

use super::{Asker, Fault, ProbeHandle};
use crate::{
    event::origin,
    filter,
    probe::{self, OnError, needs::Need},
    template::Stack,
};

impl ProbeHandle {
    /// # Errors
    /// If the name is empty or the probe is attached.
    pub fn rename(&self, name: &str) -> Result<(), Fault> {
        self.before_attach("name")?;
        if name.trim().is_empty() {
            return Err(Fault::script("a probe's name must not be empty"));
        }
        let mut state = self.0.borrow_mut();
        name.clone_into(&mut state.spec.name);
        name.clone_into(&mut state.birth.name.borrow_mut());
        Ok(())
    }

    /// # Errors
    /// If an event has no such field, there are none, or the probe is attached.
    pub fn narrow(&self, names: &[String]) -> Result<(), Fault> {
        self.before_attach("fields")?;
        let mut state = self.0.borrow_mut();
        if names.is_empty() {
            return Err(Fault::script(
                "`.fields([])` would tell nothing; name some, or say `.events(false)`",
            ));
        }
        for name in names {
            probe::aggregation::find(&state.spec.template, name)?;
        }
        state.spec.fields = Some(names.into());
        Ok(())
    }

    /// Settles which fields of the origin its events tell, if it is not attached: those that its functions, its filter or the
    /// text at hand name.
    pub fn settle_origin(&self, text: &AST) {
        let mut state = self.0.borrow_mut();
        if state.attachment.is_some() {
            return;
        }
        let asked = match &state.asker {
            Some(Asker::Function(callback)) => Some(callback),
            _ => None,
        };
        let callbacks =
            state.callback.iter().chain(&state.condition).chain(asked).map(|callback| &callback.program.ast);
        let named: BTreeSet<String> = callbacks.chain([text]).flat_map(filter::named_fields).collect();
        let spec = &state.spec;
        let is_told = |name: &str| {
            origin::is_meant(name, |word| named.contains(word)) || spec.needs(&[name], Need::Filter)
        };
        let fields = spec.template.origin_fields().map(|field| &field.name);
        let told: Vec<String> = fields.filter(|name| is_told(name)).cloned().collect();
        state.spec.origin = told.into();
    }

    /// # Errors
    /// If the probe is attached.
    pub fn want_stack(&self, of: Stack) -> Result<(), Fault> {
        self.before_attach(of.field())?;
        let mut state = self.0.borrow_mut();
        if !state.spec.stacks.contains(&of) {
            state.spec.stacks.push(of);
        }
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn set_everywhere(&self) -> Result<(), Fault> {
        self.before_attach("everywhere")?;
        self.0.borrow_mut().spec.everywhere = true;
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn set_on_error(&self, answer: OnError) -> Result<(), Fault> {
        self.before_attach("on_error")?;
        self.0.borrow_mut().spec.on_error = answer;
        Ok(())
    }

    pub(super) fn before_attach(&self, what: &str) -> Result<(), Fault> {
        let state = self.0.borrow();
        if state.attachment.is_none() {
            return Ok(());
        }
        Err(Fault::script(format!(
            "probe `{}` is attached, and `.{what}(…)` is decided before that; detach it first (filter, mode, lease and params change live)",
            state.spec.name
        )))
    }
}
