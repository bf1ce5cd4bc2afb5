//! Words that mean the same wherever they stand: errnos, signals, networks, ports, durations, severities; each is parsed once, at the
//! edge, into a type that cannot be wrong.
//!
//! The ground floor: nothing here uses another part of the shell.

mod codes;
pub mod duration;
pub mod network;
mod path;
mod port;
mod rate;
mod severity;
pub mod size;
mod suggest;

pub use self::{
    codes::{CodeError, Errno, Signal},
    duration::DurationError,
    network::{Network, NetworkError, Networks},
    path::not_in_a_path,
    port::{PortError, Ports},
    rate::{Rate, RateError},
    severity::{Severity, SeverityError},
    suggest::nearest,
};
