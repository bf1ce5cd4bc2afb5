//! Whether a probe would have had an event that another one has told, and what it would have answered.
//!
//! A recording holds what its own probes have selected, and of it what they have told. Whatever of a question cannot be decided from that
//! is refused, and said: a replay never guesses.

use std::collections::BTreeSet;

use super::line::{Attach, Rule, layout};
use crate::{
    event::{Event, Told},
    filter::Answer,
    probe::{
        Mode, Spec,
        scope::{Condition, Kind, Member},
    },
    raw,
    template::{FieldKind, ParamKind, Template},
};

/// What became of an event at a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    OutOfScope,
    Filtered,
    /// What it is about could not be read, or is too long.
    CannotTell,
    /// It has it, with this verdict; `None`: with the one that it had.
    Matches(Option<&'static str>),
}

/// Returns why a probe cannot be had from what another one has told, in a sentence, if so.
pub fn obstacle(spec: &Spec, past: &Attach, now: &Rule) -> Option<String> {
    let own = Rule::of(spec);
    let template = &spec.template;
    if past.layout != layout(template) {
        return Some(format!(
            "template `{}` has other fields than it had when this was recorded; replay it with the krsi-sh that recorded it",
            template.name
        ));
    }
    if past.quiet && !(own.selects == now.selects && spec.quiet) {
        return Some(format!("`{}` only counted, and the recording has no events of it", past.probe));
    }
    if own.selects == now.selects {
        return None;
    }
    let told = past.tells.told();
    if own.scope != now.scope
        && let Some((condition, _)) = spec
            .scope
            .conditions()
            .find(|(condition, members)| !is_told(*condition, members, template, &told))
    {
        return Some(format!(
            "scope `{condition}` cannot be decided from a recording of `{}`; record with it, or ask for it in `.when(…)`",
            past.probe
        ));
    }
    let is_asked =
        |name: &String| template.param(name).is_some_and(|param| matches!(param.kind, ParamKind::Asked(_)));
    if own.params != now.params
        && let Some(param) = spec.params.keys().find(|name| !is_asked(name))
    {
        return Some(format!(
            "param `{param}` cannot be decided from a recording of `{}`; record with it, or ask for it in `.when(…)`",
            past.probe
        ));
    }
    let untold = |name: &&str| {
        !told.tells(template, name) && spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&[name]))
    };
    let field = template.fields.iter().map(|field| field.name.as_str()).find(untold)?;
    Some(format!("`when` asks for `{field}`, which `{}` did not tell when this was recorded", past.probe))
}

/// Returns what there is to say about a probe that is not the one that was recorded, in a sentence, if there is something.
pub fn remark(spec: &Spec, past: &Attach) -> Option<String> {
    let is_same = Rule::of(spec).selects == past.rule.selects;
    (!is_same && !past.rule.is_everything()).then(|| {
        format!(
            "the recording has only what `{}` selected ({}): what else this probe would have had is not in it",
            past.probe, past.rule.selects_in_words
        )
    })
}

/// Returns what both tell.
pub fn told_by_both(spec: &Spec, past: &Attach) -> Told {
    let (own, theirs, template) = (spec.told(), past.tells.told(), &spec.template);
    if own == theirs {
        return own;
    }
    let both = |name: &str| own.tells(template, name) && theirs.tells(template, name);
    let fields = template.fields.iter().map(|field| field.name.clone()).filter(|name| both(name));
    Told::Only(fields.collect())
}

/// Judges an event of a probe that is told by another one.
pub fn judge(spec: &Spec, own: &Rule, now: &Rule, event: &Event) -> Judgement {
    if own.selects == now.selects && own.mode == now.mode {
        return Judgement::Matches(None);
    }
    if own.scope != now.scope && !spec.scope.conditions().all(|(of, members)| holds(of, members, event)) {
        return Judgement::OutOfScope;
    }
    let filter = spec.filter.as_ref().map(|compiled| &compiled.filter);
    match filter.map_or(Ok(Answer::Match), |filter| filter.evaluate_from(event.record(), event.skipped())) {
        Err(_) => Judgement::CannotTell,
        Ok(Answer::NoMatch) => Judgement::Filtered,
        Ok(answer) => Judgement::Matches(Some(verdict(spec.mode, answer))),
    }
}

/// What it would have answered: nothing is denied in what is over.
fn verdict(mode: Mode, answer: Answer) -> &'static str {
    match (mode, answer) {
        (Mode::Observe, _) | (_, Answer::Allow) => "allow",
        (Mode::Ask(_), Answer::Match) => "would-ask",
        _ => "would-deny",
    }
}

/// The field of the header that has what a scope asks for.
fn field(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Uid => "uid",
        Kind::Gid => "gid",
        Kind::Loginuid => "loginuid",
        Kind::Comm => "comm",
        Kind::UserNs => "user_ns",
        Kind::PidNs => "pid_ns",
        Kind::MntNs => "mnt_ns",
        _ => return None,
    })
}

fn is_told(of: Condition, members: &BTreeSet<Member>, template: &Template, told: &Told) -> bool {
    let plain = members.iter().all(|member| matches!(member, Member::Number(_) | Member::Comm(_)));
    let known = |name: &str| {
        template.field(name).is_some_and(|field| matches!(field.kind, FieldKind::Unsigned | FieldKind::Text))
            && told.tells(template, name)
    };
    plain && field(of.kind).is_some_and(known)
}

fn holds(of: Condition, members: &BTreeSet<Member>, event: &Event) -> bool {
    let Some(name) = field(of.kind) else { return false };
    let is_one = |member: &Member| match member {
        Member::Number(number) => event.number(name) == u64::from(*number),
        Member::Comm(comm) => raw::bytes(comm) == raw::bytes(&event.text(name)),
        _ => false,
    };
    members.iter().any(is_one) != of.negated
}
