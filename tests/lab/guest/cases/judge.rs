//! Whether a claim holds, from what a session has left.

use std::collections::BTreeSet;

use nix::errno::Errno;
use serde_json::{Map, Value, json};

use super::{
    Case, Claim, Performed, Ruling, by_function,
    session::{Done, Session, own_executable},
};

use crate::guest::{
    Outcome, holds, same,
    shell::balance,
    task::{Deed, compare_header},
};

pub fn judge(session: &Session, case: &Case, claim: Claim) -> Outcome {
    let about = |ruling: Ruling| match claim {
        Claim::Observe => ruling == Ruling::Allow,
        Claim::Shadow => ruling == Ruling::WouldDeny,
        Claim::Deny => matches!(ruling, Ruling::Deny(_)),
        Claim::Kill => matches!(ruling, Ruling::Kill(_)),
        Claim::Detach => ruling == Ruling::Detached,
        Claim::Books | Claim::Example => false,
    };
    if claim == Claim::Example {
        return example(session, case);
    }
    if case.acts().next().is_none() {
        return has_no_hook(session, case);
    }
    if claim == Claim::Books {
        return books(session, case);
    }
    let mut judged = 0;
    for (index, done) in of(session, case).enumerate().filter(|(_, done)| about(done.asked)) {
        act(session, index, done).map_err(|e| format!("{}, {:?}: {e}", done.act.name, done.asked))?;
        if done.asked != done.ruling {
            is_refused(session, done)?;
        }
        judged += 1;
    }
    holds(judged > 0, "nothing was done that this claim is about")
}

/// What the template gives as its example was attached.
fn example(session: &Session, case: &Case) -> Outcome {
    let lines = &session.ended.lines;
    let tried = lines.iter().find(|line| line["type"] == "emit" && line["example"] == case.template);
    let tried = tried.ok_or_else(|| format!("it was not tried: {}", session.ended.stderr))?;
    let fault = tried["fault"].as_str().unwrap_or_default();
    if case.acts().next().is_none() {
        return holds(fault.contains("is unknown to this kernel"), fault);
    }
    same("what it came to", fault, "")
}

fn of<'s>(session: &'s Session, case: &Case) -> impl Iterator<Item = &'s Done> {
    let template = case.template;
    session.done.iter().filter(move |done| done.template == template)
}

/// This kernel has none of the template's hooks: its probe was not attached, and the shell has said why.
fn has_no_hook(session: &Session, case: &Case) -> Outcome {
    let hooks: Vec<_> = case.acts.iter().map(|act| act.hook).collect();
    let stderr = &session.ended.stderr;
    let said = |hook: &&str| stderr.contains(&format!("`{hook}`"));
    holds(hooks.iter().any(said), format!("none of {hooks:?} is named: {stderr}"))?;
    holds(session.ended.books(case.template).is_err(), "it was attached")
}

/// The shell has refused what the probe's hooks cannot do, and said why.
fn is_refused(session: &Session, done: &Done) -> Outcome {
    let mode = match done.asked {
        Ruling::WouldDeny => "shadow".into(),
        Ruling::Deny(errno) => format!("deny({errno:?})"),
        _ => done.change.replace('"', "").replace("(TERM", "(SIGTERM"),
    };
    let Done { template, change, .. } = done;
    let said = format!(
        "template `{template}` cannot deny: its hook returns nothing to the kernel, so `{mode}` would do nothing"
    );
    let refused = |line: &&Value| line["type"] == "emit" && line["refused"] == *template;
    let why: Vec<_> =
        session.ended.lines.iter().filter(refused).filter_map(|line| line["why"].as_str()).collect();
    holds(why.iter().any(|why| why.contains(&said)), format!("{change}: `{said}` is not said: {why:?}"))
}

/// An act came to what the mode says, and one event tells so. It is the probe's `index`th.
fn act(session: &Session, index: usize, done: &Done) -> Outcome {
    let performed = done.performed.as_ref().map_err(Clone::clone)?;
    same("the task", performed.task.deed, deed(done))?;
    let pid = performed.task.pid;
    let events: Vec<_> =
        session.ended.events().filter(|e| e["probe"] == done.template && e["pid"] == pid).collect();
    let expected = usize::from(done.ruling != Ruling::Detached);
    if events.len() != expected {
        let stderr = &session.ended.stderr;
        return Err(format!("events: found {events:?}, expected {expected}; standard error: {stderr}"));
    }
    events.iter().try_for_each(|event| tells(event, performed, decision(session, index, done)))
}

fn deed(done: &Done) -> Deed {
    match done.ruling {
        Ruling::Allow | Ruling::WouldDeny | Ruling::Detached => Deed::Done,
        Ruling::Deny(errno) => Deed::Refused((done.act.refusal)(errno)),
        Ruling::Kill(signal) => Deed::Killed(signal),
    }
}

