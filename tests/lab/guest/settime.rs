//! Claims about the template `settime`. The clock is only ever set to what it says.

use nix::{
    errno::Errno,
    libc,
    time::{ClockId, clock_gettime},
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

/// What the clock will say in a second.
fn soon() -> Result<libc::timespec, String> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map_err(|e| e.to_string())?;
    Ok(libc::timespec { tv_sec: now.tv_sec() + 1, tv_nsec: now.tv_nsec() })
}

/// Sets the clock to this time when it is this time: then other times are what they would have been.
fn set(identity: &Identity, time: libc::timespec) -> Result<Task, String> {
    task::perform(identity, move || {
        let is_before =
            |now: nix::sys::time::TimeSpec| (now.tv_sec(), now.tv_nsec()) < (time.tv_sec, time.tv_nsec);
        while clock_gettime(ClockId::CLOCK_REALTIME).is_ok_and(is_before) {}
        // SAFETY: the kernel reads the time.
        exit_code(Errno::result(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) }).map(drop))
    })
}

/// Of the kernel's zone alone.
fn set_zone(identity: &Identity, minutes_west: i32) -> Result<Task, String> {
    task::perform(identity, move || {
        let zone = [minutes_west, 0];
        // SAFETY: the kernel reads the zone.
        let set = unsafe { libc::syscall(libc::SYS_settimeofday, 0, zone.as_ptr()) };
        exit_code(Errno::result(set).map(drop))
    })
}

pub const CASE: Case = Case {
    template: "settime",
    params: "",
    // The first zone that is set after the boot moves the clock along: of none.
    prepare: || set_zone(&ME, 0).map(drop),
    acts: &[
        Act::new("the time", "settime", || {
            let time = soon()?;
            let tells = json!({
                "time_ns": time.tv_sec * 1_000_000_000 + time.tv_nsec, "sets": ["time"], "minutes_west": 0,
            });
            Ok(Performed { task: set(&ACTOR, time)?, tells })
        }),
        Act::new("the zone", "settime", || {
            let tells = json!({"time_ns": 0, "sets": ["zone"], "minutes_west": -60});
            Ok(Performed { task: set_zone(&ACTOR, -60)?, tells })
        }),
    ],
};

/// The kernel has no hook where NTP's programs set the clock.
pub fn what_is_not_seen() -> Outcome {
    let shell = Shell::ready(&format!(
        "probe(\"settime\", #{{sets: \"time\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("set", set(&ME, soon()?)?.deed, REFUSED)?;
    same("the zone", set_zone(&ME, 0)?.deed, Deed::Done)?;
    let adjusted = task::perform(&ME, || {
        // SAFETY: numbers, of which zero says that nothing is changed but what follows: the clock, by nothing.
        let mut change: libc::timex = unsafe { std::mem::zeroed() };
        change.modes = libc::ADJ_SETOFFSET;
        // SAFETY: the kernel reads and writes what is there.
        exit_code(Errno::result(unsafe { libc::adjtimex(&mut change) }).map(drop))
    })?;
    same("stepped by adjtimex", adjusted.deed, Deed::Done)?;
    let ended = shell.stop()?;
    same("seen", &ended.books("t")?["seen"], &json!(2))?;
    ended.well()
}
