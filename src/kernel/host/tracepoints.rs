//! Which tracepoints' programs the kernel may pass over, and what is done about it.
//!
//! After 6.18 a task may be put aside while it is inside a tracepoint's program; the kernel then passes the program over for
//! whoever comes by on that processor meanwhile, and counts that in `recursion_misses` (seen on 7.3, not on 6.18).

/// Whether a kernel of this `KERNEL_VERSION` does.
fn passes_over(version: u32) -> bool {
    const LAST_THAT_DOES_NOT: u32 = 6 << 16 | 18 << 8 | 255;
    version > LAST_THAT_DOES_NOT
}

/// The tracepoint by which each fork is seen, and which of these two programs is for it: `fork`, for `sched_process_fork`; or
/// `woken`, for `sched_wakeup_new`, which is called with a lock of the scheduler's, so that nobody is put aside there.
pub fn forks<'p>(version: u32, fork: &'p str, woken: &'p str) -> (&'static str, &'p str) {
    if passes_over(version) { ("sched_wakeup_new", woken) } else { ("sched_process_fork", fork) }
}

/// How many more of a program there should be on another tracepoint, so that hardly ever all of them are passed over.
pub fn copies(version: u32) -> usize {
    const MORE: usize = 2;
    if passes_over(version) { MORE } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_is_seen_otherwise() {
        let (older, newer) = (6 << 16 | 18 << 8 | 44, 7 << 16);
        assert_eq!(forks(older, "fork", "woken"), ("sched_process_fork", "fork"));
        assert_eq!(forks(newer, "fork", "woken"), ("sched_wakeup_new", "woken"));
        assert!(copies(older) == 0 && copies(newer) > 0);
    }
}
