//! What is done about a process as a whole: stop it with all that it has started, keep what it is.

use std::{cell::RefCell, path::PathBuf, rc::Rc};

use rhai::{Array, Engine, Map, plugin::*};

use super::{
    Fallible, a,
    process::{of_the_kernel, pid},
    runtime,
};
use crate::{
    reaction::{self, Deed, Evidence, Frozen, Wanted},
    report::Record,
    script::{
        Fault,
        event::ScriptEvent,
        frozen::FrozenHandle,
        policy::{Effect, Ruling},
        runtime::Runtime,
    },
    system::places::Places,
    values::{Signal, nearest},
};

/// What may stand in the map of `keep_evidence`.
const KEYS: [&str; 2] = ["directory", "most"];
/// Bytes that are copied of an executable if nobody says how many, and the most that can be said.
const MOST: i64 = 256 << 20;
const MOST_OF_ALL: i64 = 16 << 30;
/// Letters of a process's name that become part of a directory's.
const LONGEST_NAME: usize = 32;

/// What was kept of a process, as a script has it; clones share it.
#[derive(Clone)]
pub struct EvidenceHandle(Rc<Kept>);

struct Kept {
    directory: PathBuf,
    /// `None`: it was only rehearsed.
    evidence: RefCell<Option<Evidence>>,
}

fn freeze_one(context: &NativeCallContext, pid: i32, start_ns: Option<u64>) -> Fallible<Dynamic> {
    let runtime = runtime(context)?;
    let ruling = runtime.ask(Effect::Signal)?;
    runtime.options.policy.permit_signal()?;
    let stop = Signal::from_name("SIGSTOP").map_err(Fault::from)?;
    let would = |pid| runtime.report(|reporter| reporter.emit(Record::WouldSignal { pid, signal: stop }));
    if runtime.backend.recorded().is_some() {
        // Whoever has this number now is another one.
        would(pid);
        return Ok(Dynamic::from(runtime.frozen.add(Frozen::of_the_past(), pid)));
    }
    let deed = match ruling {
        Ruling::Do => Deed::Send,
        Ruling::Rehearse => Deed::Try,
    };
    let Some(tree) = reaction::freeze(pid, start_ns, deed).map_err(Fault::environment)? else {
        return Ok(Dynamic::UNIT);
    };
    if deed == Deed::Try {
        runtime.checks.rehearsed("--audit: a process was not stopped");
        tree.pids().for_each(would);
    }
    Ok(Dynamic::from(runtime.frozen.add(tree, pid)))
}

fn of_event(event: &ScriptEvent) -> (i64, u64) {
    (event.inner().number("pid").cast_signed(), event.inner().number("start_ns"))
}

/// Where it is kept, and how much of the executable.
fn wishes(said: &Map) -> Fallible<(PathBuf, u64)> {
    if let Some(stranger) = said.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near =
            nearest(stranger, KEYS).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let text = format!("`keep_evidence` has no `{stranger}`{near}; allowed: {}", KEYS.join(", "));
        return Err(Fault::script(text).about(stranger).into());
    }
    let directory = match said.get("directory") {
        None => Places::of_this_user().evidence,
        Some(value) => {
            let refused =
                |_| Fault::script(format!("`directory` is a path, not {}", a(value))).about("directory");
            PathBuf::from(crate::raw::os(&value.as_immutable_string_ref().map_err(refused)?))
        }
    };
    let most = said.get("most").map_or(Ok(MOST), |value| {
        value.as_int().ok().filter(|most| (0..=MOST_OF_ALL).contains(most)).ok_or_else(|| {
            let text = format!(
                "`most` is how many bytes are copied of the executable: 0 to {MOST_OF_ALL}, not {}",
                a(value)
            );
            Fault::script(text).about("most")
        })
    })?;
    Ok((directory, most.unsigned_abs()))
}

