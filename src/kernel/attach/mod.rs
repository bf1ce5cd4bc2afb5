//! From a probe's spec to an attached probe, and what is done to it while it is attached.

mod aggregations;
mod attachment;
mod cgroups;
mod executables;
mod exempt;
mod hooks;
mod limits;
mod means;
mod older;
mod pin;
mod plan;
mod preview;
mod replace;
mod scope;
mod subtree;
mod tampering;
mod trackers;

pub use attachment::Attachment;
