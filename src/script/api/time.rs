//! Time: timers, waiting, the clock.

use std::time::{Duration, Instant};

use crossbeam_channel::never;
use rhai::{Engine, FnPtr, plugin::*};

use super::{Fallible, runtime};
use crate::{
    probe::duration,
    script::{
        Fault,
        program::Callback,
        runtime::{Runtime, Until},
    },
};

/// A timer that a script holds.
#[derive(Debug, Clone, Copy)]
pub struct TimerHandle(u64);

fn start(context: &NativeCallContext, time: &str, function: FnPtr, repeats: bool) -> Fallible<TimerHandle> {
    let runtime = runtime(context)?;
    let delay = duration::parse(time).map_err(Fault::from)?;
    let name = if repeats { "every" } else { "after" };
    let callback = Callback::new(function, runtime.program()?, 0, name)?;
    Ok(TimerHandle(runtime.timers.borrow_mut().add(Instant::now(), delay, repeats, callback)))
}

fn wait(context: &NativeCallContext, runtime: &Runtime, time: Duration) -> Fallible<()> {
    runtime.serve::<()>(context.engine(), &never(), Until::Deadline(Instant::now() + time))?;
    Ok(())
}

#[export_module]
mod functions {
    /// Calls a function again and again: `every("1s", || print("tick"))`.
    #[rhai_fn(return_raw)]
    pub fn every(context: NativeCallContext, time: &str, function: FnPtr) -> Fallible<TimerHandle> {
        start(&context, time, function, true)
    }

    /// Calls a function once, this long from now: `after("5m", || exit(0))`.
    #[rhai_fn(return_raw)]
    pub fn after(context: NativeCallContext, time: &str, function: FnPtr) -> Fallible<TimerHandle> {
        start(&context, time, function, false)
    }

    /// Stops a timer. Whether it was still to come.
    #[rhai_fn(return_raw)]
    pub fn cancel(context: NativeCallContext, timer: TimerHandle) -> Fallible<bool> {
        Ok(runtime(&context)?.timers.borrow_mut().cancel(timer.0))
    }

    /// Delivers events and timers this long, then goes on: `run_for("10s")`.
    #[rhai_fn(return_raw)]
    pub fn run_for(context: NativeCallContext, time: &str) -> Fallible<()> {
        wait(&context, &*runtime(&context)?, duration::parse(time).map_err(Fault::from)?)
    }

    /// As `run_for`, in seconds.
    #[rhai_fn(return_raw)]
    pub fn sleep(context: NativeCallContext, seconds: i64) -> Fallible<()> {
        let seconds = u64::try_from(seconds).map_err(|_| Fault::script("`sleep` takes no negative time"))?;
        wait(&context, &*runtime(&context)?, Duration::from_secs(seconds))
    }

    /// As `run_for`, in seconds.
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_float(context: NativeCallContext, seconds: f64) -> Fallible<()> {
        let time = Duration::try_from_secs_f64(seconds)
            .map_err(|error| Fault::script(format!("`sleep` cannot take {seconds} seconds: {error}")))?;
        wait(&context, &*runtime(&context)?, time)
    }

    /// The time here, formatted as by strftime(3): `strftime("%H:%M:%S")`.
    #[rhai_fn(return_raw)]
    pub fn strftime(format: &str) -> Fallible<String> {
        jiff::fmt::strtime::format(format, &jiff::ZonedDateTime::now()).map_err(|error| {
            Fault::script(format!("`{format}` is no format of a time: {error}")).about(format).into()
        })
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<TimerHandle>("Timer")
        .register_global_module(rhai::exported_module!(functions).into());
}
