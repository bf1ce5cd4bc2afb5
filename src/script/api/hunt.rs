//! Scripts of the library: their parameters, what they find, and how those that enforce do so.

use rhai::{Array, Engine, ImmutableString, Map, plugin::*};

use super::{Fallible, probe::set_mode, runtime};
use crate::{
    exit,
    probe::{Mode, Scope},
    report::{Purpose, Record},
    script::{
        Fault,
        diagnostics::Diagnostic,
        event::ScriptEvent,
        handle::{ProbeHandle, Rehearsal},
        params,
        runtime::Runtime,
        stop::Stop,
        value,
    },
    values::{Errno, Severity, duration},
};

/// What every script that enforces has besides its own parameters: a name, and how it is declared.
const OF_ALL: [(&str, &str); 3] = [
    (
        "shadow",
        "#{ kind: \"flag\", value: false, about: \"Refuse nothing, and tell what would be refused\" }",
    ),
    (
        "lease",
        "#{ kind: \"duration\", value: \"1h\", about: \"How long it refuses; after that it only tells\" }",
    ),
    (
        "cgroup",
        "#{ kind: \"paths\", value: [], about: \"Only processes of these cgroups; without one, all\" }",
    ),
];
/// The same of a script that is about a command, which ends with it or before: the command ends with this shell, however that ends.
const LEASE_OF_COMMANDS: (&str, &str) = (
    "lease",
    "#{ kind: \"duration\", value: \"7d\", about: \"How long it refuses, if the command runs so long; after that it only tells\" }",
);
/// What a mitigation has besides.
const OF_MITIGATIONS: (&str, &str) = (
    "rehearse",
    "#{ kind: \"duration\", value: \"10m\", about: \"How long it only tells what would be refused, before it is\" }",
);

/// Takes note of something found, and says so.
fn find(
    context: &NativeCallContext,
    severity: Option<&str>,
    text: &str,
    event: Option<&ScriptEvent>,
) -> Fallible<()> {
    let runtime = runtime(context)?;
    let Some(said) = runtime.said() else {
        let text = "`found` is for scripts that begin with `// hunt: TITLE`, `// guard: TITLE` or `// mitigation: TITLE`, and say by their header how severe a finding is";
        let advice =
            Some("any script may raise an alert: `alert(\"high\", \"what happened\", e)`".to_owned());
        return Err(Fault { advice, ..Fault::script(text).about("found") }.into());
    };
    let severity =
        severity.map_or(Ok(said.header.severity), |name| Severity::from_name(name).map_err(Fault::from))?;
    runtime.hunt.found();
    if let Some(denials) = runtime.denials.get() {
        denials.why(text);
    }
    runtime.report(|reporter| reporter.finding(severity, text, event.map(ScriptEvent::inner), said.rule()));
    Ok(())
}

/// Adds what scripts of this purpose have in common; what a script declares itself stays as it is.
fn with_common(context: &NativeCallContext, purpose: Purpose, mut declared: Map) -> Fallible<Map> {
    let further = (purpose == Purpose::Mitigation).then_some(OF_MITIGATIONS);
    let is_of_a_command = runtime(context)?.said().is_some_and(|said| said.header.needs_target);
    let first = is_of_a_command.then_some(LEASE_OF_COMMANDS);
    for (name, said) in first.into_iter().chain(OF_ALL).chain(further) {
        if !declared.contains_key(name) {
            declared.insert(name.into(), context.engine().eval_expression::<Map>(said)?.into());
        }
    }
    Ok(declared)
}

/// The value of a parameter that all have.
fn common<T: Clone + 'static>(p: &Map, name: &str) -> Fallible<T> {
    p.get(name).and_then(|value| value.clone().try_cast::<T>()).ok_or_else(|| {
        let text = format!(
            "`armed` takes what `params(…)` gives in a script that begins with `// guard: TITLE` or `// mitigation: TITLE`: this has no `{name}`"
        );
        Fault::script(text).about("armed").into()
    })
}

/// Says what the script is for, and what it takes.
fn tell_help(runtime: &Runtime, declared: &[params::Param]) -> Fallible<()> {
    let mut text = String::new();
    let said = runtime.said();
    if let Some(header) = said.as_ref().map(|said| &said.header) {
        text.push_str(&format!(
            "{}\n\n{}\n\nATT&CK: {}. Severity: {}. Probes: {}.{}\nFalse positives: {}\n\n",
            header.title,
            header.about,
            header.attack.join(", "),
            header.severity,
            header.needs.join(", "),
            header.kernel.as_ref().map_or_else(String::new, |kernel| format!(" Linux {kernel} or later.")),
            header.false_positives,
        ));
    }
    text.push_str("Parameters:\n");
    text.push_str(&params::listed(declared));
    text.push_str("\nBefore the script's name: --for DURATION ends it, --quiet, --format json, and the other options of krsi-sh.");
    runtime.hunt.tell_help();
    runtime.report(|reporter| reporter.emit(Record::Help(&text)));
    Err(Stop::Exit(exit::FINE).into())
}

