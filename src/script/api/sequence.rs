//! Sequences: one event after the other, of one process or whatever they are keyed by.

use rhai::{Engine, FnPtr, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    script::{
        Fault,
        correlation::{Rule, SequenceHandle},
        handle::ProbeHandle,
        program::Callback,
    },
    values::duration,
};

#[export_module]
mod functions {
    /// Makes a sequence: two to five events, one after the other, that belong together and happen within a time.
    /// `sequence("15s").by(|e| e.process_key()).step(exec, |e| e.path.starts_with("/tmp/")).step(connect).on_match(|events| alert("high", "it connects", events[1]))`.
    /// It begins with `.on_match(…)`; its probes are attached as any other, and do not print events that it takes.
    /// Order and time are those of the events in the kernel, not those of their arrival; what happens at the same
    /// nanosecond is no sequence. Each event that fits the first step begins a partial sequence, and the next one that fits
    /// takes it on. Of one key each step keeps the newest partial sequence (with conditions that look at the events
    /// before: the newest 16), so each last event makes one match at most.
    #[rhai_fn(return_raw)]
    pub fn sequence(context: NativeCallContext, within: &str) -> Fallible<SequenceHandle> {
        let runtime = runtime(&context)?;
        let within = duration::parse(within).map_err(Fault::from)?;
        Ok(SequenceHandle::new(runtime.correlations.next_number(), within))
    }

    /// Sets what the events of the steps after it have in common: `.by(|e| e.process_key())` for one process,
    /// `.by(|e| e.cgroup)`, `.by(|e| [e.uid, e.comm])`. An event of which the function returns `()` is left out. Said
    /// again between two steps, it holds for those that follow: `.by(|e| e.pid).step(connect).by(|e| e.ppid).step(exec)` is a
    /// child's exec after its parent's connect (an event tells its parent's process id, and not when the parent has started).
    #[rhai_fn(return_raw)]
    pub fn by(context: NativeCallContext, sequence: SequenceHandle, key: FnPtr) -> Fallible<SequenceHandle> {
        sequence.set_key(Callback::new(key, runtime(&context)?.program()?, 1, "by")?)?;
        Ok(sequence)
    }

    /// Adds a step: any event of this probe, `.step(connect)`.
    #[rhai_fn(return_raw)]
    pub fn step(sequence: SequenceHandle, probe: ProbeHandle) -> Fallible<SequenceHandle> {
        sequence.add_step(probe, None)?;
        Ok(sequence)
    }

    /// Adds a step: an event of this probe for which a condition holds, `.step(connect, |e| e.port == 443)`. With a second
    /// parameter it sees the events of the steps before: `.step(open, |e, before| e.path == before[0].path)`. What can
    /// be said in the probe's `.when(…)` is better said there: the kernel then sends no other events. A condition that
    /// fails is reported, and the event does not fit.
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_if(
        context: NativeCallContext,
        sequence: SequenceHandle,
        probe: ProbeHandle,
        condition: FnPtr,
    ) -> Fallible<SequenceHandle> {
        let condition = Callback::new(condition, runtime(&context)?.program()?, 2, "step")?;
        sequence.add_step(probe, Some(condition))?;
        Ok(sequence)
    }

    /// Sets how many partial sequences there may be, 1 to 1000000: `.limit(100000)`. The default is 10000. Beyond that, or
    /// beyond 32 MiB, the oldest are dropped and counted.
    #[rhai_fn(return_raw)]
    pub fn limit(sequence: SequenceHandle, most: i64) -> Fallible<SequenceHandle> {
        sequence.set_limit(most)?;
        Ok(sequence)
    }

    /// Starts the sequence, and calls a function with the events of each match, one for each step:
    /// `.on_match(|events| alert("high", "fetched and run", events[1]))`. Set again, it replaces the function; after
    /// `.stop()` it starts again.
    #[rhai_fn(return_raw)]
    pub fn on_match(
        context: NativeCallContext,
        sequence: SequenceHandle,
        function: FnPtr,
    ) -> Fallible<SequenceHandle> {
        let runtime = runtime(&context)?;
        let callback = Callback::new(function, runtime.program()?, 1, "on_match")?;
        sequence.start(callback)?;
        if let Err(fault) = runtime.correlations.run(Rule::Sequence(sequence.clone())) {
            sequence.stop()?;
            return Err(fault.into());
        }
        Ok(sequence)
    }

    /// Stops the sequence and lets go of what has begun. Its counts stay; its probes stay attached.
    #[rhai_fn(return_raw)]
    pub fn stop(context: NativeCallContext, sequence: SequenceHandle) -> Fallible<()> {
        Ok(runtime(&context)?.correlations.stop(sequence.number())?)
    }

    /// Returns what became of it as a map of counts. Of events: events, late (they came after later ones), lost (by the
    /// probes). Of sequences: matched, partial (now), expired, replaced (by a newer one of the same key), dropped (there
    /// were too many). Of its functions: errors.
    pub fn stats(sequence: SequenceHandle) -> Map {
        sequence.stats()
    }

    /// Returns the sequence in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(sequence: SequenceHandle) -> String {
        sequence.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<SequenceHandle>("Sequence")
        .register_global_module(rhai::exported_module!(functions).into());
}
