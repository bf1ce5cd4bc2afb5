//! The process's exit codes, as `--help` tells them.

/// Whoever reads these is content.
pub const FINE: i32 = 0;
/// The script failed.
pub const FAILED: i32 = 1;
/// The command line, or a file it names, is not one to start from.
pub const USAGE: i32 = 2;
/// This machine lacks something (privilege, BPF LSM, QEMU), or has lost output.
pub const ENVIRONMENT: i32 = 3;
/// 128 and SIGINT's number, as shells say it.
pub const INTERRUPTED: i32 = 130;
