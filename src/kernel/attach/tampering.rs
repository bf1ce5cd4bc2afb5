//! What another process has changed of an attached probe: with the privilege for that, any process may write to its maps.
//!
//! All that this shell alone writes is compared with what it has left there, and put back: the words of the settings, whom the probe
//! spares, who is in scope, the tables of params; and each link is looked at. One thing is not put back: that a probe only
//! observes. That is how `krsi-sh panic` works, and whoever wants a machine to be let alone has the last word.
//!
//! What cannot be written any more once it is loaded is not looked at: constants, sets and tables of the filter (frozen).

use std::time::Instant;

use crate::{
    backend::Altered,
    kernel::{KernelError, attach::attachment::Attachment, errno::chain, maps::settings::AlteredWord},
};

/// The bit of a mode's word that the waker's keeper writes: hold nothing.
const HOLD_NOTHING: u64 = 1 << 33;
const OBSERVE: u64 = 0;
/// Looking at tables of thousands of entries may take this share of the time, one in so many.
const SHARE: u32 = 50;

fn put_back(what: String) -> Altered {
    Altered { what: format!("{what}; that was put back"), observes: false }
}

/// What is to be said of entries of the scope's that were put there, or taken out.
fn of_scope((put, taken): (usize, usize)) -> Option<Altered> {
    (put + taken > 0).then(|| {
        put_back(format!("had its scope changed by another process ({put} put there, {taken} taken out)"))
    })
}

impl Attachment {
    /// Looks whether anything of it is not as this shell has left it, and puts back what can be. Without `asking`, nothing is looked at
    /// for which the kernel has to be asked by bpf(2): the settings are, and whether a link was closed.
    ///
    /// # Errors
    /// If something cannot be looked at, or not be put back.
    pub fn altered(&mut self, asking: bool) -> Result<Vec<Altered>, KernelError> {
        let mut altered = Vec::new();
        match self.restore(asking, &mut altered) {
            // What was found before is told; the trouble is the same next time.
            Err(error) if altered.is_empty() => Err(error),
            _ => Ok(altered),
        }
    }

    fn restore(&mut self, asking: bool, altered: &mut Vec<Altered>) -> Result<(), KernelError> {
        for word in self.settings.altered() {
            altered.extend(self.restore_word(word)?);
        }
        altered.extend(self.restore_links(asking));
        if !asking {
            return Ok(());
        }
        if let Some(name) = self.lost_pin() {
            altered.push(Altered {
                what: format!(
                    "was unpinned by somebody else (`{name}`): it ends with this session now; `.pin(\"{name}\", …)` pins it again"
                ),
                observes: false,
            });
        }
        let unreadable =
            |error: aya::maps::MapError| KernelError::Table { table: "krsi_guard", reason: chain(&error) };
        let (put, taken) = self.waker.restore().map_err(unreadable)?;
        for (pids, what) in [
            (put, "was made by another process to spare"),
            (taken, "was made by another process to spare no more"),
        ] {
            if !pids.is_empty() {
                let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
                altered.push(put_back(format!("{what} process {}", pids.join(", "))));
            }
        }
        altered.extend(of_scope(self.scope.restore()?));
        altered.extend(of_scope(self.scope.restore_ways()?));
        let begun = Instant::now();
        if self.tables_due > begun {
            return Ok(());
        }
        altered.extend(of_scope(self.scope.restore_parts()?));
        let restored = self.tables.restore()?;
        self.tables_due = Instant::now() + begun.elapsed() * SHARE;
        for (table, put, taken) in restored {
            altered.push(put_back(format!(
                "had a table of its params (`{table}`) changed by another process ({put} put there, {taken} taken out)"
            )));
        }
        Ok(())
    }

    fn restore_word(&self, word: AlteredWord) -> Result<Option<Altered>, KernelError> {
        let AlteredWord { offset, left, found } = word;
        let control = self.template.layout.control;
        // The kernel's side writes it.
        if offset == control.tripped_ns {
            return Ok(None);
        }
        if offset == control.mode {
            if (left ^ found) & !HOLD_NOTHING == 0 {
                return Ok(None);
            }
            if found & 0xff == OBSERVE {
                self.settings.accept(offset)?;
                let what = "only observes since now: another process (`krsi-sh panic`?) has made it; set its mode again to enforce";
                return Ok(Some(Altered { what: what.into(), observes: true }));
            }
        }
        // Whoever holds a pin renews its lease.
        if offset == control.lease_ns && self.pinned.is_some() {
            self.settings.accept(offset)?;
            return Ok(None);
        }
        // Of the mode's word that bit is another's.
        let kept = if offset == control.mode { found & HOLD_NOTHING } else { 0 };
        self.settings.store(offset, left | kept)?;
        Ok(Some(put_back(match offset {
            at if at == control.mode => format!(
                "had its mode changed by another process, from {} to {}",
                mode_in_words(left),
                mode_in_words(found)
            ),
            at if at == control.lease_ns => {
                let until = |word: u64| if word == 0 { "never".to_owned() } else { format!("{word} ns") };
                format!(
                    "had the end of its enforcement changed by another process, from {} to {} on the monotonic clock",
                    until(left),
                    until(found)
                )
            }
            at if at == control.quiet => "had its events turned on or off by another process".to_owned(),
            at if at == control.turn => {
                "had another generation of its programs decide, by another process".to_owned()
            }
            at if at == control.epoch => "had its summaries changed by another process".to_owned(),
            at if at == control.trip_from_ns => {
                "had what its breaker counts changed by another process".to_owned()
            }
            at => match self.template.params.iter().find(|param| param.offset == at) {
                Some(param) => format!("had its param `{}` changed by another process", param.name),
                None => format!("had its settings changed by another process, at byte {at}"),
            },
        })))
    }

    fn restore_links(&mut self, asking: bool) -> Vec<Altered> {
        let lost = self.hooks.object.attach_lost(asking);
        let place = |name: &str| {
            let programs = &self.hooks.programs;
            let hook = programs.iter().find(|(_, program)| program == name).map(|(place, _)| place);
            hook.map_or_else(|| format!("program `{name}`"), |hook| format!("hook `{hook}`"))
        };
        let said = |(name, again): (String, std::io::Result<()>)| {
            let what = format!("was detached by another process from {}", place(&name));
            let done = match again {
                Ok(()) => "; it was attached again".to_owned(),
                Err(error) => format!(
                    ", and cannot be attached again ({}): nothing is seen or refused there; `.detach()` and `.attach()` begin anew",
                    chain(&error)
                ),
            };
            Altered { what: format!("{what}{done}"), observes: false }
        };
        lost.into_iter().map(said).collect()
    }
}

/// `struct krsi_control.mode` of the templates, for people.
fn mode_in_words(word: u64) -> String {
    match word & 0xff {
        OBSERVE => "observe".to_owned(),
        1 => "shadow".to_owned(),
        2 => format!("deny (errno {})", word >> 16 & 0xffff),
        3 => format!("kill (signal {})", word >> 8 & 0xff),
        4 => "ask".to_owned(),
        other => format!("{other}, which is none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn modes_are_told_by_the_templates_own_numbers() {
        let shapes = Shapes::of("file_open");
        for (name, said) in [
            ("KRSI_MODE_OBSERVE", "observe"),
            ("KRSI_MODE_SHADOW", "shadow"),
            ("KRSI_MODE_DENY", "deny (errno 0)"),
            ("KRSI_MODE_KILL", "kill (signal 0)"),
            ("KRSI_MODE_ASK", "ask"),
        ] {
            assert_eq!(mode_in_words(shapes.number("krsi_mode", name)), said);
        }
    }
}
