//! krsi-sh: a scripting shell for ad-hoc security probes on Linux.
//!
//! `docs/architecture.md` has the picture: which module does what and may use which, the way of the data, what must
//! always hold, and where a new part goes. `tests/architecture.rs` holds the modules to it.
//!
//! Threads: the *engine* (the main thread: sole owner of the Rhai engine, which
//! serialises typed lines and callbacks), the *editor* (blocking readline), and
//! *tokio* (ring buffers). Nothing on the ring-buffer side waits for a terminal.

pub mod attempt;
pub mod backend;
pub mod check;
pub mod cli;
pub mod commands;
pub mod correlation;
pub mod doctor;
pub mod event;
pub mod exit;
pub mod facts;
pub mod filter;
#[doc(hidden)]
pub mod fuzzing;
pub mod globals;
pub mod kernel;
pub mod lab;
pub mod learning;
mod memory;
pub mod probe;
pub mod raw;
pub mod reaction;
pub mod recording;
pub mod redteam;
pub mod report;
pub mod runner;
pub mod script;
pub mod shell;
pub mod source;
pub mod symbols;
pub mod system;
pub mod template;
pub mod values;
pub mod why;
