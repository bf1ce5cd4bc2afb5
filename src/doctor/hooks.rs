//! One experiment a hook: a probe on that hook alone, observing, and something that triggers it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Hook, HookStatus, triggers};
use crate::{
    backend::{Door, Request},
    event::queue::{Sender, queue},
    kernel::{Facts, Kernel, KernelError},
    probe::{ParamValue, Spec},
    template::{Catalogue, ParamKind, Template},
};

/// Events are not read here; what does not fit is lost, and counted.
const QUEUE: usize = 16;
/// How long a hook may take to be seen once it was triggered.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of each hook, and the templates that observe by other means where not all fire.
pub(super) fn try_all(
    catalogue: &Catalogue,
    facts: &Facts,
    trying: &dyn Fn(&str),
) -> (Vec<Hook>, Vec<String>) {
    let (events, _queue) = queue(QUEUE);
    let kernel = Kernel::open(catalogue.clone(), None);
    let mut hooks = Vec::new();
    for template in catalogue.iter() {
        for hook in &template.hooks {
            trying(hook);
            let Tried { door, status, reason } = match &kernel {
                Ok(kernel) => try_doors(kernel, &events, template, hook, facts),
                Err(error) => Tried::new(Door::Lsm, judge(error, facts, None)),
            };
            let (hook, template, door) = (hook.clone(), template.name.clone(), door.name());
            hooks.push(Hook { hook, template, status, door, reason });
        }
    }
    let all_fire = hooks.iter().all(|hook| is_good(hook.status));
    let audit_only = match &kernel {
        Ok(kernel) if !all_fire && facts.privileged() => observing(kernel, &events, catalogue, trying),
        _ => Vec::new(),
    };
    (hooks, audit_only)
}

/// The templates whose observers load and attach.
fn observing(kernel: &Kernel, events: &Sender, catalogue: &Catalogue, trying: &dyn Fn(&str)) -> Vec<String> {
    let observes = |template: &&Arc<Template>| {
        trying(&template.name);
        let spec = Spec::new(Arc::clone(template), format!("doctor-{}", template.name));
        !template.layout.observers.is_empty()
            && kernel.attach_by(Door::Observe, Request { id: 0, spec: &spec, events }).is_ok()
    };
    catalogue.iter().filter(observes).map(|template| template.name.clone()).collect()
}

/// What an experiment came to, and by which door it was made.
struct Tried {
    door: Door,
    status: HookStatus,
    reason: String,
}

impl Tried {
    fn new(door: Door, (status, reason): (HookStatus, String)) -> Self {
        Tried { door, status, reason }
    }
}

fn is_good(status: HookStatus) -> bool {
    matches!(status, HookStatus::Fires | HookStatus::Attached)
}

/// By the best door by which the hook fires; if by none, what the first of them came to.
fn try_doors(kernel: &Kernel, events: &Sender, template: &Template, hook: &str, facts: &Facts) -> Tried {
    let tried = |door| Tried::new(door, try_one(kernel, events, template, hook, facts, door));
    if facts.lacks_bpf_lsm() {
        // There an LSM program attaches, and never fires.
        return tried(Door::FmodRet);
    }
    let by_lsm = tried(Door::Lsm);
    if is_good(by_lsm.status) || !matches!(by_lsm.status, HookStatus::LsmRefused | HookStatus::NeverFired) {
        return by_lsm;
    }
    let by_function = tried(Door::FmodRet);
    if is_good(by_function.status) { by_function } else { by_lsm }
}

fn try_one(
    kernel: &Kernel,
    events: &Sender,
    template: &Template,
    hook: &str,
    facts: &Facts,
    door: Door,
) -> (HookStatus, String) {
    let spec = experiment(template, hook);
    let attachment = match kernel.attach_by(door, Request { id: 0, spec: &spec, events }) {
        Ok(attachment) => attachment,
        Err(error) => return judge(&error, facts, Some(kernel)),
    };
    let Some(trigger) = triggers::of(hook) else {
        return (HookStatus::Attached, "attached; how to trigger this hook is not known here".into());
    };
    let begun = Instant::now();
    // That it fails says nothing: it may be the very thing that something else refuses.
    let mut outcome = trigger();
    loop {
        match attachment.counters() {
            Ok(counters) if counters.seen > 0 => return (HookStatus::Fires, String::new()),
            Ok(_) if begun.elapsed() > PATIENCE => break,
            // Once more: what ran may have ended before it came to what the hook is about.
            Ok(_) => outcome = trigger(),
            Err(error) => return (HookStatus::Failed, error.to_string()),
        }
    }
    (HookStatus::NeverFired, never_fired(facts, outcome, door))
}

/// A probe that decides in this hook and no other. Where a param moves the decision there, the other
/// hooks have a part in it, but count nothing.
fn experiment(template: &Template, hook: &str) -> Spec {
    let name = format!("doctor-{hook}");
    let moves = template.params.iter().find(|p| p.kind == ParamKind::Flag && p.late.as_deref() == Some(hook));
    let Some(param) = moves else { return Spec::new(Arc::new(only(template, hook)), name) };
    let mut spec = Spec::new(Arc::new(template.clone()), name);
    spec.params.insert(param.name.clone(), ParamValue::Flag(true));
    spec
}

/// The template with one hook of its own.
fn only(template: &Template, hook: &str) -> Template {
    let mut one = template.clone();
    one.hooks.retain(|h| h == hook);
    one.layout.programs.retain(|(h, _)| h == hook);
    one
}

fn never_fired(facts: &Facts, trigger: std::io::Result<()>, door: Door) -> String {
    let cause = match &facts.lsms {
        Some(list) if door == Door::Lsm && facts.lacks_bpf_lsm() => format!(
            "`bpf` is not in the kernel's list of LSMs ({0}); fix: boot with `lsm={0},bpf` on the kernel command line",
            list.join(",")
        ),
        _ => "the cause is not known; please report it with `uname -r` and the kernel's command line".into(),
    };
    let tried =
        trigger.err().map_or_else(String::new, |error| format!(" (what should trigger it said: {error})"));
    format!("it attached and never fired{tried}: {cause}")
}

/// Tells the reasons apart. What other programs come to decides whether LSM alone is refused.
fn judge(error: &KernelError, facts: &Facts, kernel: Option<&Kernel>) -> (HookStatus, String) {
    let status = match error {
        _ if !facts.privileged() => {
            return (HookStatus::MissingCapability, KernelError::Privilege.to_string());
        }
        KernelError::UnknownHook { .. } => HookStatus::UnknownHook,
        KernelError::NoBtf | KernelError::Btf { .. } => HookStatus::NoBtf,
        KernelError::Lockdown { .. } => HookStatus::Lockdown,
        KernelError::Refused { .. } => {
            return match kernel.map(Kernel::loads_iterator) {
                Some(Ok(())) => {
                    (HookStatus::LsmRefused, format!("{error}\n(other kinds of programs load here)"))
                }
                Some(Err(other)) => (
                    HookStatus::Failed,
                    format!("{error}\n(other kinds of programs are refused as well: {other})"),
                ),
                None => (HookStatus::LsmRefused, error.to_string()),
            };
        }
        _ => HookStatus::Failed,
    };
    (status, error.to_string())
}
