//! Thresholds: so many events of one key within a time.

use rhai::{Engine, FnPtr, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    script::{
        Fault,
        correlation::{Rule, ThresholdHandle},
        handle::ProbeHandle,
        program::Callback,
    },
    values::duration,
};

#[export_module]
mod functions {
    /// Makes a threshold: a number of events (1 to 100000) with one key within a time.
    /// `threshold(100, "10s").of(open).by(|e| e.process_key()).on_match(|events| alert("high", "opens many files", events[0]))`.
    /// It begins with `.on_match(…)`; its probes are attached as any other, and do not print events that it takes. A key
    /// that has reached the threshold rests for the same time, in which its events do not count; after that it is counted
    /// anew. Times are those of the events in the kernel. What is counted and never looked at one by one is better
    /// counted there: `count_by`.
    #[rhai_fn(return_raw)]
    pub fn threshold(context: NativeCallContext, n: i64, within: &str) -> Fallible<ThresholdHandle> {
        let runtime = runtime(&context)?;
        let within = duration::parse(within).map_err(Fault::from)?;
        Ok(ThresholdHandle::new(runtime.correlations.next_number(), n, within)?)
    }

    /// Counts the events of this probe: `.of(open)`. Those of several probes count together.
    #[rhai_fn(return_raw)]
    pub fn of(threshold: ThresholdHandle, probe: ProbeHandle) -> Fallible<ThresholdHandle> {
        threshold.add_probe(probe, None)?;
        Ok(threshold)
    }

    /// Counts the events of this probe for which a condition holds: `.of(open, |e| e.path.ends_with(".docx"))`. A condition
    /// that fails is reported, and the event does not count.
    #[rhai_fn(name = "of", return_raw)]
    pub fn of_those(
        context: NativeCallContext,
        threshold: ThresholdHandle,
        probe: ProbeHandle,
        condition: FnPtr,
    ) -> Fallible<ThresholdHandle> {
        let condition = Callback::new(condition, runtime(&context)?.program()?, 1, "of")?;
        threshold.add_probe(probe, Some(condition))?;
        Ok(threshold)
    }

    /// Sets what events that count together have in common: `.by(|e| e.uid)`. Without it all count together. An event of
    /// which the function returns `()` is left out.
    #[rhai_fn(return_raw)]
    pub fn by(
        context: NativeCallContext,
        threshold: ThresholdHandle,
        key: FnPtr,
    ) -> Fallible<ThresholdHandle> {
        threshold.set_key(Callback::new(key, runtime(&context)?.program()?, 1, "by")?)?;
        Ok(threshold)
    }

    /// Sets how many keys there may be at once, 1 to 1000000: `.limit(100000)`. The default is 10000. Beyond that, or
    /// beyond 32 MiB, those whose last event is longest ago are dropped and counted.
    #[rhai_fn(return_raw)]
    pub fn limit(threshold: ThresholdHandle, most: i64) -> Fallible<ThresholdHandle> {
        threshold.set_limit(most)?;
        Ok(threshold)
    }

    /// Starts the threshold, and calls a function each time a key reaches it, with the events that counted, oldest first
    /// (of more than 32 the newest 32): `.on_match(|events| print(events[0].comm))`. Set again, it replaces the function;
    /// after `.stop()` it starts again.
    #[rhai_fn(return_raw)]
    pub fn on_match(
        context: NativeCallContext,
        threshold: ThresholdHandle,
        function: FnPtr,
    ) -> Fallible<ThresholdHandle> {
        let runtime = runtime(&context)?;
        let callback = Callback::new(function, runtime.program()?, 1, "on_match")?;
        threshold.start(callback)?;
        if let Err(fault) = runtime.correlations.run(Rule::Threshold(threshold.clone())) {
            threshold.stop()?;
            return Err(fault.into());
        }
        Ok(threshold)
    }

    /// Stops the threshold and forgets what it has counted so far. Its counts stay; its probes stay attached.
    #[rhai_fn(return_raw)]
    pub fn stop(context: NativeCallContext, threshold: ThresholdHandle) -> Fallible<()> {
        Ok(runtime(&context)?.correlations.stop(threshold.number())?)
    }

    /// Returns what became of it as a map of counts. Of events: events, resting (their key was at rest), late (they came
    /// after later ones), lost (by the probes). Of keys: matched, keys (now), dropped (there were too many). Of its
    /// functions: errors.
    pub fn stats(threshold: ThresholdHandle) -> Map {
        threshold.stats()
    }

    /// Returns the threshold in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(threshold: ThresholdHandle) -> String {
        threshold.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ThresholdHandle>("Threshold")
        .register_global_module(rhai::exported_module!(functions).into());
}
