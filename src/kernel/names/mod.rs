//! What names stand for in the kernel: the file behind a path, and who this shell is.
//!
//! Only the kernel knows either: `stat(2)` and /proc show what a file system or a namespace makes of it. So an iterator
//! program is asked.

pub mod files;
pub mod identity;
pub mod iterators;
pub mod lineage;
pub mod links;
pub mod processes;
