//! What this process shares with the rest of the system, and may ask without a probe: users and groups, clocks,
//! namespaces, its own limits.

pub mod accounts;
pub mod clock;
pub mod limits;
pub mod namespaces;
