//! What of an operation is found out, and for what: it follows from everything that a probe says. What is needed for nothing
//! is not in the programs that are loaded.

use super::{Spec, aggregation::Kind};
use crate::template::{Cost, Field};

/// For what a field is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Filter,
    Summaries,
    Events,
}

impl Need {
    /// In the order in which a decision comes to them.
    pub const ALL: [Need; 3] = [Need::Filter, Need::Summaries, Need::Events];
}

/// The path of the file that a hook is about, and how long it is.
pub const PATH: [&str; 2] = ["path", "path_length"];

impl Spec {
    /// Returns whether one of these fields is needed for that.
    #[must_use]
    pub fn needs(&self, names: &[&str], need: Need) -> bool {
        match need {
            Need::Filter => self.filter.as_ref().is_some_and(|compiled| compiled.asks(names)),
            Need::Summaries => self.counts(names),
            Need::Events => self.tells(names),
        }
    }

    /// Returns the first thing for which one of these fields is needed.
    #[must_use]
    pub fn first_need(&self, names: &[&str]) -> Option<Need> {
        Need::ALL.into_iter().find(|need| self.needs(names, *need))
    }

    /// Returns whether what is kept of processes from their exec on is needed for anything.
    #[must_use]
    pub fn asks_for_records(&self) -> bool {
        const NOTE: &str = "no-process";
        let is_kept = |field: &&Field| field.limits.unreadable.as_deref() == Some(NOTE);
        let kept: Vec<_> = self.template.origin_fields().filter(is_kept).map(|field| field.costs).collect();
        self.scope.asks_for_paths()
            || Need::ALL
                .into_iter()
                .any(|need| self.origin_for(need).any(|field| kept.contains(&field.costs)))
    }

    /// Names the fields that are found out for that: those of the task, its executable and its directory, and the path of
    /// the hook's file. A template's other fields come with them.
    #[must_use]
    pub fn gathered_for(&self, need: Need) -> Vec<&str> {
        let template = &self.template;
        let early = template.layout.early.iter().map(|field| field.name.as_str());
        let costly = [Cost::Executable, Cost::Directory, Cost::File]
            .into_iter()
            .flat_map(|cost| template.costing(cost));
        let origin = template.origin_fields().map(|field| field.name.as_str());
        let path = PATH.into_iter().filter(|name| template.field(name).is_some());
        early.chain(costly).chain(path).chain(origin).filter(|name| self.needs(&[name], need)).collect()
    }

    /// Returns whether all that is asked of the probe is a count by little of the task: then it is made before any memory
    /// is taken, as long as no param is set and nothing is to be refused.
    #[must_use]
    pub fn counts_at_once(&self) -> bool {
        /// `KRSI_FIRST_GROUP_SIZE` of the templates, in bytes.
        const ROOM: usize = 56;
        let [aggregation] = &*self.aggregations else { return false };
        let early = &self.template.layout.early;
        aggregation.kind == Kind::Count
            && self.filter.is_none()
            && aggregation.group_size() <= ROOM
            && aggregation.by.iter().all(|taken| early.iter().any(|field| field.name == taken.field.name))
    }
}