fn keep(
    context: &NativeCallContext,
    number: i64,
    start_ns: Option<u64>,
    name: &str,
    said: &Map,
) -> Fallible<Dynamic> {
    let runtime = runtime(context)?;
    let (base, most) = wishes(said)?;
    let ruling = runtime.ask(Effect::Evidence)?;
    let pid = i32::try_from(number).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| {
        Fault::script(format!("{number} is not a process id; allowed: 1 and up")).about(number)
    })?;
    // A name of ours: what a process is called is its own choice.
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let called: String = name.chars().take(LONGEST_NAME).map(safe).collect();
    let time = runtime.clock.wall().strftime("%Y%m%dT%H%M%S%3f").to_string();
    let wanted = Wanted { pid, start_ns, name: format!("{time}-{pid}-{called}"), base, most };
    let directory = wanted.base.join(&wanted.name);
    let handle = |evidence| {
        Dynamic::from(EvidenceHandle(Rc::new(Kept {
            directory: directory.clone(),
            evidence: RefCell::new(evidence),
        })))
    };
    if ruling == Ruling::Rehearse {
        runtime.checks.rehearsed("--audit: no evidence was kept");
        would_keep(&runtime, pid, &directory.display().to_string());
        return Ok(handle(None));
    }
    of_the_kernel("keep what a process is")?;
    let wait = || runtime.heartbeat();
    let evidence = reaction::keep(&wanted, &wait).map_err(Fault::environment)?;
    Ok(evidence.map_or(Dynamic::UNIT, |evidence| handle(Some(evidence))))
}

/// Says what a rehearsal keeps from being done.
fn would_keep(runtime: &Runtime, pid: i32, directory: &str) {
    let told = serde_json::json!({ "reaction": "keep_evidence", "would": "keep", "pid": pid, "directory": directory });
    if let serde_json::Value::Object(fields) = told {
        runtime.report(|reporter| reporter.emit(Record::Emit(&fields)));
    }
}

#[export_module]
mod functions {
    /// Returns whether the process of an event is there still, by its start time as well: `alive(e)`. In a replay it is.
    #[rhai_fn(return_raw)]
    pub fn alive(context: NativeCallContext, event: ScriptEvent) -> Fallible<bool> {
        if runtime(&context)?.backend.recorded().is_some() {
            return Ok(true);
        }
        let (number, start) = of_event(&event);
        of_the_kernel("look at the process of an event")?;
        Ok(i32::try_from(number).is_ok_and(|pid| reaction::has_process(pid, start)))
    }

    /// Stops the process of an event and all that it has started, until `.thaw()`: `let f = freeze(e);`. `()` if it is gone. This shell, what
    /// it was started by, PID 1 and the kernel's own threads are never stopped: that is an error. At the session's end all go on, unless
    /// `.stay()` was said. What its children have started goes with it only while they live.
    #[rhai_fn(name = "freeze", return_raw)]
    pub fn freeze_event(context: NativeCallContext, event: ScriptEvent) -> Fallible<Dynamic> {
        let (number, start) = of_event(&event);
        freeze_one(&context, pid(number)?, Some(start))
    }

    /// Stops a process and all that it has started, by its id: `freeze(1234)`.
    #[rhai_fn(return_raw)]
    pub fn freeze(context: NativeCallContext, number: i64) -> Fallible<Dynamic> {
        freeze_one(&context, pid(number)?, None)
    }

    /// Continues what `freeze` has stopped; returns how many processes there were still: `f.thaw()`. What another process had stopped before stays so.
    pub fn thaw(frozen: &mut FrozenHandle) -> i64 {
        i64::try_from(frozen.tree.borrow_mut().thaw()).unwrap_or(i64::MAX)
    }

    /// Leaves what `freeze` has stopped as it is when the session ends: `f.stay()`.
    pub fn stay(frozen: &mut FrozenHandle) {
        frozen.tree.borrow_mut().stay();
    }

    /// The ids of the processes that are stopped.
    #[rhai_fn(get = "pids")]
    pub fn pids(frozen: &mut FrozenHandle) -> Array {
        frozen.tree.borrow().pids().map(|pid| i64::from(pid).into()).collect()
    }

