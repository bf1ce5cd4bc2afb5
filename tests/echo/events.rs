//! Records of a ring buffer, each of which the session reports: the whole way of an event, but for the hook.

use std::{fs, path::Path, time::Duration};

use krsi_sh::kernel::bench::test_run::TestRunError;
use libtest_mimic::Failed;

use crate::{
    flood::{self, Sample},
    keys::{self, Round},
    terminal::*,
};

/// Events a second.
const AT_LEAST: f64 = 300_000.0;

pub fn claim() -> Result<(), Failed> {
    match flood::producer() {
        Ok(_) => keys::within(AT_LEAST, "events", round),
        // Before Linux 6.9, for one.
        Err(TestRunError::Host(reason)) if std::env::var_os("KRSI_REQUIRE_HOST").is_none() => {
            println!("skipped: this host runs no program that makes events: {reason}");
            Ok(())
        }
        Err(error) => {
            Err(format!("this host runs no program that makes events, so nothing was measured: {error}")
                .into())
        }
    }
}

fn round() -> Result<Round, Failed> {
    let home = home();
    let samples = home.path().join("samples");
    let program = std::env::current_exe()?;
    let arguments = [flood::ROLE, samples.to_str().ok_or("a path that is no text")?];
    let mut terminal =
        Setup { program: &program, arguments: &arguments, rows: 120, ..Setup::new(&home) }.start();
    terminal.row_with("events not shown");
    const FIRST: &str = "// ";
    terminal.keys(FIRST);
    terminal.last_row(&format!("krsi> {}", FIRST.trim_end()));
    let begun = flood::now();
    let echo = keys::typed(&mut terminal, &format!("krsi> {FIRST}"));
    let ended = flood::now();
    terminal.keys(CTRL_C);
    Ok(Round { echo, rate: rate(&samples, begun, ended)? })
}

/// Between the first sample and the last of a time.
fn rate(samples: &Path, begun: Duration, ended: Duration) -> Result<f64, Failed> {
    let text = fs::read_to_string(samples)?;
    let taken: Vec<Sample> = text.lines().filter_map(Sample::read).collect();
    let within: Vec<&Sample> = taken.iter().filter(|s| (begun..=ended).contains(&s.at)).collect();
    let (Some(first), Some(last)) = (within.first(), within.last()) else {
        return Err("no sample was taken while keys were typed".into());
    };
    // Everything that came out of the ring buffer; what the ring buffer had no room for never arrived.
    let arrived = last.arrived - first.arrived;
    println!("{arrived} events arrived, {} found no room in the queue", last.lost - first.lost);
    Ok(arrived as f64 / (last.at - first.at).as_secs_f64())
}
