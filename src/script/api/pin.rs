//! Pins: probes that go on when the session has ended.

use rhai::{Dynamic, Engine, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    backend::{PinLease, check_pin_name},
    script::{
        Fault,
        handle::ProbeHandle,
        policy::{Effect, Ruling},
    },
    values::{duration, nearest},
};

fn pin(context: &NativeCallContext, probe: &ProbeHandle, name: &str, settings: &Map) -> Fallible<()> {
    check_name(name)?;
    let lease = lease_of(settings)?;
    let runtime = runtime(context)?;
    probe.check_pin(name, lease)?;
    match runtime.options.policy.rule(Effect::Pin)? {
        // What is only explained, or over, is told by whoever explains it.
        Ruling::Rehearse if !runtime.backend.is_live() || runtime.backend.recorded().is_some() => Ok(()),
        Ruling::Rehearse => {
            runtime.note(&format!("probe `{}` would be pinned as `{name}`", probe.name()));
            Ok(())
        }
        Ruling::Do => {
            let script = runtime.program()?.source.name.clone();
            let remarks = probe.pin(runtime.options.policy, name, lease, &script)?;
            runtime.notes(&remarks);
            runtime.leases_changed();
            Ok(())
        }
    }
}

/// It becomes the name of a directory, and a word of command lines.
fn check_name(name: &str) -> Result<(), Fault> {
    check_pin_name(name).map_err(|allowed| {
        Fault::script(format!("a pin cannot be named {name:?}; allowed: {allowed}")).about(name)
    })
}

fn lease_of(settings: &Map) -> Result<Option<PinLease>, Fault> {
    let mut lease = None;
    for (name, value) in settings {
        if name != "lease" {
            let near = nearest(name, ["lease"]);
            let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let text = format!("`pin` has no setting `{name}`{near}; allowed: lease");
            return Err(Fault::script(text).about(name));
        }
        lease = Some(match value.clone().into_string().as_deref() {
            Ok("forever") => PinLease::Forever,
            Ok(text) => {
                let lasts = duration::parse(text).map_err(Fault::from)?;
                PinLease::For(u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX))
            }
            Err(_) => {
                let text = format!(
                    "`lease` of `pin` takes no `{value}`; allowed: \"forever\", or a time such as \"10m\""
                );
                return Err(Fault::script(text).about(name));
            }
        });
    }
    Ok(lease)
}

#[export_module]
mod functions {
    /// Keeps an attached probe attached when this session has ended, under a name: `p.pin("no-userns")`. `krsi-sh pins` lists it with who, when,
    /// which rule and its counters, and removes it. One that enforces needs a lease of its own, or says by `.pin(name, #{lease: …})` who keeps it
    /// going. What a shell would have to do is refused: `.ask(…)`, params and scopes that name files (`path`, `exe`). Its filter stays as it is.
    /// Nothing of it is left after a boot.
    #[rhai_fn(return_raw)]
    pub fn pin(context: NativeCallContext, probe: ProbeHandle, name: &str) -> Fallible<ProbeHandle> {
        super::pin(&context, &probe, name, &Map::new())?;
        Ok(probe)
    }

    /// Keeps an attached probe attached, and says who keeps its enforcement going: `p.pin("no-userns", #{lease: "10m"})` lapses after ten minutes
    /// unless `krsi-sh pins hold no-userns` renews that, from a unit of systemd; `#{lease: "forever"}` needs nobody, and ends when it is removed.
    #[rhai_fn(name = "pin", return_raw)]
    pub fn pin_with(
        context: NativeCallContext,
        probe: ProbeHandle,
        name: &str,
        settings: Map,
    ) -> Fallible<ProbeHandle> {
        super::pin(&context, &probe, name, &settings)?;
        Ok(probe)
    }

    /// Removes the probe's pin: `p.unpin()`. It stays attached, and ends with this session. Nothing happens to one that is not pinned;
    /// `.detach()` removes the pin, too.
    #[rhai_fn(return_raw)]
    pub fn unpin(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        let remarks = probe.unpin()?;
        let runtime = runtime(&context)?;
        runtime.notes(&remarks);
        runtime.leases_changed();
        Ok(probe)
    }

    /// Under which name it is pinned; `()` if it is not.
    #[rhai_fn(get = "pinned_as")]
    pub fn pinned_as(probe: &mut ProbeHandle) -> Dynamic {
        probe.pinned().map_or(Dynamic::UNIT, Into::into)
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
