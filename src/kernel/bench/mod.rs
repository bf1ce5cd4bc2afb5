//! Programs and records made for tests and benchmarks: a filter run by the kernel on given events, a ring filled as fast as can be.

pub mod producer;
pub mod test_run;