#[export_module]
mod functions {
    /// Declares the script's parameters, and returns the value of each: `params(#{ within: #{ kind: "duration", value: "10s", about: "How soon after each other" } })`.
    /// They are given behind the script's name: `krsi-sh FILE --within 5s`. Kinds: text, number, flag, duration, path, network; and texts,
    /// numbers, durations, paths, networks for lists, which are given with commas, or again and again. `of` may list the values that there are.
    /// A word that is no parameter, or a value that does not fit, ends the script with exit code 2; `--help` lists them.
    #[rhai_fn(return_raw)]
    pub fn params(context: NativeCallContext, declared: Map) -> Fallible<Map> {
        let runtime = runtime(&context)?;
        let purpose = runtime.said().map_or(Purpose::Hunt, |said| said.header.purpose);
        let declared = if purpose.enforces() { with_common(&context, purpose, declared)? } else { declared };
        let declared = params::declared(&declared)?;
        if runtime.hunt.only_declares() {
            runtime.hunt.declare(declared);
            return Err(Stop::OnlyExplained("its parameters are known").into());
        }
        let words = runtime.args.borrow().clone();
        if params::ask_for_help(&words) {
            tell_help(&runtime, &declared)?;
        }
        params::given(&declared, &words).map_err(|text| {
            runtime.diagnose(&Diagnostic::sentence(&text));
            runtime.hunt.tell_help();
            Stop::Exit(exit::USAGE).into()
        })
    }

    /// Arms a probe as the parameters of its script say, which every guard has: `probe("module").armed(p, "EPERM")`, with p what `params(…)` has
    /// returned. It refuses with the errno for the time of `--lease`, processes of `--cgroup` or all, or of the probe's own `.scope(…)`; with
    /// `--shadow` it only tells what it would refuse. So does a mitigation for the time of `--rehearse`, and begins to refuse when that is over.
    #[rhai_fn(return_raw)]
    pub fn armed(
        context: NativeCallContext,
        probe: ProbeHandle,
        p: Map,
        errno: &str,
    ) -> Fallible<ProbeHandle> {
        let rehearsed = p.contains_key(OF_MITIGATIONS.0);
        let cgroups: Array = common(&p, "cgroup")?;
        let is_scoped = probe.is_scoped();
        if cgroups.is_empty() && !is_scoped {
            probe.set_everywhere()?;
        } else if !cgroups.is_empty() && is_scoped {
            let text =
                "the script says itself whom its probe is about, by `.scope(…)`, so `--cgroup` has no place";
            return Err(Fault::script(text).about("armed").into());
        } else if !cgroups.is_empty() {
            let scope = serde_json::json!({ "cgroup": value::to_json(&cgroups.into()) });
            let scope = scope.as_object().cloned().unwrap_or_default();
            probe.set_scope(Scope::parse(&scope).map_err(Fault::from)?)?;
        }
        let lease: ImmutableString = common(&p, "lease")?;
        let lease = duration::parse(&lease).map_err(Fault::from)?;
        probe.set_lease(Some(lease))?;
        let errno = Errno::from_name(errno).map_err(Fault::from)?;
        let only_tells: bool = common(&p, "shadow")?;
        let mode = if rehearsed || only_tells { Mode::Shadow } else { Mode::Deny(errno) };
        set_mode(&context, &probe, mode)?;
        if rehearsed && !only_tells {
            let lasts: ImmutableString = common(&p, OF_MITIGATIONS.0)?;
            probe.rehearse(Rehearsal { lasts: duration::parse(&lasts).map_err(Fault::from)?, errno, lease });
        }
        Ok(probe)
    }

    /// Says that a hunt has found something: `found("what was found")`. It is an alert with the severity and the ids of ATT&CK that the script's
    /// header has. A hunt that has found something ends with exit code 4; one that has found nothing while events were lost with 5.
    #[rhai_fn(return_raw)]
    pub fn found(context: NativeCallContext, text: &str) -> Fallible<()> {
        find(&context, None, text, None)
    }

    /// Says that a hunt has found something by an event, which goes with it: `found("what was found", e)`.
    #[rhai_fn(name = "found", return_raw)]
    pub fn found_by(context: NativeCallContext, text: &str, event: ScriptEvent) -> Fallible<()> {
        find(&context, None, text, Some(&event))
    }

    /// Says that a hunt has found something of another severity than its header says: `found("critical", "what was found", e)`.
    #[rhai_fn(name = "found", return_raw)]
    pub fn found_of(
        context: NativeCallContext,
        severity: &str,
        text: &str,
        event: ScriptEvent,
    ) -> Fallible<()> {
        find(&context, Some(severity), text, Some(&event))
    }

    /// Says what can be done about what was refused, in the callback of a probe that refuses: `advise("--readable PATH lets it be read")`. It
    /// stands as `fix` in the line that the command reads from KRSI_DENIALS; where there is none, nothing comes of it.
    #[rhai_fn(return_raw)]
    pub fn advise(context: NativeCallContext, text: &str) -> Fallible<()> {
        if let Some(denials) = runtime(&context)?.denials.get() {
            denials.fix(text);
        }
        Ok(())
    }

    /// Returns how many seconds a time has, as a float: `seconds("1h 30m")`.
    #[rhai_fn(return_raw)]
    pub fn seconds(time: &str) -> Fallible<f64> {
        Ok(duration::parse(time).map_err(Fault::from)?.as_secs_f64())
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
