//! krsi-sh: a scripting shell for ad-hoc security probes on Linux.
//!
//! The way of the data, one street with no way back:
//!
//! ```text
//! argv ─ cli ─▶ command ─▶ script text ─▶ script (Rhai engine, bindings, diagnostics)
//!                                           │ probe(…).attach()
//!                                           ▼
//!              template catalogue ─▶ probe spec ─▶ kernel: load ─▶ verify ─▶ attach
//!                                           ▼
//!    in the kernel: scope → cheap filter → gather → filter → mode and lease → emit
//!                                           ▼
//!              event: ring buffer ─▶ length-checked decode ─▶ bounded queue (losses counted)
//!                                           ▼
//!              script callback ─▶ reaction ─▶ report (text, NDJSON)
//! ```
//!
//! Threads: the *engine* (the main thread: sole owner of the Rhai engine, which
//! serialises typed lines and callbacks), the *editor* (blocking readline), and
//! *tokio* (ring buffers). Nothing on the ring-buffer side waits for a terminal.

pub mod accounts;
pub mod cli;
pub mod commands;
pub mod doctor;
pub mod event;
pub mod exit;
pub mod filter;
pub mod globals;
pub mod kernel;
pub mod lab;
mod memory;
pub mod probe;
pub mod raw;
pub mod reaction;
pub mod report;
pub mod script;
pub mod shell;
pub mod source;
pub mod symbols;
pub mod template;
pub mod values;
