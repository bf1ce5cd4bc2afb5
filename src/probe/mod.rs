//! Probes: a template plus what a script says about it.
//!
//! A probe is configured as a [`Spec`], which is complete and checked before
//! the kernel hears of it; `kernel::Kernel::attach` turns it into
//! an attachment. Params, mode and lease can change while it is attached.
//! This module holds the words of the configuration and parses each of them
//! once, at the edge, into types that cannot be wrong.

pub mod aggregation;
pub mod ask;
pub mod limits;
pub mod mode;
pub mod needs;
pub mod param;
pub mod scope;
pub mod summary;
pub mod trip;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use self::needs::Need;
use crate::{
    event::Told,
    filter::{Asked, Compiled},
    template::{Field, ParamKind, Stack, Template},
    values::Signal,
};

pub use self::{
    aggregation::Aggregation, ask::Ask, limits::Limits, mode::Mode, param::ParamValue, scope::Scope,
    summary::Summary, trip::Trip,
};

/// Everything a script has said about one probe.
#[derive(Debug, Clone)]
pub struct Spec {
    pub template: Arc<Template>,
    /// Unique in the session; by default `TEMPLATE-N`.
    pub name: String,
    pub params: BTreeMap<String, ParamValue>,
    /// Of these params the name of the set whose values they have; they may be empty.
    pub sets: BTreeMap<String, String>,
    /// Files that its params name are there.
    pub expects_files: bool,
    pub scope: Scope,
    /// Set by `.everywhere()`: that it is about every task is meant.
    pub everywhere: bool,
    pub mode: Mode,
    /// How it asks, if it has been told to: its programs can hold operations then, whatever the mode is now.
    pub ask: Option<Ask>,
    pub lease: Option<Duration>,
    /// That it enforces without a lease is meant: it is pinned for ever.
    pub goes_on: bool,
    /// More refusals than that, and it observes.
    pub trip: Option<Trip>,
    pub on_error: OnError,
    /// What `.when(…)` and [params](Spec::asked) ask of an event.
    pub filter: Option<Compiled>,
    pub aggregations: Vec<Aggregation>,
    /// No events are sent.
    pub quiet: bool,
    /// Not all events are sent.
    pub limits: Limits,
    /// Entries that the aggregations may keep, all together.
    pub keys: u32,
    /// Put on each event.
    pub stacks: Vec<Stack>,
    /// What an event tells, if not everything.
    pub fields: Option<Arc<[String]>>,
    /// Fields of the origin that it tells besides everything else, since something in the script names them.
    pub origin: Arc<[String]>,
}

/// What an enforcing probe answers when it could not find out what it needs to
/// know (a path that cannot be read, no memory): DESIGN.md, invariant 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    #[default]
    Allow,
    Deny,
}

/// What a denial of everything to everybody means besides.
pub const LOCKS_OUT: &str = "; until it runs out no new login succeeds, and `krsi-sh panic` can only be started from the \
                             shell that has started this session: `exec krsi-sh panic`";

/// Why a spec may not be attached, though each word of it is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error(
        "`{mode}` without a scope would reach every task on this machine; \
         add `.scope(#{{…}})`, or say `.everywhere()` together with `.lease(\"10m\")` if that is meant"
    )]
    Unscoped { mode: Mode },
    #[error(
        "`{mode}` in scope `{scope}` may reach every task on this machine: it names nobody, and only leaves some out or names what all are in; \
         add who is meant (uid, cgroup, exe, …), or say `.everywhere()` together with `.lease(\"10m\")` if that is meant"
    )]
    Unnarrowed { mode: Mode, scope: String },
    #[error(
        "`.everywhere()` with `{mode}` needs a lease, so that a mistake ends by itself; add `.lease(\"10m\")`{}",
        if *.locks_out { LOCKS_OUT } else { "" }
    )]
    NoLease { mode: Mode, locks_out: bool },
    #[error(
        "template `{template}` cannot deny: its hook returns nothing to the kernel, so `{mode}` would do nothing, \
         and nothing would have been denied; use `.observe()`"
    )]
    CannotDeny { template: String, mode: Mode },
    #[error(
        "template `{template}` needs a scope that names who is meant: its hooks are hot ({hooks}: asked thousands of times a second \
         on a busy machine), and a probe of every task would slow them all; \
         add `.scope(#{{…}})` (uid, cgroup, exe, …), or say `.everywhere()` if that is meant"
    )]
    HotWithoutScope { template: String, hooks: String },
    #[error(
        "template `{template}` cannot ask: {why}; use `.deny()`, or a filter that decides (`.when(|e| … deny(\"EACCES\"))`)"
    )]
    CannotAsk { template: String, why: String },
    #[error(
        "with `{param}` the probe decides once the new program is in place, and nothing can be held there; \
         ask without `{param}`, or use `.deny()`"
    )]
    AsksTooLate { param: String },
    #[error(
        "a probe that asks tells every question, and what became of it: it takes no `.limit(…)` and no `.sample(…)`; \
         leave these out, or have another probe beside it ask"
    )]
    AsksAndLimits,
}

