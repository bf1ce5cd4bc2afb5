//! Breakers: a probe that refuses more than it was meant to.

use rhai::{Engine, plugin::*};

use super::{Fallible, runtime};
use crate::{
    probe::trip::{MOST, Trip},
    script::{Fault, handle::ProbeHandle},
    values::duration,
};

fn refusals(number: i64) -> Fallible<u32> {
    let refusals = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
    refusals.ok_or_else(|| {
        let text = format!("`trip` takes no {number} refusals; allowed: 1 to {MOST}");
        Fault::script(text).about(number).into()
    })
}

#[export_module]
mod functions {
    /// Gives the probe a breaker, before it is attached: `.trip(50, "10s")`. It refuses at most 50 operations within any 10 s; the one
    /// that would be the 51st is allowed, and so is everything from then on, until `.rearm()` or a mode that is set anew. The kernel
    /// counts (denials, kills, and what an ask refuses), with any number of processors, and whether or not this shell still runs. It
    /// is told by an alert of severity high. What shadow would have refused does not count.
    #[rhai_fn(return_raw)]
    pub fn trip(probe: ProbeHandle, number: i64, within: &str) -> Fallible<ProbeHandle> {
        let within = duration::parse(within).map_err(Fault::from)?;
        probe.set_trip(Some(Trip { refusals: refusals(number)?, within }))?;
        Ok(probe)
    }

    /// Takes the breaker away, before the probe is attached: `.trip(())`.
    #[rhai_fn(name = "trip", return_raw)]
    pub fn no_trip(probe: ProbeHandle, nothing: ()) -> Fallible<ProbeHandle> {
        let () = nothing;
        probe.set_trip(None)?;
        Ok(probe)
    }

    /// Returns whether the probe's breaker has tripped, so that it refuses nothing: `p.tripped()`.
    #[rhai_fn(return_raw)]
    pub fn tripped(probe: ProbeHandle) -> Fallible<bool> {
        Ok(probe.tripped())
    }

    /// Lets a probe refuse again whose breaker has tripped: `p.rearm()`. It begins to count anew.
    #[rhai_fn(return_raw)]
    pub fn rearm(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.rearm(runtime(&context)?.options.policy)?;
        Ok(probe)
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
