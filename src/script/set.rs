//! Named sets of values that params of several probes take, and that change while the probes are attached.
//!
//! A set is a list that lives: whoever takes it is changed together with it, and a change that one of them does not take is
//! made nowhere. What is in it for a time is taken out by the session's own clock, and so by the recording's in a replay.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write as _,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Fault,
    handle::{ProbeHandle, WeakProbe},
};
use crate::{
    template::{Param, ParamKind},
    values::{Network, Ports, nearest},
};

/// Values that a set may have: as many as a table of the kernel's.
pub const MOST_VALUES: usize = 65_536;
/// Bytes that a value may have: what is longer is no path either.
const LONGEST_VALUE: usize = 4096;
/// Sets of a session.
const MOST_SETS: usize = 256;
/// When it is tried again to take out what its time is over.
const AGAIN: Duration = Duration::from_secs(1);
/// Values that are shown.
const SHOWN: usize = 3;

/// What a set may have been said to have.
const KINDS: [(&str, ParamKind); 5] = [
    ("path", ParamKind::Paths),
    ("path_prefix", ParamKind::Prefixes),
    ("path_suffix", ParamKind::Suffixes),
    ("address", ParamKind::Networks),
    ("port", ParamKind::Ports),
];

/// A set that a script holds; clones are the same one.
#[derive(Clone)]
pub struct SetHandle(Rc<RefCell<Set>>);

struct Set {
    name: String,
    /// What its values are, as far as the script has said so: checked even if no probe takes it.
    kind: Option<Param>,
    /// By the text that is the same for the same value.
    values: Values,
    /// When the next of them goes.
    due: Option<Instant>,
    /// Params that take it, or did.
    takers: Vec<Taker>,
}

type Values = BTreeMap<String, Member>;

#[derive(Debug, Clone, PartialEq)]
struct Member {
    /// As the script has it.
    value: Value,
    until: Option<Instant>,
}

#[derive(Clone)]
struct Taker {
    probe: WeakProbe,
    param: String,
}

/// A change of a set: what there is to say about it.
pub type Remarks = Vec<String>;

fn kind(name: &str, set: &str) -> Result<Param, Fault> {
    let known = KINDS.iter().find(|(known, _)| *known == name);
    let (_, kind) = known.ok_or_else(|| {
        let near = nearest(name, KINDS.iter().map(|(known, _)| *known));
        let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let allowed = KINDS.map(|(known, _)| known).join(", ");
        Fault::script(format!("a set has no kind `{name}`{near}; allowed: {allowed}")).about(name)
    })?;
    Ok(Param {
        name: set.to_owned(),
        kind: kind.clone(),
        doc: String::new(),
        default: String::new(),
        offset: 0,
        number: 0,
        late: None,
    })
}

/// The same text for the same value.
fn key(value: &Value) -> Result<String, Fault> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        other => {
            let text = format!("a set takes no {other}; allowed: texts, numbers, or an array of them");
            return Err(Fault::script(text).about(other));
        }
    };
    if text.len() > LONGEST_VALUE {
        let length = text.len();
        return Err(Fault::script(format!(
            "a set takes no text of {length} bytes; allowed: {LONGEST_VALUE} at most"
        )));
    }
    if let Ok(network) = Network::parse(&text) {
        return Ok(network.to_string());
    }
    Ok(match Ports::read(value) {
        Some(Ok(ports)) => ports.to_string(),
        _ => text,
    })
}

/// One value, or an array of them.
fn members(value: &Value, until: Option<Instant>) -> Result<Values, Fault> {
    let list = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    list.iter().map(|value| Ok((key(value)?, Member { value: value.clone(), until }))).collect()
}

fn next(values: &Values) -> Option<Instant> {
    values.values().filter_map(|member| member.until).min()
}

impl Set {
    fn put(&mut self, values: Values) {
        self.due = next(&values);
        self.values = values;
    }
}

impl SetHandle {
    fn new(name: &str) -> Self {
        let (name, values) = (name.to_owned(), Values::new());
        SetHandle(Rc::new(RefCell::new(Set { name, kind: None, values, due: None, takers: Vec::new() })))
    }

    pub fn name(&self) -> String {
        self.0.borrow().name.clone()
    }