    /// Whether nothing was stopped, under `--audit`.
    #[rhai_fn(get = "rehearsed")]
    pub fn rehearsed(frozen: &mut FrozenHandle) -> bool {
        frozen.tree.borrow().is_rehearsed()
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn frozen_text(frozen: &mut FrozenHandle) -> String {
        frozen.describe()
    }

    /// Keeps what the process of an event is, in a new directory that only this user can read: its executable, maps, descriptors, status, cgroup,
    /// limits, and its environment without values: `let kept = keep_evidence(e);`. `()` if it is gone. The directory is made in
    /// /var/lib/krsi-sh/evidence; evidence.json in it says what there is, with checksums.
    #[rhai_fn(name = "keep_evidence", return_raw)]
    pub fn keep_evidence_event(context: NativeCallContext, event: ScriptEvent) -> Fallible<Dynamic> {
        keep_evidence_event_with(context, event, Map::new())
    }

    /// Keeps what the process of an event is, in a directory below this one (mode 0700, made if it is not there), and at most this many bytes of the executable
    /// (256 MiB without): `keep_evidence(e, #{directory: "/srv/case-7", most: 1_000_000})`.
    #[rhai_fn(name = "keep_evidence", return_raw)]
    pub fn keep_evidence_event_with(
        context: NativeCallContext,
        event: ScriptEvent,
        wishes: Map,
    ) -> Fallible<Dynamic> {
        let (number, start) = of_event(&event);
        let comm = event.field("comm").ok().and_then(|comm| comm.into_string().ok()).unwrap_or_default();
        keep(&context, number, Some(start), &comm, &wishes)
    }

    /// Keeps what a process is, by its id: `keep_evidence(1234)`.
    #[rhai_fn(return_raw)]
    pub fn keep_evidence(context: NativeCallContext, number: i64) -> Fallible<Dynamic> {
        keep(&context, number, None, "process", &Map::new())
    }

    /// Keeps what a process is, by its id, in a directory below this one: `keep_evidence(1234, #{directory: "/srv/case-7"})`.
    #[rhai_fn(name = "keep_evidence", return_raw)]
    pub fn keep_evidence_with(context: NativeCallContext, number: i64, wishes: Map) -> Fallible<Dynamic> {
        keep(&context, number, None, "process", &wishes)
    }

    /// Removes the directory that `keep_evidence` has made: `kept.discard()`. True if it is gone by that.
    #[rhai_fn(return_raw)]
    pub fn discard(kept: &mut EvidenceHandle) -> Fallible<bool> {
        match kept.0.evidence.borrow_mut().take() {
            Some(evidence) => evidence.discard().map(|()| true).map_err(|why| Fault::environment(why).into()),
            None => Ok(false),
        }
    }

    /// The directory.
    #[rhai_fn(get = "directory")]
    pub fn directory(kept: &mut EvidenceHandle) -> String {
        crate::raw::from_os(&kept.0.directory)
    }

    /// Its files, as a map by name: size, sha256, cut.
    #[rhai_fn(get = "files")]
    pub fn files(kept: &mut EvidenceHandle) -> Map {
        let evidence = kept.0.evidence.borrow();
        let one = |file: &reaction::Kept| {
            Map::from([
                ("size".into(), i64::try_from(file.size).unwrap_or(i64::MAX).into()),
                ("sha256".into(), file.sha256.clone().into()),
                ("cut".into(), file.is_cut.into()),
            ])
        };
        evidence
            .iter()
            .flat_map(|kept| &kept.files)
            .map(|(name, file)| (name.as_str().into(), one(file).into()))
            .collect()
    }

    /// What could not be kept, a sentence each.
    #[rhai_fn(get = "troubles")]
    pub fn troubles(kept: &mut EvidenceHandle) -> Array {
        kept.0
            .evidence
            .borrow()
            .iter()
            .flat_map(|kept| &kept.troubles)
            .map(|text| text.clone().into())
            .collect()
    }

    /// Whether nothing was kept, under `--audit`.
    #[rhai_fn(get = "rehearsed")]
    pub fn evidence_rehearsed(kept: &mut EvidenceHandle) -> bool {
        kept.0.evidence.borrow().is_none()
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn evidence_text(kept: &mut EvidenceHandle) -> String {
        let directory = kept.0.directory.display();
        match &*kept.0.evidence.borrow() {
            Some(evidence) => format!("evidence in {directory}: {} files", evidence.files.len()),
            None => format!("evidence in {directory}: nothing was kept, or it was discarded"),
        }
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<FrozenHandle>("Frozen")
        .register_type_with_name::<EvidenceHandle>("Evidence");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
