//! The calls that operations consist of: by a process that has entered its scratch, and in its own directory there.
//!
//! In: checked arguments. Out: the kernel's answer. Each says why it does no harm where it is permitted.

pub mod admin;
pub mod files;
pub mod kernel;
pub mod network;
pub mod processes;

use super::arguments::Failure;

/// What a call gives.
pub type Answer = Result<(), Failure>;

/// A file of this process's own, in the scratch's directory.
const OWN_FILE: &std::ffi::CStr = c"attempt";