    /// Says what its values are.
    ///
    /// # Errors
    /// If there is no such kind, it has been said otherwise, or a value is none of it.
    pub fn set_kind(&self, given: &str) -> Result<(), Fault> {
        let mut set = self.0.borrow_mut();
        let kind = kind(given, &set.name)?;
        if set.kind.as_ref().is_some_and(|known| known.kind != kind.kind) {
            let text = format!("set `{}` is of another kind already; give this one another name", set.name);
            return Err(Fault::script(text).about(given));
        }
        check(&set.name, &kind, &set.values)?;
        set.kind = Some(kind);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.0.borrow().values.len()
    }

    /// # Errors
    /// If it is nothing that a set may have.
    pub fn contains(&self, value: &Value) -> Result<bool, Fault> {
        Ok(self.0.borrow().values.contains_key(&key(value)?))
    }

    /// Returns its values as a list.
    pub fn values(&self) -> Value {
        list(&self.0.borrow().values)
    }

    /// Adds values, for a time if one is given: what is there already has this time from now on.
    ///
    /// # Errors
    /// If one is nothing that a param which takes the set may have, there are too many, or the kernel has no room; then nothing is added.
    pub fn add(&self, value: &Value, until: Option<Instant>) -> Result<Remarks, Fault> {
        let more = members(value, until)?;
        let new: Vec<String> = more.keys().cloned().collect();
        let mut values = self.0.borrow().values.clone();
        values.extend(more);
        let mut remarks = self.change(values)?;
        // What there is to say about the others has been said.
        remarks.retain(|remark| new.iter().any(|value| remark.contains(&format!("{value:?}"))));
        Ok(remarks)
    }

    /// Takes values out. Returns whether one was there.
    ///
    /// # Errors
    /// If the kernel refuses that; then they are still there.
    pub fn remove(&self, value: &Value) -> Result<bool, Fault> {
        let gone = members(value, None)?;
        let mut values = self.0.borrow().values.clone();
        let before = values.len();
        values.retain(|key, _| !gone.contains_key(key));
        let was = values.len() < before;
        self.change(values)?;
        Ok(was)
    }

    /// Puts these values in the place of all others.
    ///
    /// # Errors
    /// As [`Self::add`]; then the former are still there.
    pub fn fill(&self, value: &Value, until: Option<Instant>) -> Result<Remarks, Fault> {
        self.change(members(value, until)?)
    }

    /// Takes out what its time is over at this moment.
    ///
    /// # Errors
    /// If the kernel refuses that; then it is tried again a second later.
    pub fn expire(&self, now: Instant) -> Result<(), Fault> {
        let mut values = self.0.borrow().values.clone();
        values.retain(|_, member| member.until.is_none_or(|until| until > now));
        self.change(values).map(drop).inspect_err(|_| {
            let mut set = self.0.borrow_mut();
            let over =
                set.values.values_mut().filter(|member| member.until.is_some_and(|until| until <= now));
            over.for_each(|member| member.until = Some(now + AGAIN));
            set.due = next(&set.values);
        })
    }

