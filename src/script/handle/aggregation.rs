//! What a probe keeps count of: configured before the attach, read and taken while it is attached, and
//! kept for the session's end.

use super::{Fault, ProbeHandle, State};
use crate::{
    probe::Summary,
    probe::aggregation::{self, Aggregation, AggregationError, Kind},
};

impl State {
    /// An aggregation is asked for instead of events, unless somebody wants those too.
    fn is_quiet(&self) -> bool {
        let heard = self.callback.is_some() || self.listeners > 0 || self.recorder.is_some();
        let wanted = self.events.unwrap_or(self.spec.aggregations.is_empty() || heard);
        !wanted
    }

    /// Tells the kernel, if it is attached, whether events are wanted.
    pub(super) fn apply_quiet(&mut self) -> Result<(), Fault> {
        self.spec.quiet = self.is_quiet();
        match &mut self.attachment {
            Some(attachment) => Ok(attachment.set_quiet(self.spec.quiet)?),
            None => Ok(()),
        }
    }
}

impl ProbeHandle {
    /// # Errors
    /// If the template has no such field, the probe has such an aggregation already, or is attached.
    pub fn aggregate(
        &self,
        kind: Kind,
        field: Option<&str>,
        by: &[String],
        most: Option<usize>,
    ) -> Result<(), Fault> {
        self.before_attach(kind.name())?;
        let mut state = self.0.borrow_mut();
        let wanted = Aggregation::new(&state.spec.template, kind, field, by)?;
        let same = |known: &Aggregation| known.kind.name() == kind.name();
        if state.spec.aggregations.iter().any(same) {
            return Err(AggregationError::Again { kind: kind.name() }.into());
        }
        if state.spec.aggregations.len() == aggregation::MOST {
            return Err(AggregationError::TooMany.into());
        }
        state.spec.aggregations.push(wanted);
        if most.is_some() {
            state.most_rows = most;
        }
        state.apply_quiet()
    }

    /// How many entries the aggregations may keep.
    ///
    /// # Errors
    /// If that is none or too many, or the probe is attached.
    pub fn set_keys(&self, keys: i64) -> Result<(), Fault> {
        self.before_attach("max_keys")?;
        let wanted = u32::try_from(keys).ok().filter(|n| aggregation::KEYS_RANGE.contains(n));
        self.0.borrow_mut().spec.keys = wanted.ok_or(AggregationError::Keys { given: keys })?;
        Ok(())
    }

    /// Whether events are sent; now, if it is attached.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn set_events(&self, wanted: bool) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.events = Some(wanted);
        state.apply_quiet()
    }

    /// What the aggregations have come to by now, or had when it was detached.
    ///
    /// # Errors
    /// If there are none, it was never attached, or the kernel's tables cannot be read.
    pub fn summaries(&self) -> Result<Vec<Summary>, Fault> {
        let mut state = self.0.borrow_mut();
        state.must_aggregate()?;
        state.has_told = true;
        match &state.attachment {
            Some(attachment) => Ok(attachment.summaries()?),
            None => Ok(state.closed_summaries.clone()),
        }
    }

    /// The same, for somebody who only watches: it counts as told to nobody.
    ///
    /// # Errors
    /// As [`Self::summaries`].
    pub fn look_at_summaries(&self) -> Result<Vec<Summary>, Fault> {
        let told = self.0.borrow().has_told;
        let summaries = self.summaries();
        self.0.borrow_mut().has_told = told;
        summaries
    }

    /// The same, and everything begins from zero.
    ///
    /// # Errors
    /// As [`Self::summaries`], or if the kernel cannot wait for its programs.
    pub fn take_summaries(&self) -> Result<Vec<Summary>, Fault> {
        let mut state = self.0.borrow_mut();
        state.must_aggregate()?;
        state.has_told = true;
        match &mut state.attachment {
            Some(attachment) => Ok(attachment.take_summaries()?),
            None => Ok(std::mem::take(&mut state.closed_summaries)),
        }
    }

    /// What the session's end should tell: nothing if the script has asked itself.
    pub fn untold_summaries(&self) -> Vec<Summary> {
        let state = self.0.borrow();
        if state.has_told {
            return Vec::new();
        }
        let shown = |summary: &Summary| summary.clone().first(state.most_rows.unwrap_or(usize::MAX));
        state.closed_summaries.iter().filter(|s| !s.rows.is_empty() || s.overflow > 0).map(shown).collect()
    }

    /// How many rows `.top(n, …)` asked for.
    pub fn most_rows(&self) -> Option<usize> {
        self.0.borrow().most_rows
    }
}

impl State {
    fn must_aggregate(&self) -> Result<(), Fault> {
        let name = &self.spec.name;
        if self.spec.aggregations.is_empty() {
            return Err(Fault::script(format!(
                "probe `{name}` keeps no count; say what before the attach: `.count_by([\"comm\"])`, `.hist(\"size\")`"
            )));
        }
        if !self.has_books {
            return Err(Fault::script(format!(
                "probe `{name}` has counted nothing yet: it is not attached; `.attach()` it first"
            )));
        }
        Ok(())
    }
}
