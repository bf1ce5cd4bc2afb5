//! What this process shares with the rest of the system, and may ask without a probe: users and groups, clocks,
//! namespaces, its own limits and directories, the kernel's release, why something is refused, and whether it may be.

pub mod accounts;
pub mod clock;
pub mod errno;
pub mod host_switch;
pub mod limits;
pub mod login;
pub mod namespaces;
pub mod places;
pub mod release;
pub mod whole_file;
