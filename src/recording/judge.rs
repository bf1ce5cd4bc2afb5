//! Whether a probe would have had an event that another one has told, and what it would have answered.
//!
//! A recording holds what its own probes have selected, and of it what they have told. Whatever of a question cannot be decided from that
//! is refused, and said: a replay never guesses.

use std::collections::BTreeSet;

use super::line::{Attach, Rule, counts, layout};
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
    let counts_alike = past.counts == counts(spec);
    if past.quiet && !(own.selects == now.selects && spec.quiet && counts_alike) {
        return Some(format!("`{}` only counted, and the recording has no events of it", past.probe));
    }
    let limits = spec.limits.in_words();
    if !limits.is_empty() && limits != past.limits {
        return Some(format!(
            "what is sent of `{}` cannot be limited once more ({}); leave out `.limit(…)` and `.sample(…)`, or record with them",
            past.probe,
            limits.join(", ")
        ));
    }
    let told = past.tells.told();
    let untold = |uses: &dyn Fn(&str) -> bool| {
        let names = template.fields.iter().map(|field| field.name.as_str());
        names.filter(|name| !told.tells(template, name)).find(|name| uses(name))
    };
    if !counts_alike && let Some(field) = untold(&|name| spec.counts(&[name])) {
        return Some(format!(
            "`{field}` is counted, which `{}` did not tell when this was recorded",
            past.probe
        ));
    }
    if own.selects == now.selects {
        return None;
    }
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
    let field = untold(&|name| spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&[name])))?;
    Some(format!("`when` asks for `{field}`, which `{}` did not tell when this was recorded", past.probe))
}

/// Returns what there is to say about a probe that is not the one that was recorded, in a sentence, if there is something.
pub fn remark(spec: &Spec, past: &Attach) -> Option<String> {
    let is_same = Rule::of(spec).selects == past.rule.selects;
    let selected = (!is_same && !past.rule.is_everything())
        .then(|| format!("selected ({})", past.rule.selects_in_words));
    let sends_alike = is_same && past.limits == spec.limits.in_words();
    let sent =
        (!past.limits.is_empty() && !sends_alike).then(|| format!("sent ({})", past.limits.join(", ")));
    let only = [selected, sent].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    (!only.is_empty()).then(|| {
        format!(
            "the recording has only what `{}` {only}: what else this probe would have had is not in it",
            past.probe
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        backend::Door,
        probe::aggregation::{Aggregation, Kind},
        template::Catalogue,
    };

    fn spec(by: &[&str], told: Option<&[&str]>) -> Spec {
        let template = Arc::clone(Catalogue::builtin().unwrap().get("exec").unwrap());
        let by: Vec<String> = by.iter().map(|name| (*name).to_owned()).collect();
        let mut spec = Spec::new(Arc::clone(&template), "p".into());
        if !by.is_empty() {
            spec.aggregations.push(Aggregation::new(&template, Kind::Count, None, &by).unwrap());
        }
        spec.fields = told.map(|told| told.iter().map(|name| (*name).to_owned()).collect());
        spec
    }

    fn obstacle_of(asked: &Spec, recorded: &Spec) -> Option<String> {
        let past = Attach::of(1, 0, recorded, Door::Lsm);
        obstacle(asked, &past, &past.rule)
    }

    #[test]
    fn what_was_not_told_is_not_counted_as_nothing() {
        let recorded = spec(&[], Some(&["path"]));
        assert_eq!(obstacle_of(&spec(&["path"], None), &recorded), None);
        let refused = obstacle_of(&spec(&["euid"], None), &recorded).unwrap();
        assert!(refused.contains("`euid` is counted, which `p` did not tell"), "{refused}");
        assert_eq!(obstacle_of(&spec(&["euid"], None), &spec(&[], None)), None);
    }

    #[test]
    fn what_only_counted_has_no_other_counts() {
        let quiet = |by: &[&str]| Spec { quiet: true, ..spec(by, None) };
        assert_eq!(obstacle_of(&quiet(&["comm"]), &quiet(&["comm"])), None);
        for asked in [quiet(&["path"]), spec(&["comm"], None)] {
            assert!(obstacle_of(&asked, &quiet(&["comm"])).unwrap().contains("only counted"));
        }
    }
}
