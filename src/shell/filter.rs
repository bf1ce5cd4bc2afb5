//! Which events are shown while somebody types: all, none, or those of one probe.

/// What `:events` has set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shown {
    #[default]
    All,
    None,
    /// Those of the probe of this name, and what belongs to no probe.
    Of(String),
}

/// The setting, and whether what is written just now falls under it.
#[derive(Debug, Default)]
pub struct Filter {
    shown: Shown,
    /// What is written is about an event of a probe that is not shown.
    other: bool,
    /// Lines not shown.
    hidden: u64,
}

impl Filter {
    /// Gives how many lines the former setting has hidden.
    pub fn set(&mut self, shown: Shown) -> u64 {
        self.shown = shown;
        std::mem::take(&mut self.hidden)
    }

    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// What is written from here on is about an event of this probe, or of none.
    pub fn about(&mut self, probe: Option<&str>) {
        self.other = match (&self.shown, probe) {
            (Shown::Of(wanted), Some(probe)) => wanted != probe,
            _ => false,
        };
    }

    /// Whether a line about an event is to be left out; it is counted then.
    pub fn hides(&mut self) -> bool {
        let hides = self.shown == Shown::None || self.other;
        self.hidden += u64::from(hides);
        hides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probes_events_are_shown_and_the_others_counted() {
        let mut filter = Filter::default();
        filter.set(Shown::Of("web".into()));
        for probe in [Some("web"), Some("db"), Some("db"), None] {
            filter.about(probe);
            assert_eq!(filter.hides(), probe == Some("db"));
        }
        assert_eq!(filter.set(Shown::None), 2);
        filter.about(None);
        assert!(filter.hides());
    }
}
