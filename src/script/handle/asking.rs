//! A probe that asks: who answers, and what has been answered.

use std::rc::Rc;

use super::{Fault, ProbeHandle};
use crate::{
    probe::{
        Ask, Mode, Spec,
        ask::{Reply, Standing},
    },
    script::{policy::Policy, program::Callback},
};

/// Who decides about what a probe holds.
#[derive(Clone)]
pub enum Asker {
    /// A function of the script's.
    Function(Rc<Callback>),
    /// Whoever sits at the prompt.
    Person,
}

impl ProbeHandle {
    /// Lets it ask, now if it is attached; the policy has the last word. Returns what there is to say about it.
    ///
    /// # Errors
    /// If its operations cannot be held, or it is attached and was not made to hold any.
    pub fn set_ask(&self, policy: Policy, ask: Ask, asker: Asker) -> Result<Vec<String>, Fault> {
        // Before anything of it is kept.
        policy.permit(Mode::Ask(ask.otherwise))?;
        {
            let mut state = self.0.borrow_mut();
            if state.attachment.is_some() && state.spec.ask.is_none_or(|is| !is.held_alike(&ask)) {
                return Err(Fault::script(format!(
                    "probe `{}` is attached, and whether it can hold operations, how many and how long, is decided before that; detach it first (who answers, and `otherwise`, change live)",
                    state.spec.name
                )));
            }
            Spec { ask: Some(ask), ..state.spec.clone() }.check_ask()?;
            state.spec.ask = Some(ask);
            state.asker = Some(asker);
        }
        self.set_mode(policy, Mode::Ask(ask.otherwise))
    }

    /// Who decides about what it holds, if it asks.
    pub fn asker(&self) -> Option<Asker> {
        self.0.borrow().asker.clone()
    }

    /// Lets go of who decides: a function may hold its own probe.
    pub fn forget_asker(&self) {
        self.0.borrow_mut().asker = None;
    }

    /// How it asks.
    pub fn ask(&self) -> Option<Ask> {
        self.0.borrow().spec.ask
    }

    /// What has become of the question that an event was, by its thread and its time.
    pub fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        let state = self.0.borrow();
        state.attachment.as_ref().map_or(Standing::Over, |attached| attached.standing(tid, asked_ns))
    }

    /// Answers it, and lets it go on. Returns whether it was still held.
    ///
    /// # Errors
    /// If the kernel takes no answer.
    pub fn answer(&self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, Fault> {
        match &mut self.0.borrow_mut().attachment {
            Some(attached) => Ok(attached.answer(tid, asked_ns, reply)?),
            None => Ok(false),
        }
    }
}
