//! Limits: how many of its events a probe sends.

use rhai::{Engine, plugin::*};

use super::Fallible;
use crate::{
    probe::limits::{MOST, MOST_APART, MOST_OF_A_PROCESS},
    script::{
        Fault,
        handle::{LimitOf, ProbeHandle},
    },
    values::Rate,
};

fn rate(text: &str, most: u32, whose: &str) -> Result<Rate, Fault> {
    let rate = Rate::parse(text)?;
    if rate.events > most {
        let said =
            format!("`limit` takes no {} events{whose}; allowed: 1 to {most} within a time", rate.events);
        return Err(Fault::script(said).about(text));
    }
    Ok(rate)
}

fn whose(name: &str) -> Result<LimitOf, Fault> {
    match name {
        "process" => Ok(LimitOf::Process),
        "probe" => Ok(LimitOf::Probe),
        other => {
            let text = format!("`limit` is not per `{other}`; allowed: \"process\", \"probe\"");
            Err(Fault::script(text).about(other))
        }
    }
}

#[export_module]
mod functions {
    /// Limits how many events the probe sends, before it is attached: `.limit("100/s")`, `.limit("5/m")`, `.limit("1/10s")`. Within any
    /// second, by the events' own times, there are at most 100, with any number of processors; the first ones are sent, and what is
    /// more is not gathered to its end, takes no room, and is counted: `limited`, a part of `suppressed`. Verdicts, counters
    /// and aggregations are those of every operation. A hunt or a check is inconclusive if events were held back.
    #[rhai_fn(return_raw)]
    pub fn limit(probe: ProbeHandle, rate: &str) -> Fallible<ProbeHandle> {
        probe.set_limit(LimitOf::Probe, Some(super::rate(rate, MOST, "")?))?;
        Ok(probe)
    }

    /// Limits how many events of each process it sends, up to 64 within a time: `.limit("10/s", "process")`. Each has its own, and all its threads
    /// share it; a program that a process executes goes on with the process's. With `.limit("100/s")` besides, both hold.
    #[rhai_fn(name = "limit", return_raw)]
    pub fn limit_of(probe: ProbeHandle, rate: &str, per: &str) -> Fallible<ProbeHandle> {
        let of = whose(per)?;
        let rate = match of {
            LimitOf::Probe => super::rate(rate, MOST, "")?,
            LimitOf::Process => super::rate(rate, MOST_OF_A_PROCESS, " of a process")?,
        };
        probe.set_limit(of, Some(rate))?;
        Ok(probe)
    }

    /// Takes both limits away, before the probe is attached: `.limit(())`.
    #[rhai_fn(name = "limit", return_raw)]
    pub fn no_limit(probe: ProbeHandle, nothing: ()) -> Fallible<ProbeHandle> {
        let () = nothing;
        probe.set_limit(LimitOf::Probe, None)?;
        probe.set_limit(LimitOf::Process, None)?;
        Ok(probe)
    }

    /// Sends one event of each n, before the probe is attached: `.sample(100)`. On each processor it is each 100th, so of all there are
    /// never more than a hundredth, and one less for each processor at most; what is left out is counted: `sampled_out`, a part of `suppressed`.
    /// Verdicts, counters and aggregations are those of every operation. With `.limit(…)` besides, what is sampled is limited.
    #[rhai_fn(return_raw)]
    pub fn sample(probe: ProbeHandle, of: i64) -> Fallible<ProbeHandle> {
        let known = u32::try_from(of).ok().filter(|of| (1..=MOST_APART).contains(of));
        let sample = known.ok_or_else(|| {
            let text =
                format!("`sample` takes no {of}; allowed: 1 to {MOST_APART}, where 1 sends every event");
            Fault::script(text).about(of)
        })?;
        probe.set_sample(Some(sample).filter(|of| *of > 1))?;
        Ok(probe)
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}

#[cfg(test)]
mod tests {
    use crate::script::testing;

    fn says(code: &str) -> String {
        testing::says(&format!("let p = probe(\"exec\").scope(#{{uid: 1000}}); {code};"))
    }

    #[test]
    fn limits_are_told_with_their_probe_in_the_order_in_which_they_are_asked() {
        let said = says("p.limit(\"100/s\").limit(\"5/10s\", \"process\").sample(7); print(p)");
        assert!(
            said.contains(", 1 of 7 sampled, limit 5/10s per process, limit 100/s, not attached"),
            "{said}"
        );
        let said = says("p.limit(\"100/s\").limit(\"5/s\", \"process\").limit(()).sample(1); print(p)");
        assert!(!said.contains("limit") && !said.contains("sampled"), "{said}");
        let said = says("p.limit(\"5/s\", \"probe\"); print(p)");
        assert!(said.contains(", limit 5/s, not attached"), "{said}");
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (code, wanted) in [
            ("p.limit(\"many\")", "is not a rate: there is no `/`"),
            ("p.limit(\"0/s\")", "`0` is no whole number from 1"),
            ("p.limit(\"100001/s\")", "takes no 100001 events; allowed: 1 to 100000 within a time"),
            ("p.limit(\"65/s\", \"process\")", "takes no 65 events of a process; allowed: 1 to 64"),
            ("p.limit(\"1/s\", \"user\")", "is not per `user`; allowed: \"process\", \"probe\""),
            ("p.sample(0)", "`sample` takes no 0; allowed: 1 to"),
            ("p.attach(); p.limit(\"1/s\")", "is attached, and `.limit(…)` is decided before that"),
            ("p.attach(); p.sample(3)", "is attached, and `.sample(…)` is decided before that"),
            ("p.ask(|e| allow()); p.limit(\"1/s\")", "takes no `.limit(…)` and no `.sample(…)`"),
            ("p.sample(3).ask(|e| allow())", "takes no `.limit(…)` and no `.sample(…)`"),
        ] {
            let said = says(code);
            assert!(said.contains(wanted), "{code}: {said}");
        }
    }
}
