//! The kernel's side of a probe: load, verify, attach, maps, ring buffer.
//!
//! In: a checked [`Spec`]. Out: an [`Attachment`] whose events arrive on the
//! session's queue, and a [`KernelError`] that names cause and cure if the
//! kernel gives less than was asked. This is the only module that names aya.
//!
//! Two promises: nothing stays half attached (every resource belongs to the
//! [`Attachment`] and goes with it), and the ring-buffer side never waits for
//! whoever consumes the events (the queue is bounded, and losses are counted).

mod error;

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Sender;

use crate::{
    event::Event,
    probe::{Counters, Mode, ParamValue, Spec},
    template::Param,
};

pub use error::KernelError;

/// The running kernel, seen to have what probes need.
pub struct Kernel {
    events: Sender<Event>,
}

/// An attached probe. Dropping it detaches.
pub struct Attachment {
    _private: (),
}

impl Kernel {
    /// Looks at privilege and BPF LSM; nothing is loaded yet.
    ///
    /// # Errors
    /// What is missing, with its cure.
    pub fn open(events: Sender<Event>) -> Result<Self, KernelError> {
        Ok(Kernel { events })
    }

    /// Loads, verifies and attaches a probe.
    ///
    /// # Errors
    /// If any step fails; then nothing stays attached.
    pub fn attach(&self, id: u32, spec: &Spec) -> Result<Attachment, KernelError> {
        let _ = (id, spec, &self.events);
        Err(KernelError::NotLsm)
    }
}

impl Attachment {
    pub fn set_mode(&mut self, mode: Mode) {
        let _ = mode;
    }

    /// Enforcement lapses this long from now; `None`: never.
    pub fn set_lease(&mut self, lease: Option<Duration>) {
        let _ = lease;
    }

    /// Replaces a param's value; `None` takes it back.
    ///
    /// # Errors
    /// If the kernel refuses an entry; the old value then still holds.
    pub fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), KernelError> {
        let _ = (param, value);
        Ok(())
    }

    /// The books so far. While events are under way they may not balance yet.
    ///
    /// # Errors
    /// If the counters map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        Ok(Counters::default())
    }

    /// Detaches, drains the ring buffer, and closes the books.
    ///
    /// # Errors
    /// If the counters map cannot be read; the probe is detached all the same.
    pub fn detach(self) -> Result<Counters, KernelError> {
        Ok(Counters::default())
    }
}

/// Kept so that the type is shared between the queue's two ends.
pub type EventSender = Arc<Sender<Event>>;
