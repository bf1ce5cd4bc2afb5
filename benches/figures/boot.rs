//! How long a guest takes, from the command to its exit: what a person waits for, so
//! that building the initramfs and powering off are in it.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use krsi_sh::lab::kernels;

use crate::{
    figure::{Figure, Outcome},
    stopwatch::median,
};

const RUNS: usize = 5;
const GOAL_S: f64 = 10.0;

/// One for each kernel in the cache.
pub fn figures() -> Vec<Figure> {
    kernels::cached(&kernels::cache()).iter().map(|kernel| figure(kernel)).collect()
}

fn figure(kernel: &str) -> Figure {
    let name = format!("boot {kernel}");
    let goal = format!("< {GOAL_S} s");
    let times: Result<Vec<f64>, String> = (0..RUNS).map(|_| boot(kernel)).collect();
    match times.map(|times| median(&times)) {
        Ok(Some(seconds)) => {
            let method = format!("median of {RUNS} runs of `krsi-sh lab --kernel {kernel} -e '()'`");
            Figure::new(&name, &goal, format!("{seconds:.2} s"), Outcome::of(seconds < GOAL_S), &method)
        }
        Ok(None) => Figure::failed(&name, &goal, "no run"),
        Err(reason) => Figure::failed(&name, &goal, &reason),
    }
}

fn boot(kernel: &str) -> Result<f64, String> {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_krsi-sh"))
        .args(["-q", "lab", "--kernel", kernel, "-e", "()"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start the shell: {e}"))?;
    let passed = started.elapsed().as_secs_f64();
    if output.status.success() {
        Ok(passed)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
