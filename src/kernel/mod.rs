//! The kernel's side of a probe: load, verify, attach, maps, ring buffer.
//!
//! In: a checked [`Spec`](crate::probe::Spec). Out: an [`Attachment`] whose events arrive on the
//! queue it was given, and a [`KernelError`] that names cause and fix if the
//! kernel gives less than was asked. This is the only module that names aya.
//!
//! Two promises: nothing stays half attached (every resource belongs to the
//! [`Attachment`] and goes with it), and the ring-buffer side never waits for
//! what consumes the events (the queue is bounded, and losses are counted).

mod attach;
#[doc(hidden)]
pub mod bench;
mod call;
pub mod denials;
mod errno;
mod error;
mod host;
mod label;
mod live;
mod load;
mod maps;
mod names;
pub mod pins;
mod programs;
mod running;
pub mod sessions;
mod verifier;
mod waker;

pub use self::{
    attach::Attachment,
    error::KernelError,
    host::{
        check, check_lsm,
        facts::{Facts, facts},
        is_privileged, lsm_list_is_readable, release, too_few_files,
    },
    live::Live,
    running::Kernel,
    waker::{COMMAND as WAKER, serve as serve_as_waker},
};
