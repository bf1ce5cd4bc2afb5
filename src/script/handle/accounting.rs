//! What a probe has decided so far.

use super::{Fault, ProbeHandle, State};
use crate::{probe::Counters, report::Books};

impl State {
    fn books(&self, counters: Counters) -> Books {
        Books {
            probe: self.spec.name.clone(),
            template: self.spec.template.name.clone(),
            mode: self.spec.acting_mode(),
            lease_over: self.has_lapsed() || self.closed_lapsed,
            tripped: self.has_tripped() || self.closed_tripped,
            altered: self.altered,
            door: self.door,
            attached: self.attachment.is_some(),
            counters,
        }
    }
}

impl ProbeHandle {
    /// What has been decided so far, over all its attachments.
    ///
    /// # Errors
    /// If the kernel's counters cannot be read.
    pub fn counters(&self) -> Result<Counters, Fault> {
        let state = self.0.borrow();
        let now = state.attachment.as_ref().map(|attachment| attachment.counters()).transpose()?;
        Ok(state.closed + now.unwrap_or_default())
    }

    /// Brings what the kernel has emitted until now into the queue.
    pub fn flush(&self) {
        if let Some(attachment) = &self.0.borrow().attachment {
            attachment.flush();
        }
    }

    /// The closing books, if it was ever attached.
    pub fn books(&self) -> Option<Books> {
        let state = self.0.borrow();
        state.has_books.then(|| state.books(state.closed))
    }

    /// The books as they stand, if it was ever attached.
    ///
    /// # Errors
    /// If the kernel's counters cannot be read.
    pub fn current_books(&self) -> Result<Option<Books>, Fault> {
        /// Looks at counters that change while they are read.
        const LOOKS: usize = 3;
        self.flush();
        let mut counters = self.counters()?;
        for _ in 1..LOOKS {
            if counters.balanced() {
                break;
            }
            counters = self.counters()?;
        }
        let state = self.0.borrow();
        Ok(state.has_books.then(|| state.books(counters)))
    }
}