/// What an event says of the probe and its decision.
fn decision(session: &Session, index: usize, done: &Done) -> Value {
    let mut attached = session.cases.iter().filter(|case| case.acts().next().is_some());
    let id = attached.position(|case| case.template == done.template).map(|at| at + 1);
    let (mode, verdict, errno) = match done.ruling {
        Ruling::Allow | Ruling::Detached => ("observe", "allow", 0),
        Ruling::WouldDeny => ("shadow", "would-deny", 0),
        Ruling::Deny(errno) => ("deny", "deny", errno as i32),
        Ruling::Kill(_) => ("kill", "kill", Errno::EPERM as i32),
    };
    json!({
        "probe": done.template, "template": done.template, "seq": index + 1, "probe_id": id, "hook": done.act.hook,
        "mode": mode, "verdict": verdict, "errno": errno, "notes": door_notes(),
    })
}

/// Where `bpf` is no active LSM, each event says by which door it was decided.
fn door_notes() -> &'static [&'static str] {
    if by_function() { &["fmod-ret"] } else { &[] }
}

/// The event has the fields that are known of the task, the decision and the act, each as it has to be, and no others.
fn tells(event: &Value, performed: &Performed, decision: Value) -> Outcome {
    let mut known = decision;
    known
        .as_object_mut()
        .ok_or("no decision")?
        .extend(performed.tells.as_object().ok_or("no truth")?.clone());
    compare_header(event, &performed.task, &known)?;
    let of_task = performed.task.truth.as_object().ok_or("no truth")?;
    let times = ["type", "time", "mono_ns", "wall_ns"].map(str::to_owned);
    let expected: BTreeSet<_> =
        known.as_object().into_iter().chain([of_task]).flat_map(names).chain(times).collect();
    let found: BTreeSet<_> = event.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let found = without_origin(event, found)?;
    let (unknown, missing): (Vec<_>, Vec<_>) =
        (found.difference(&expected).collect(), expected.difference(&found).collect());
    holds(
        unknown.is_empty() && missing.is_empty(),
        format!("fields: unknown {unknown:?}, missing {missing:?}"),
    )
}

/// The names without those of the origin's fields, which are told since the filter asks for them; this process is among the
/// ancestors, by its id and its executable.
fn without_origin(event: &Value, mut names: BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let catalogue = crate::guest::catalogue()?;
    let template =
        event["template"].as_str().and_then(|name| catalogue.get(name)).ok_or("no such template")?;
    let told = template.origin_fields().filter(|field| names.remove(&field.name)).count();
    holds(told > 10, format!("{told} fields of the origin are told"))?;
    let list = |name: &str| event[name].as_array().cloned().unwrap_or_default();
    let (ids, executables) = (list("ancestors_pid"), list("ancestors_exe"));
    let own = ids.iter().position(|id| *id == std::process::id()).ok_or_else(|| format!("not in {ids:?}"))?;
    same("the ancestor's executable", executables.get(own), Some(&json!(own_executable())))?;
    Ok(names)
}

/// A time is known in ticks, and told in nanoseconds.
fn names(known: &Map<String, Value>) -> impl Iterator<Item = String> {
    known
        .keys()
        .map(|name| name.strip_suffix("_ticks").map_or_else(|| name.clone(), |time| format!("{time}_ns")))
}

/// The closing books balance, and have exactly what was done; the numbers of a probe can be asked after its detach.
fn books(session: &Session, case: &Case) -> Outcome {
    if let Some(reason) = of(session, case).find_map(|done| done.performed.as_ref().err()) {
        return Err(reason.clone());
    }
    let books = session.ended.books(case.template)?;
    balance(books)?;
    let count = |wanted: fn(Ruling) -> bool| of(session, case).filter(|done| wanted(done.ruling)).count();
    let decided = count(|ruling| ruling != Ruling::Detached);
    for (name, expected) in [
        // First what would explain the others.
        ("errors", 0),
        ("matched", decided),
        ("allow", count(|ruling| ruling == Ruling::Allow)),
        ("would_deny", count(|ruling| ruling == Ruling::WouldDeny)),
        ("deny", count(|ruling| matches!(ruling, Ruling::Deny(_)))),
        ("kill", count(|ruling| matches!(ruling, Ruling::Kill(_)))),
        ("emitted", decided),
        ("delivered", decided),
        ("guarded", 0),
        ("lapsed", 0),
    ] {
        same(name, &books[name], &json!(expected))?;
    }
    let events = session.ended.events().filter(|event| event["probe"] == case.template).count();
    same("events", events, decided)?;
    let asked = |line: &&Value| line["type"] == "emit" && line["probe"] == case.template;
    let asked = session.ended.lines.iter().find(asked).ok_or("no numbers after the detach")?;
    same("matched, asked after the detach", &asked["matched"], &json!(decided))?;
    holds(session.ended.code == Some(0), format!("exit {:?}: {}", session.ended.code, session.ended.stderr))
}
