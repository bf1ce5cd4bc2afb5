//! How many of its events a probe sends: set before the attach; what is held back is said.

use super::{Fault, ProbeHandle};
use crate::{
    probe::{Limits, SpecError},
    values::Rate,
};

/// Of what there may be so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOf {
    Probe,
    Process,
}

impl ProbeHandle {
    /// Sets how many events of the probe, or of each process, may be sent; `None`: all.
    ///
    /// # Errors
    /// If the probe is attached, or asks.
    pub fn set_limit(&self, of: LimitOf, rate: Option<Rate>) -> Result<(), Fault> {
        self.change_limits("limit", |limits| match of {
            LimitOf::Probe => limits.probe = rate,
            LimitOf::Process => limits.process = rate,
        })
    }

    /// Sends one of each so many events; `None`: all.
    ///
    /// # Errors
    /// If the probe is attached, or asks.
    pub fn set_sample(&self, of: Option<u32>) -> Result<(), Fault> {
        self.change_limits("sample", |limits| limits.sample = of)
    }

    fn change_limits(&self, word: &str, change: impl FnOnce(&mut Limits)) -> Result<(), Fault> {
        self.before_attach(word)?;
        let mut state = self.0.borrow_mut();
        let mut limits = state.spec.limits;
        change(&mut limits);
        if state.spec.ask.is_some() && !limits.is_empty() {
            return Err(SpecError::AsksAndLimits.into());
        }
        state.spec.limits = limits;
        Ok(())
    }

    /// How many events its limits have held back since this was asked last, if there are any.
    ///
    /// # Errors
    /// If the kernel's counters cannot be read.
    pub fn take_limited(&self) -> Result<Option<u64>, Fault> {
        // One that is being changed has its turn next time.
        let Ok(mut state) = self.0.try_borrow_mut() else { return Ok(None) };
        let Limits { probe, process, .. } = state.spec.limits;
        let Some(attachment) = state.attachment.as_ref().filter(|_| probe.is_some() || process.is_some())
        else {
            return Ok(None);
        };
        let limited = attachment.limited()?;
        let more = limited.saturating_sub(state.limited_told);
        state.limited_told = limited;
        Ok((more > 0).then_some(more))
    }

    /// Its limits, in words.
    pub fn limits_in_words(&self) -> String {
        self.0.borrow().spec.limits.in_words().join(", ")
    }
}