impl Spec {
    #[must_use]
    pub fn new(template: Arc<Template>, name: String) -> Self {
        Spec {
            template,
            name,
            params: BTreeMap::new(),
            sets: BTreeMap::new(),
            expects_files: true,
            scope: Scope::default(),
            everywhere: false,
            mode: Mode::Observe,
            ask: None,
            lease: None,
            goes_on: false,
            trip: None,
            on_error: OnError::default(),
            filter: None,
            aggregations: Vec::new(),
            quiet: false,
            limits: Limits::default(),
            keys: aggregation::KEYS,
            stacks: Vec::new(),
            fields: None,
            origin: Vec::new().into(),
        }
    }

    /// Whether an event tells one of these fields.
    #[must_use]
    pub fn tells(&self, names: &[&str]) -> bool {
        let told = self.told();
        names.iter().any(|name| told.tells(&self.template, name))
    }

    /// What its events tell.
    #[must_use]
    pub fn told(&self) -> Told {
        match &self.fields {
            Some(fields) => Told::Only(Arc::clone(fields)),
            None => Told::All(Arc::clone(&self.origin)),
        }
    }

    /// Names the fields of the origin that are needed for that.
    pub fn origin_for(&self, need: Need) -> impl Iterator<Item = &Field> {
        self.template.origin_fields().filter(move |field| self.needs(&[&field.name], need))
    }

    /// Whether a summary is about one of these fields.
    #[must_use]
    pub fn counts(&self, names: &[&str]) -> bool {
        let counted = |aggregation: &Aggregation| {
            let by = aggregation.by.iter().map(|taken| &taken.field);
            by.chain(&aggregation.field).any(|field| names.contains(&field.name.as_str()))
        };
        self.aggregations.iter().any(counted)
    }

    /// Whether the kernel keeps such stacks: for the events, or for a summary that groups by them.
    #[must_use]
    pub fn wants_stack(&self, of: Stack) -> bool {
        self.stacks.contains(&of) || self.counts(&[of.field()])
    }

    /// The params with their values, as `path "/bin/date", args true`; of long ones the beginning.
    #[must_use]
    pub fn describe_params(&self) -> String {
        let one = |(name, value): (&String, &ParamValue)| {
            let values = value.describe(self.template.param(name).map(|param| &param.kind));
            match self.sets.get(name) {
                Some(set) if values.is_empty() => format!("{name} set {set:?} (empty now)"),
                Some(set) => format!("{name} set {set:?} (now {values})"),
                None => format!("{name} {values}"),
            }
        };
        self.params.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The param that makes this probe decide when nothing can be refused any more, if one does.
    #[must_use]
    pub fn late(&self) -> Option<&str> {
        let late = |(name, value): &(&String, &ParamValue)| {
            self.template.param(name).is_some_and(|p| p.late.is_some()) && **value != ParamValue::Flag(false)
        };
        self.params.iter().find(late).map(|(name, _)| name.as_str())
    }

    /// Returns what its params ask of an event by the filter.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked<'_>> {
        let mut asked = Vec::new();
        for (name, value) in &self.params {
            if let Some(ParamKind::Asked(question)) = self.template.param(name).map(|param| &param.kind)
                && let ParamValue::Texts(texts) = value
            {
                asked.push(Asked { question, texts });
            }
        }
        asked
    }

