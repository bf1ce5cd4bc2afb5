//! Breakers: a probe that refuses more than it was meant to, or makes the machine unwell; and canaries, of one that refuses less.

use std::time::Duration;

use rhai::{Engine, FnPtr, plugin::*};

use super::{Fallible, runtime};
use crate::{
    probe::trip::{MOST, Trip},
    script::{
        Fault,
        handle::{ProbeHandle, Question},
        program::Callback,
    },
    values::duration,
};

fn refusals(number: i64) -> Fallible<u32> {
    let refusals = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
    refusals.ok_or_else(|| {
        let text = format!("`trip` takes no {number} refusals; allowed: 1 to {MOST}");
        Fault::script(text).about(number).into()
    })
}

/// The shortest interval: what is asked more often does nothing else.
const SHORTEST: Duration = Duration::from_millis(100);

fn ask(
    context: &NativeCallContext,
    probe: &ProbeHandle,
    question: Question,
    name: &str,
    every: &str,
    function: FnPtr,
) -> Fallible<()> {
    let runtime = runtime(context)?;
    let interval = duration::parse(every).map_err(Fault::from)?;
    if interval < SHORTEST {
        let text = format!("`{name}` asks no more often than every 100ms, not every {every}");
        return Err(Fault::script(text).about(every).into());
    }
    let callback = Callback::new(function, runtime.program()?, 0, name)?;
    probe.set_asked(question, Some(interval));
    runtime.watches.set(probe, question, Some((interval, callback)));
    Ok(())
}

fn forget(context: &NativeCallContext, probe: &ProbeHandle, question: Question) -> Fallible<()> {
    probe.set_asked(question, None);
    runtime(context)?.watches.set(probe, question, None);
    Ok(())
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

    /// Trips the probe when the machine is unwell: `p.trip_when("10s", || run(["systemctl", "is-active", "-q", "sshd"]).code != 0)`. The
    /// function is asked that often while the probe enforces, where callbacks are called. If it returns true, the probe lets everything
    /// pass until `.rearm()` or a mode that is set anew, and an alert of severity high says so. A function that fails, returns anything but
    /// true or false, or takes longer than its interval (5 s, if that is shorter) trips it as well: what the probe refuses may be
    /// the reason.
    #[rhai_fn(return_raw)]
    pub fn trip_when(
        context: NativeCallContext,
        probe: ProbeHandle,
        every: &str,
        function: FnPtr,
    ) -> Fallible<ProbeHandle> {
        ask(&context, &probe, Question::Health, "trip_when", every, function)?;
        Ok(probe)
    }

    /// Asks that no more: `p.trip_when(())`.
    #[rhai_fn(name = "trip_when", return_raw)]
    pub fn no_trip_when(
        context: NativeCallContext,
        probe: ProbeHandle,
        nothing: (),
    ) -> Fallible<ProbeHandle> {
        let () = nothing;
        forget(&context, &probe, Question::Health)?;
        Ok(probe)
    }

    /// Tries from time to time whether the probe still refuses what it should, by a harmless trigger: `let s = scratch(#{user: "nobody"});
    /// p.canary("10s", || s.attempt("open", "/etc/krsi-canary"))`. The function gives what `attempt` gives, or whether the trigger was refused. It is
    /// asked that often while the probe enforces, where callbacks are called; this session and what it descends from are refused
    /// nothing, so a scratch has to try it. If the trigger is permitted, or refused without the probe's counting it, an alert of
    /// severity critical says so; it is counted as `altered`, and hunts and checks are inconclusive. So they are if the function fails.
    #[rhai_fn(return_raw)]
    pub fn canary(
        context: NativeCallContext,
        probe: ProbeHandle,
        every: &str,
        function: FnPtr,
    ) -> Fallible<ProbeHandle> {
        ask(&context, &probe, Question::Canary, "canary", every, function)?;
        Ok(probe)
    }

    /// Tries that no more: `p.canary(())`.
    #[rhai_fn(name = "canary", return_raw)]
    pub fn no_canary(context: NativeCallContext, probe: ProbeHandle, nothing: ()) -> Fallible<ProbeHandle> {
        let () = nothing;
        forget(&context, &probe, Question::Canary)?;
        Ok(probe)
    }

    /// Returns whether the probe's breaker has tripped, so that it refuses nothing: `p.tripped()`.
    #[rhai_fn(return_raw)]
    pub fn tripped(probe: ProbeHandle) -> Fallible<bool> {
        Ok(probe.ask_tripped()?)
    }

    /// Lets a probe refuse again whose breaker, or health function, has tripped it: `p.rearm()`. It begins to count anew.
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
        let said =
            says(&format!("{PROBE} p.trip_when(\"10s\", || false).canary(\"1m\", || true); print(p);"));
        assert!(said.contains("health function, asked every 10s, canary every 1m"), "{said}");
        let said = says(&format!(
            "{PROBE} p.trip_when(\"10s\", || false).trip_when(()); p.canary(\"1m\", || true).canary(()); print(p);"
        ));
        assert!(!said.contains("health") && !said.contains("canary"), "{said}");
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
            ("p.trip_when(\"10ms\", || true)", "no more often than every 100ms, not every 10ms"),
            ("p.canary(\"soon\", || true)", "is not a duration"),
            ("p.canary(\"10s\", |e| true)", "takes 1 arguments; allowed: none"),
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