    /// When the next of its values goes.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.borrow().due
    }

    /// Has every param that takes it have these values: all of them, or none.
    fn change(&self, values: Values) -> Result<Remarks, Fault> {
        let (name, kind, takers, former) = {
            let mut set = self.0.borrow_mut();
            let own = set.name.clone();
            set.takers
                .retain(|taker| taker.probe.upgrade().is_some_and(|probe| probe.takes(&taker.param, &own)));
            (own, set.kind.clone(), set.takers.clone(), set.values.clone())
        };
        if values.len() > MOST_VALUES {
            let text =
                format!("set `{name}` would have {} values; allowed: {MOST_VALUES} at most", values.len());
            return Err(Fault::script(text));
        }
        if values.keys().eq(former.keys()) {
            self.0.borrow_mut().put(values);
            return Ok(Vec::new());
        }
        if let Some(kind) = &kind {
            check(&name, kind, &values)?;
        }
        let takers: Vec<_> =
            takers.into_iter().filter_map(|taker| Some((taker.probe.upgrade()?, taker.param))).collect();
        let now = list(&values);
        let about = |probe: &ProbeHandle, fault: Fault| Fault {
            text: format!("set `{name}`, which probe `{}` takes: {}", probe.name(), fault.text),
            ..fault
        };
        // What one of them cannot have none of them is given.
        for (probe, param) in &takers {
            probe.check_param(param, &now).map_err(|fault| about(probe, fault))?;
        }
        let mut remarks = Vec::new();
        for (done, (probe, param)) in takers.iter().enumerate() {
            match probe.put_set(param, &name, &now) {
                Ok(said) => remarks.extend(said),
                Err(fault) => {
                    let mut fault = about(probe, fault);
                    fault.text.push_str("; the set is as it was");
                    for (probe, param) in takers.iter().take(done).rev() {
                        if let Err(worse) = probe.put_set(param, &name, &list(&former)) {
                            let _ = write!(fault.text, ", but for probe `{}`: {}", probe.name(), worse.text);
                        }
                    }
                    return Err(fault);
                }
            }
        }
        self.0.borrow_mut().put(values);
        Ok(remarks)
    }

    /// Has a param of a probe take it. Returns what there is to say about that.
    ///
    /// # Errors
    /// If a set cannot stand there, or a value is none of the param's.
    pub fn give_to(&self, probe: &ProbeHandle, param: &str) -> Result<Remarks, Fault> {
        let (name, now) = {
            let set = self.0.borrow();
            (set.name.clone(), list(&set.values))
        };
        let remarks = probe.put_set(param, &name, &now).map_err(|fault| Fault {
            text: format!("set `{name}`: {}", fault.text),
            about: fault.about.or_else(|| Some(param.to_owned())),
            ..fault
        })?;
        let mut set = self.0.borrow_mut();
        let taker = Taker { probe: probe.downgrade(), param: param.to_owned() };
        set.takers.retain(|known| known.param != taker.param || !known.probe.is(&taker.probe));
        set.takers.push(taker);
        Ok(remarks)
    }

    /// As a person reads it: `set bad_ips: 2 values (10.0.0.1, 10.0.0.2), taken by connect-1 (address)`.
    pub fn describe(&self) -> String {
        let set = self.0.borrow();
        let count = set.values.len();
        let mut text = format!("set {}: {count} {}", set.name, if count == 1 { "value" } else { "values" });
        if count > 0 {
            let shown = set.values.values().take(SHOWN).map(|member| match &member.value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let shown: Vec<_> = shown.collect();
            let more = if count > SHOWN { ", …" } else { "" };
            let _ = write!(text, " ({}{more})", shown.join(", "));
        }
        let taken = set.takers.iter().filter_map(|taker| {
            let probe = taker.probe.upgrade().filter(|probe| probe.takes(&taker.param, &set.name))?;
            Some(format!("{} ({})", probe.name(), taker.param))
        });
        let taken: Vec<_> = taken.collect();
        if taken.is_empty() {
            text.push_str(", taken by no probe");
        } else {
            let _ = write!(text, ", taken by {}", taken.join(", "));
        }
        text
    }
}

fn list(values: &Values) -> Value {
    values.values().map(|member| member.value.clone()).collect()
}

/// Whether all values are of that kind.
fn check(name: &str, kind: &Param, values: &Values) -> Result<(), Fault> {
    if values.is_empty() {
        return Ok(());
    }
    crate::probe::ParamValue::parse(kind, &list(values)).map(drop).map_err(|error| {
        let fault = Fault::from(error);
        Fault {
            text: fault.text.replacen("param ", "set ", 1),
            about: fault.about.or_else(|| Some(name.to_owned())),
            ..fault
        }
    })
}

/// The sets of a session.
#[derive(Default)]
pub struct Sets(RefCell<BTreeMap<String, SetHandle>>);

impl Sets {
    /// Returns the set of this name, made if there is none.
    ///
    /// # Errors
    /// If it has no name, or there are too many.
    pub fn named(&self, name: &str) -> Result<SetHandle, Fault> {
        if name.trim().is_empty() {
            return Err(Fault::script(
                "a set's name must not be empty; allowed: a text, such as \"bad_ips\"",
            ));
        }
        let mut sets = self.0.borrow_mut();
        if let Some(known) = sets.get(name) {
            return Ok(known.clone());
        }
        if sets.len() >= MOST_SETS {
            let text = format!("there are {MOST_SETS} sets already, the most there may be");
            return Err(Fault::script(text).about(name));
        }
        let made = SetHandle::new(name);
        sets.insert(name.to_owned(), made.clone());
        Ok(made)
    }

    /// When the next value of any of them goes.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.borrow().values().filter_map(SetHandle::next_due).min()
    }

    /// Returns the set of which a value goes next, and when, if that is by then.
    pub fn due(&self, by: Instant) -> Option<(Instant, SetHandle)> {
        let sets = self.0.borrow();
        let due = sets.values().filter_map(|set| Some((set.next_due()?, set)));
        let (due, set) = due.min_by_key(|(due, _)| *due).filter(|(due, _)| *due <= by)?;
        Some((due, set.clone()))
    }
}
