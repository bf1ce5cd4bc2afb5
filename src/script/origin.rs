//! What an event tells of where its operation comes from, as scripts hold it: `e.parent`, `e.stdin`, one of `e.ancestors`.

use rhai::{Dynamic, Map};

use super::{Fault, event::ScriptEvent, fault::Fallible};
use crate::event::origin::{self, ANCESTOR_IDS, ANCESTORS, Member, OF_ANCESTORS, Relative};

/// Reads what an event has under this name: a field, a part, or its ancestors.
///
/// # Errors
/// If there is nothing of that name, or it is not known.
pub fn read(event: &ScriptEvent, name: &str) -> Fallible<Dynamic> {
    if event.inner().template().field(name).is_some() {
        return event.field(name);
    }
    match Relative::named(name) {
        Some(relative) => Ok(Dynamic::from(ScriptRelative { event: event.clone(), relative })),
        None if name == ANCESTORS => ancestors(event),
        None => event.field(name),
    }
}

/// The processes above.
fn ancestors(event: &ScriptEvent) -> Fallible<Dynamic> {
    let count = event.field(ANCESTOR_IDS)?.into_array().unwrap_or_default().len();
    let ancestor = |index| Dynamic::from(ScriptAncestor { event: event.clone(), index });
    Ok((0..count).map(ancestor).collect::<Vec<_>>().into())
}

/// `e.parent`, `e.stdin` …: an event's fields under names of their own.
#[derive(Debug, Clone)]
pub struct ScriptRelative {
    event: ScriptEvent,
    relative: &'static Relative,
}

impl ScriptRelative {
    /// Reads a member by its name.
    ///
    /// # Errors
    /// If there is none of that name, or it is not known.
    pub fn member(&self, name: &str) -> Fallible<Dynamic> {
        match self.relative.member(name) {
            Some(Member::Field(field)) => self.event.field(field),
            Some(Member::Joined(list)) => self.event.joined(list),
            None => {
                let known: Vec<_> = self.relative.names().collect();
                let (text, advice) = origin::no_member(&format!("e.{}", self.relative.name), name, &known);
                Err(Fault { advice: Some(advice), ..Fault::script(text).about(name) }.into())
            }
        }
    }

    /// What the event tells of it, by name.
    pub fn members(&self) -> Map {
        let told = self.relative.names().filter_map(|name| Some((name.into(), self.member(name).ok()?)));
        told.collect()
    }
}

/// One of `e.ancestors`.
#[derive(Debug, Clone)]
pub struct ScriptAncestor {
    event: ScriptEvent,
    index: usize,
}

impl ScriptAncestor {
    /// Reads a member by its name.
    ///
    /// # Errors
    /// If there is none of that name, or it is not known.
    pub fn member(&self, name: &str) -> Fallible<Dynamic> {
        let Some((_, list)) = OF_ANCESTORS.iter().find(|(member, _)| *member == name) else {
            let (text, advice) =
                origin::no_member("an ancestor", name, &OF_ANCESTORS.map(|(member, _)| member));
            return Err(Fault { advice: Some(advice), ..Fault::script(text).about(name) }.into());
        };
        let values = self.event.field(list)?.into_array().unwrap_or_default();
        Ok(values.into_iter().nth(self.index).unwrap_or(Dynamic::UNIT))
    }

    /// What the event tells of it, by name.
    pub fn members(&self) -> Map {
        let told =
            OF_ANCESTORS.iter().filter_map(|(name, _)| Some(((*name).into(), self.member(name).ok()?)));
        told.collect()
    }
}