    /// Whether nobody could log in while this is in force: every program, or every file, is refused to every task.
    #[must_use]
    pub fn locks_out(&self) -> bool {
        const HOOKS: [&str; 2] = ["bprm_check_security", "file_open"];
        self.everywhere
            && self.scope.is_empty()
            && self.mode.enforces()
            && self.params.is_empty()
            && self.filter.is_none()
            && self.template.hooks.iter().any(|hook| HOOKS.contains(&hook.as_str()))
    }

    /// Describes the mode as it acts: where nothing can be refused any more, a denial is a kill, and a kill is for certain.
    #[must_use]
    pub fn acting_mode(&self) -> String {
        match (self.mode, self.late()) {
            (Mode::Deny(_), Some(_)) => format!("{} by SIGKILL", self.mode),
            (Mode::Kill(signal), Some(_)) if signal != Signal::KILL => format!("{} by SIGKILL", self.mode),
            (mode, _) => mode.to_string(),
        }
    }

    /// Checks what no single word can: enforcement needs a scope, or
    /// `.everywhere()` and a lease; it, and its rehearsal, a hook that can deny; and a hot hook a scope, or `.everywhere()`.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), SpecError> {
        let Template { name, hooks, can_deny, scope_required, .. } = &*self.template;
        if !can_deny && self.mode != Mode::Observe {
            return Err(SpecError::CannotDeny { template: name.clone(), mode: self.mode });
        }
        if self.ask.is_some() {
            self.check_ask()?;
        }
        if *scope_required && !self.everywhere && !self.scope.narrows() {
            return Err(SpecError::HotWithoutScope { template: name.clone(), hooks: hooks.join(", ") });
        }
        if !self.mode.enforces() {
            return Ok(());
        }
        if !self.scope.narrows() {
            if !self.everywhere {
                let (mode, scope) = (self.mode, self.scope.to_string());
                return Err(match self.scope.is_empty() {
                    true => SpecError::Unscoped { mode },
                    false => SpecError::Unnarrowed { mode, scope },
                });
            }
            if self.lease.is_none() && !self.goes_on {
                return Err(SpecError::NoLease { mode: self.mode, locks_out: self.locks_out() });
            }
        }
        Ok(())
    }

    /// Whether its operations can be held.
    ///
    /// # Errors
    /// Why not.
    pub fn check_ask(&self) -> Result<(), SpecError> {
        if let Some(why) = &self.template.cannot_ask {
            return Err(SpecError::CannotAsk { template: self.template.name.clone(), why: why.clone() });
        }
        if !self.limits.is_empty() {
            return Err(SpecError::AsksAndLimits);
        }
        match self.late() {
            Some(param) => Err(SpecError::AsksTooLate { param: param.to_owned() }),
            None => Ok(()),
        }
    }
}

/// A probe's books (DESIGN.md, invariant 4). All are counts of decisions
/// since the attach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counters {
    pub seen: u64,
    pub out_of_scope: u64,
    pub filtered: u64,
    pub matched: u64,
    pub allow: u64,
    pub would_deny: u64,
    pub deny: u64,
    pub kill: u64,
    /// Rehearsed: would have been asked about.
    pub would_ask: u64,
    /// Held, and asked about; again, if another process has continued them.
    pub asked: u64,
    /// Of these, went on with an answer.
    pub answered: u64,
    /// Of these, nobody answered in time.
    pub timed_out: u64,
    /// Of these, were asked about again, or came to nothing: the process ended, or did something else, or the probe went.
    pub withdrawn: u64,
    /// Of these, are held still.
    pub held: u64,
    /// Decisions about what should have been asked about, and could not be (not a part of the books: they are among the
    /// verdicts).
    pub otherwise: u64,
    pub emitted: u64,
    pub suppressed: u64,
    /// Of the suppressed: more than a limit lets be sent.
    pub limited: u64,
    /// Of the suppressed: between two that are sent as samples.
    pub sampled_out: u64,
    pub lost_ring: u64,
    pub delivered: u64,
    pub lost_queue: u64,
    /// Decisions for which something could not be gathered (not a part of the books).
    pub errors: u64,
    /// Decisions that would have been enforced, had the lease not run out, or the breaker tripped.
    pub lapsed: u64,
    /// Decisions that would have been enforced, had the task not been guarded.
    pub guarded: u64,
    /// Events that an aggregation had no room for (not a part of the books).
    pub overflow: u64,
    /// Operations that the kernel let pass unasked, since another task was being asked on the same processor (not a part of
    /// the books; only by doors other than `lsm`, on preemptible kernels).
    pub missed: u64,
}

