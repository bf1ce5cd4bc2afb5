//! What somebody who watches sees of each attached probe: its counts at this moment, and the
//! groups it counts most of. Looking changes nothing, and tells nobody that it was told.

use std::time::{Duration, Instant};

use super::Session;
use crate::{
    probe::{Counters, Mode, Summary},
    script::handle::ProbeHandle,
};

/// One probe at one moment.
#[derive(Debug, Clone)]
pub struct Glance {
    pub name: String,
    pub mode: Mode,
    /// Its lease has run out: what it would refuse it allows.
    pub lapsed: bool,
    /// Its breaker has tripped: the same.
    pub tripped: bool,
    pub counters: Counters,
    /// Its aggregations, the largest groups first.
    pub summaries: Vec<Summary>,
}

/// Looks again and again, and takes care that looking does not become the session's work.
#[derive(Debug, Default)]
pub struct Watch {
    /// Tables may be large: they are read again only when this has passed.
    tables_due: Option<Instant>,
    last: Vec<(String, Vec<Summary>)>,
}

/// Reading tables may take this share of the time, one in so many.
const SHARE: u32 = 20;

impl Watch {
    /// Each attached probe, with at most so many groups of each aggregation. A probe whose counters cannot
    /// be read is left out.
    #[must_use]
    pub fn look(&mut self, session: &Session, groups: usize) -> Vec<Glance> {
        let begun = Instant::now();
        let probes = session.attached();
        if self.tables_due.is_none_or(|due| due <= begun) {
            let read = |probe: &ProbeHandle| {
                let summaries = probe.look_at_summaries().unwrap_or_default();
                (probe.name(), summaries.into_iter().map(|summary| summary.first(groups)).collect())
            };
            self.last = probes.iter().map(read).collect();
            let pause = (begun.elapsed() * SHARE).max(Duration::from_millis(500));
            self.tables_due = Some(Instant::now() + pause);
        }
        probes.iter().filter_map(|probe| self.glance(probe, begun)).collect()
    }

    fn glance(&self, probe: &ProbeHandle, now: Instant) -> Option<Glance> {
        let name = probe.name();
        let summaries = self.last.iter().find(|(known, _)| *known == name);
        Some(Glance {
            mode: probe.mode(),
            lapsed: probe.mode().enforces() && probe.lease_ends().is_some_and(|end| end <= now),
            tripped: probe.tripped(),
            counters: probe.counters().ok()?,
            summaries: summaries.map(|(_, summaries)| summaries.clone()).unwrap_or_default(),
            name,
        })
    }
}
