//! Renews a pin's lease, again and again.

use std::{thread, time::Duration};

use crate::{
    commands::complain,
    exit,
    globals::Globals,
    kernel::{
        KernelError,
        pins::{self, Standing},
    },
    system::host_switch,
};

/// So many times within a lease it is renewed.
const TIMES: u32 = 3;
/// It is looked at least so often whether the pin is there.
const LONGEST: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(100);

/// Does so until the pin is gone, or this process is ended.
///
/// # Errors
/// If the pin cannot be looked at.
pub fn hold(name: &str, globals: &Globals) -> Result<i32, KernelError> {
    let mut told = false;
    let mut was = None;
    loop {
        let Some(pin) = pins::glance(name)? else {
            say(globals, &format!("pin `{name}` is removed"));
            return Ok(exit::FINE);
        };
        let lease = pin.manifest.as_ref().ok().and_then(|manifest| manifest.lease);
        let Some(lasts) = lease.and_then(|lease| lease.lasts()) else {
            // It says why, if what it says of itself is not known.
            pin.renew()?;
            complain(format_args!("pin `{name}` has no lease that runs out: there is nothing to hold"));
            return Ok(exit::USAGE);
        };
        if pin.was_pinned_enforcing() && host_switch::reason().is_some() {
            complain(format_args!(
                "this host only observes ({} is there): `{name}` is not held any more",
                host_switch::FILE
            ));
            return Ok(exit::ENVIRONMENT);
        }
        pin.renew()?;
        let pause = (lasts / TIMES).clamp(SHORTEST, LONGEST);
        if !told {
            told = true;
            let lasts = humantime::format_duration(lasts);
            say(globals, &format!("holding `{name}`: when this ends, it lapses after {lasts}"));
        }
        let standing = pin.standing();
        let enforces = matches!(standing, Some(Standing::Enforces(_)));
        if was.is_some_and(|was| was != enforces) {
            let what = if enforces {
                "enforces again"
            } else {
                "does not enforce now: somebody has it observe, or its breaker has tripped"
            };
            complain(format_args!("`{name}` {what}"));
        }
        was = Some(enforces);
        thread::sleep(pause);
    }
}

fn say(globals: &Globals, text: &str) {
    if !globals.quiet {
        complain(text);
    }
}
