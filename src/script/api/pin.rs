//! Pins: probes that go on when the session has ended.

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    backend::{PinLease, check_pin_name},
    probe::Mode,
    script::{
        Fault,
        handle::ProbeHandle,
        json,
        pin::PinHandle,
        policy::{Effect, Ruling},
    },
    values::{Errno, duration, nearest},
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

/// All pins there are; a script that is only explained, or replayed, cannot go on without them.
fn all(context: &NativeCallContext) -> Fallible<Vec<PinHandle>> {
    let runtime = runtime(context)?;
    runtime.ask(Effect::Pinned)?;
    let pins = runtime.backend.pins().map_err(Fault::from)?;
    Ok(pins.into_iter().map(PinHandle::new).collect())
}

/// Does something to a pin, as far as the policy lets.
fn change(
    context: &NativeCallContext,
    pin: &PinHandle,
    would: &str,
    act: impl FnOnce(&PinHandle) -> Result<(), Fault>,
) -> Fallible<()> {
    let runtime = runtime(context)?;
    let name = pin.name();
    if let Some(probe) = runtime.probes.used().iter().find(|probe| probe.pinned().as_ref() == Some(&name)) {
        let advice =
            Some("ask the probe for it: `.observe()`, `.deny(…)`, `.lease(…)`, `.unpin()`".to_owned());
        let text = format!("pin `{name}` is of this session, which has it as probe `{}`", probe.name());
        return Err(Fault { advice, ..Fault::script(text).about(&name) }.into());
    }
    match runtime.options.policy.rule(Effect::Pin)? {
        Ruling::Do => Ok(act(pin)?),
        Ruling::Rehearse => {
            runtime.note(&format!("pin `{name}` {would}"));
            Ok(())
        }
    }
}

/// Whether this host lets a pin enforce that was pinned doing so.
fn permit(context: &NativeCallContext, pin: &PinHandle) -> Fallible<()> {
    let enforcing = Mode::Deny(Errno::EPERM);
    if pin.was_pinned_enforcing() {
        runtime(context)?.options.policy.permit(enforcing)?;
    }
    Ok(())
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

    /// Keeps an attached probe attached, and says who keeps its enforcement going: `p.pin("no-userns", #{lease: "10m"})`. That lapses after ten minutes
    /// unless `krsi-sh pins hold no-userns` renews it, from a unit of systemd; `#{lease: "forever"}` needs nobody, and ends when it is removed.
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

    /// Returns the pin of this name, whichever session has made it: `pinned("no-userns").stats()`. It is no probe: what it counts, its mode and its
    /// lease are there; its events, params, filter and aggregations are its session's as long as that lasts, and nobody's then.
    #[rhai_fn(return_raw)]
    pub fn pinned(context: NativeCallContext, name: &str) -> Fallible<PinHandle> {
        let all = super::all(&context)?;
        let names: Vec<String> = all.iter().map(PinHandle::name).collect();
        all.into_iter().find(|pin| pin.name() == name).ok_or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Fault::script(format!("there is no pin `{name}`{near}; pinned: {known}")).about(name).into()
        })
    }

    /// Returns all pins, whichever session has made them: `for pin in pins() { print(pin); }`.
    #[rhai_fn(return_raw)]
    pub fn pins(context: NativeCallContext) -> Fallible<Array> {
        Ok(super::all(&context)?.into_iter().map(Dynamic::from).collect())
    }

    /// Returns what is known of a pin as a map: now, left_seconds, whole, counters, and what was written down when it was pinned (template, rule, script,
    /// pinned, uid, loginuid, mode, lease, version).
    #[rhai_fn(name = "stats")]
    pub fn stats_of_pin(pin: PinHandle) -> Map {
        json::from_json(pin.told()).try_cast().unwrap_or_default()
    }

    /// Has a pin observe from the next decision on: `pinned("no-userns").observe()`. Under `--audit` it is told and not done.
    #[rhai_fn(name = "observe", return_raw)]
    pub fn observe_pin(context: NativeCallContext, pin: PinHandle) -> Fallible<PinHandle> {
        super::change(&context, &pin, "would observe", PinHandle::observe)?;
        Ok(pin)
    }

    /// Gives a pin the mode again that it was pinned in, and its lease from the beginning: `pinned("no-userns").resume()`. Refused while a session
    /// has it as a probe: change its mode there. Under `--audit` it is told and not done.
    #[rhai_fn(return_raw)]
    pub fn resume(context: NativeCallContext, pin: PinHandle) -> Fallible<PinHandle> {
        super::permit(&context, &pin)?;
        super::change(&context, &pin, "would have its mode again", PinHandle::resume)?;
        Ok(pin)
    }

    /// Begins the lease of a pin anew: `every("3m", || pinned("no-userns").renew())` holds it. Under `--audit` it is told and not done.
    #[rhai_fn(return_raw)]
    pub fn renew(context: NativeCallContext, pin: PinHandle) -> Fallible<PinHandle> {
        super::permit(&context, &pin)?;
        super::change(&context, &pin, "would have its lease again", PinHandle::renew)?;
        Ok(pin)
    }

    /// Removes a pin: it refuses nothing from here on, and is detached unless a session holds it as well: `pinned("no-userns").remove()`. Under
    /// `--audit` it is told and not done.
    #[rhai_fn(name = "remove", return_raw)]
    pub fn remove_pin(context: NativeCallContext, pin: PinHandle) -> Fallible<()> {
        super::change(&context, &pin, "would be removed", |pin| pin.remove().map(drop))
    }

    /// Returns the pin in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn pin_to_text(pin: PinHandle) -> String {
        pin.describe()
    }

    #[rhai_fn(get = "name")]
    pub fn name_of_pin(pin: &mut PinHandle) -> String {
        pin.name()
    }

    /// What it does now: `observe`, `shadow`, `enforces`, `lapsed` or `tripped`; an empty text if that is not known.
    #[rhai_fn(get = "now")]
    pub fn now_of_pin(pin: &mut PinHandle) -> String {
        pin.text("now")
    }

    /// The mode that it was pinned in.
    #[rhai_fn(get = "mode")]
    pub fn mode_of_pin(pin: &mut PinHandle) -> String {
        pin.text("mode")
    }

    /// The probe that is pinned, in one line.
    #[rhai_fn(get = "rule")]
    pub fn rule_of_pin(pin: &mut PinHandle) -> String {
        pin.text("rule")
    }

    /// Under which name it is pinned; `()` if it is not.
    #[rhai_fn(get = "pinned_as")]
    pub fn pinned_as(probe: &mut ProbeHandle) -> Dynamic {
        probe.pinned().map_or(Dynamic::UNIT, Into::into)
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<PinHandle>("Pin")
        .register_global_module(rhai::exported_module!(functions).into());
}
