//! How slow this guest is, and with it how long the suite waits.
//!
//! A limit is written for an emulated guest with a processor of its own, and is stretched by [`FACTOR`], which is measured
//! once. Nothing waits longer for that: each wait is for a condition, and a limit is when it is given up. A time that is
//! really waited for (a lease that has to last until something is done) is stretched in the same way.

use std::{
    hint::black_box,
    sync::LazyLock,
    time::{Duration, Instant},
};

use super::{Outcome, holds};

/// What [`work`] takes in the guest for which limits are written.
const REFERENCE: Duration = Duration::from_millis(100);

/// How many times longer than there anything takes here; at least 1.
static FACTOR: LazyLock<f64> = LazyLock::new(|| {
    let begun = Instant::now();
    work();
    begun.elapsed().div_duration_f64(REFERENCE).max(1.0)
});

/// Measures it now, which is at the start.
pub fn measure() {
    LazyLock::force(&FACTOR);
}

/// Always the same computation.
fn work() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..30_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

/// This limit, for a guest as slow as this one.
pub fn stretched(limit: Duration) -> Duration {
    limit.mul_f64(*FACTOR)
}

/// Waits until something is so; gives up after this limit, stretched.
pub fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> Result<bool, String>) -> Outcome {
    let (begun, limit) = (Instant::now(), stretched(limit));
    while !is_so()? {
        holds(begun.elapsed() < limit, format!("not within {limit:?}: {what}"))?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
