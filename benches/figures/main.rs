//! The figures: what there are goals for, measured, and how.
//!
//! One binary with three roles. On the host it boots guests, lets itself be run in
//! them, and turns what they found into rows of goal, figure and method; `KRSI_BLESS=1`
//! writes them into `docs/performance.md` too. In a guest (and, for what can be had
//! without LSM programs, on the host itself) it takes the measurements, with the real
//! shell and Debian's own builds of what it is compared with. As a worker it is the
//! task whose system calls are counted.
//!
//! ```text
//! host      the groups in order ─▶ figures ─▶ table, document, exit code
//! boot      how long a guest takes
//! start     until the first event, beside bpftrace; memory; the binary's size
//! size      a probe's maps and programs in the kernel; the objects in the binary
//! cost      instructions for an open and an execution, beside bpftrace and auditd
//! filters   a decision of a filter, beside the same condition in C
//! patterns  how long a hostile pattern takes until it is refused
//! asks      how long an operation is held that a function decides about
//! walks     what a walk over a text costs, however much is sought in it
//! pipeline  events a second from the ring buffer to a callback, beside libbpf and bpftrace
//! visit     one boot, with this program in a role
//! ```
//!
//! What it must never do: give a figure for something that did not happen. A probe's
//! books, and auditd's own records, have to show every operation that was measured.

mod asks;
mod boot;
mod cost;
mod document;
mod figure;
mod filters;
mod host;
mod patterns;
mod peers;
mod pipeline;
mod size;
mod start;
mod stopwatch;
mod visit;
mod walks;

use std::process::ExitCode;

fn main() -> ExitCode {
    let word = |n: usize| std::env::args().nth(n).unwrap_or_default();
    match word(1).as_str() {
        start::ROLE => start::measure(&word(2)),
        size::ROLE => size::measure(),
        cost::ROLE => cost::measure(&word(2)),
        filters::ROLE => filters::measure(),
        walks::ROLE => walks::measure(),
        asks::ROLE => asks::measure(),
        asks::WORKER => asks::work(),
        cost::WORKER => cost::work(&word(2), &word(3)),
        _ => host::main(),
    }
}
