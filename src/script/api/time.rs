//! Time: timers, waiting, the clock.

use std::time::Duration;

use crossbeam_channel::never;
use rhai::{Engine, FnPtr, plugin::*};

use super::{Fallible, runtime};
use crate::{
    script::{
        Fault,
        program::Callback,
        runtime::{Runtime, Until},
        timers::TimerHandle,
    },
    values::duration,
};

fn start(context: &NativeCallContext, time: &str, function: FnPtr, repeats: bool) -> Fallible<TimerHandle> {
    let runtime = runtime(context)?;
    let delay = duration::parse(time).map_err(Fault::from)?;
    let name = if repeats { "every" } else { "after" };
    let callback = Callback::new(function, runtime.program()?, 0, name)?;
    let now = runtime.now();
    let added = runtime.timers.borrow_mut().add(now, delay, repeats, callback);
    Ok(TimerHandle(added.map_err(Fault::script)?))
}

/// A time that `sleep` was given, if it is one.
fn seconds(given: impl std::fmt::Display, time: Option<Duration>) -> Fallible<Duration> {
    time.filter(|time| *time <= duration::LONGEST).ok_or_else(|| {
        let text = format!(
            "`sleep` cannot wait {given} seconds; allowed: 0 to {} (a year)",
            duration::LONGEST.as_secs()
        );
        Fault::script(text).about(given).into()
    })
}

fn wait(context: &NativeCallContext, runtime: &Runtime, time: Duration) -> Fallible<()> {
    runtime.serve::<()>(context.engine(), &never(), Until::Deadline(runtime.now() + time))?;
    Ok(())
}

#[export_module]
mod functions {
    /// Calls a function again and again, until the timer is cancelled: `let t = every("1s", || print("tick"))`.
    #[rhai_fn(return_raw)]
    pub fn every(context: NativeCallContext, time: &str, function: FnPtr) -> Fallible<TimerHandle> {
        start(&context, time, function, true)
    }

    /// Calls a function once, when the time is over: `after("5m", || exit(0))`.
    #[rhai_fn(return_raw)]
    pub fn after(context: NativeCallContext, time: &str, function: FnPtr) -> Fallible<TimerHandle> {
        start(&context, time, function, false)
    }

    /// Stops a timer: `t.cancel()`. Returns false if it was over already.
    #[rhai_fn(return_raw)]
    pub fn cancel(context: NativeCallContext, timer: TimerHandle) -> Fallible<bool> {
        Ok(runtime(&context)?.timers.borrow_mut().cancel(timer.0))
    }

    /// Waits and delivers events and calls timers meanwhile: `run_for("10s")`.
    #[rhai_fn(return_raw)]
    pub fn run_for(context: NativeCallContext, time: &str) -> Fallible<()> {
        wait(&context, &*runtime(&context)?, duration::parse(time).map_err(Fault::from)?)
    }

    /// Waits for a number of seconds, and delivers events and calls timers meanwhile: `sleep(2)`.
    #[rhai_fn(return_raw)]
    pub fn sleep(context: NativeCallContext, seconds: i64) -> Fallible<()> {
        let time = super::seconds(seconds, u64::try_from(seconds).ok().map(Duration::from_secs))?;
        wait(&context, &*runtime(&context)?, time)
    }

    /// Waits for a number of seconds, and delivers events and calls timers meanwhile: `sleep(0.5)`.
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_float(context: NativeCallContext, seconds: f64) -> Fallible<()> {
        let time = super::seconds(seconds, Duration::try_from_secs_f64(seconds).ok())?;
        wait(&context, &*runtime(&context)?, time)
    }

    /// Waits for a time, and delivers events and calls timers meanwhile: `sleep("200ms")`.
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_text(context: NativeCallContext, time: &str) -> Fallible<()> {
        wait(&context, &*runtime(&context)?, duration::parse(time).map_err(Fault::from)?)
    }

    /// Returns the local time, formatted as by strftime(3): `strftime("%H:%M:%S")`.
    #[rhai_fn(return_raw)]
    pub fn strftime(context: NativeCallContext, format: &str) -> Fallible<String> {
        let now = runtime(&context)?.clock.wall().to_zoned_datetime(jiff::tz::TimeZone::system());
        jiff::fmt::strtime::format(format, &now).map_err(|error| {
            Fault::script(format!("`{format}` is not a format of a time: {error}")).about(format).into()
        })
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(timer: TimerHandle) -> String {
        timer.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<TimerHandle>("Timer")
        .register_global_module(rhai::exported_module!(functions).into());
}