/// Two attachments of one probe, together.
impl std::ops::Add for Counters {
    type Output = Counters;

    fn add(self, other: Counters) -> Counters {
        Counters {
            seen: self.seen + other.seen,
            out_of_scope: self.out_of_scope + other.out_of_scope,
            filtered: self.filtered + other.filtered,
            matched: self.matched + other.matched,
            allow: self.allow + other.allow,
            would_deny: self.would_deny + other.would_deny,
            deny: self.deny + other.deny,
            kill: self.kill + other.kill,
            would_ask: self.would_ask + other.would_ask,
            asked: self.asked + other.asked,
            answered: self.answered + other.answered,
            timed_out: self.timed_out + other.timed_out,
            withdrawn: self.withdrawn + other.withdrawn,
            held: self.held + other.held,
            otherwise: self.otherwise + other.otherwise,
            emitted: self.emitted + other.emitted,
            suppressed: self.suppressed + other.suppressed,
            limited: self.limited + other.limited,
            sampled_out: self.sampled_out + other.sampled_out,
            lost_ring: self.lost_ring + other.lost_ring,
            delivered: self.delivered + other.delivered,
            lost_queue: self.lost_queue + other.lost_queue,
            errors: self.errors + other.errors,
            lapsed: self.lapsed + other.lapsed,
            guarded: self.guarded + other.guarded,
            missed: self.missed + other.missed,
            overflow: self.overflow + other.overflow,
        }
    }
}

impl Counters {
    /// Returns how many events were wanted and not sent, by `.limit(…)` and `.sample(…)`.
    #[must_use]
    pub fn withheld(&self) -> u64 {
        self.limited + self.sampled_out
    }

    /// Whether the sums of invariant 4 hold.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.seen == self.out_of_scope + self.filtered + self.matched
            && self.matched
                == self.allow + self.would_deny + self.deny + self.kill + self.would_ask + self.asked
            && self.asked == self.answered + self.timed_out + self.withdrawn + self.held
            && self.matched == self.emitted + self.suppressed + self.lost_ring
            && self.emitted == self.delivered + self.lost_queue
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{template::Catalogue, values::Errno};

    /// A probe of a built-in template that is said to be otherwise.
    fn spec(change: impl Fn(&mut Template)) -> Spec {
        let catalogue = Catalogue::builtin().unwrap();
        let mut template = Template::clone(catalogue.get("file_open").unwrap());
        change(&mut template);
        Spec::new(Arc::new(template), "p".into())
    }

    fn scoped(spec: &Spec, scope: &serde_json::Value) -> Spec {
        Spec { scope: Scope::parse(scope.as_object().unwrap()).unwrap(), ..spec.clone() }
    }

    #[test]
    fn a_hot_hook_needs_a_scope_that_names_somebody_or_everywhere() {
        let hot = spec(|template| template.scope_required = true);
        let refused = |spec: &Spec| matches!(spec.check(), Err(SpecError::HotWithoutScope { .. }));
        assert!(refused(&hot));
        assert!(refused(&Spec { mode: Mode::Shadow, ..hot.clone() }));
        assert!(refused(&scoped(&hot, &json!({}))));
        assert!(refused(&scoped(&hot, &json!({"not_uid": 0}))));
        assert_eq!(scoped(&hot, &json!({"uid": 0})).check(), Ok(()));
        let everywhere = Spec { everywhere: true, ..hot };
        assert_eq!(everywhere.check(), Ok(()));
        let denying = Spec { mode: Mode::Deny(Errno::from_number(1).unwrap()), ..everywhere };
        assert!(matches!(denying.check(), Err(SpecError::NoLease { .. })));
        assert_eq!(spec(|_| ()).check(), Ok(()));
    }

    #[test]
    fn a_hook_without_a_verdict_is_observed_and_nothing_else() {
        let observing = scoped(&spec(|template| template.can_deny = false), &json!({"uid": 0}));
        assert_eq!(observing.check(), Ok(()));
        for mode in [Mode::Shadow, Mode::Deny(Errno::from_number(1).unwrap()), Mode::Kill(Signal::KILL)] {
            let found = Spec { mode, ..observing.clone() }.check();
            assert_eq!(found, Err(SpecError::CannotDeny { template: "file_open".into(), mode }));
        }
    }
}
