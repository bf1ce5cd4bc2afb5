//! The lab: what krsi-sh does in a real kernel, on every kernel of the matrix.
//!
//! One binary with two roles. On the host it boots one guest for each kernel,
//! puts itself and the shell into it, and turns what the guest reports into one
//! trial for each kernel, template and step, and into `target/lab/matrix.json`. In the guest
//! (`--guest`) it is root in a throwaway machine: it starts the real
//! shell with real scripts, does with its own hands what a probe should see or
//! refuse, and compares.
//!
//! A guest that panics, hangs or gives no verdict fails each of its steps, and under `make test` a
//! missing kernel does too.

mod boots;
#[path = "../filter_cases/mod.rs"]
mod filter_cases;
#[path = "../filter_needles/mod.rs"]
mod filter_needles;
mod gaps;
mod guest;
mod host;
#[path = "../hunts/cases.rs"]
mod hunt_cases;
#[path = "../../benches/figures/peers.rs"]
#[expect(dead_code, reason = "the figures run them from the cache, too")]
mod peers;
mod services;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--guest") => guest::main(),
        Some(guest::exec_unlink::LEADERLESS) => guest::exec_unlink::leave(),
        Some(guest::exec_unlink::CRUMBLING) => guest::exec_unlink::crumble(),
        Some(guest::why::REFUSED) => guest::why::act(&std::env::args().nth(2).unwrap_or_default()),
        Some(guest::deeds::DEED) => guest::deeds::main(&std::env::args().nth(2).unwrap_or_default()),
        Some(guest::racer::RACE) => guest::racer::main(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some(guest::opener::OPEN) => guest::opener::main(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => host::main(),
    }
}
