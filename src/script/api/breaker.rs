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
    /// is told by an alert of severity high. What shadow would have refused does not count. Whoever is in scope can bring it about: a
    /// rule that has to hold against somebody has no breaker.
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
        Ok(probe.ask_tripped()?)
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

#[cfg(test)]
mod tests {
    use crate::script::testing::says;

    const PROBE: &str = "let p = probe(\"exec\").scope(#{uid: 1000}).deny();";

    #[test]
    fn a_breaker_is_told_with_its_probe() {
        let said = says(&format!("{PROBE} p.trip(50, \"10s\"); print(p); print(p.tripped());"));
        assert!(said.contains("trips at more than 50 refusals within 10s"), "{said}");
        assert!(said.contains("false"), "{said}");
        let said = says(&format!("{PROBE} p.trip(1, \"1m\").trip(()); print(p);"));
        assert!(!said.contains("trips"), "{said}");
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (code, wanted) in [
            ("p.trip(0, \"10s\")", "`trip` takes no 0 refusals; allowed: 1 to 100000"),
            ("p.trip(5, \"soon\")", "is not a duration"),
            (
                "p.trip(5, \"10s\").attach(); p.trip(6, \"10s\")",
                "is attached, and `.trip(…)` is decided before that",
            ),
            ("p.rearm()", "has no breaker to reset; `.trip(50, \"10s\")` gives it one"),
            ("p.trip(5, \"10s\"); p.rearm()", "is not attached"),
        ] {
            let said = says(&format!("{PROBE} {code};"));
            assert!(said.contains(wanted), "{code}: {said}");
        }
        let said = says(&format!("{PROBE} p.trip(5, \"10s\").attach().rearm(); print(\"well\");"));
        assert!(said.contains("well"), "{said}");
    }
}
