//! Another filter for an attached probe.
//!
//! A filter is part of the hooks' programs, so these are loaded once more, over the same maps: params, tables, books,
//! events and aggregations go on. The turn passes, the new generation is attached beside the previous one, and that
//! leaves. At no moment does neither decide, and no operation is decided twice
//! (ebpf-templates/include/krsi_turns.bpf.h). If anything fails before, the previous one has never stopped.
//!
//! Where trampolines call programs it leaves late: a task may have come to the hook before the new one was there, and be put
//! aside before it is asked. On 7.3 the kernel then skips programs that have left, also in what is under way.

use std::time::{Duration, Instant};

use crate::{
    kernel::{
        Kernel, KernelError,
        attach::{
            attachment::Attachment,
            hooks::Hooks,
            plan::{self, Own},
        },
        load::{self, program::Sort},
        maps::grace,
    },
    probe::Spec,
};

/// `enum krsi_change` of the templates, above a generation's number.
const NEWER_FIRST: u64 = 1 << 32;
const OLDER_ALONE: u64 = 2 << 32;
const OLDER_FIRST: u64 = 3 << 32;
const OLDER_LEAVES: u64 = 4 << 32;

/// A task that came to a hook so long ago, and was put aside there between two programs, has been asked by now. One that
/// was put aside inside a program is waited for.
const PASSES: Duration = Duration::from_secs(1);
/// Generations that may wait for that at once: a hook has room for 38 programs (BPF_MAX_TRAMP_LINKS), of all probes.
const WAITING: usize = 4;

impl Attachment {
    /// Puts the filter of `spec`, which is else as it was attached, in the place of the previous one. Takes up to a second
    /// where filters change several times a second.
    ///
    /// # Errors
    /// If the kernel refuses the new programs, or has no room for them beside the previous ones; then those still decide.
    pub fn set_filter(&mut self, kernel: &Kernel, spec: &Spec) -> Result<(), KernelError> {
        if let Some(name) = self.pinned() {
            return Err(KernelError::PinnedFilter { name: name.to_owned() });
        }
        let impossible =
            |error: String| KernelError::Program { what: "put another filter in place".into(), error };
        let types = kernel.types()?;
        let order = self.hooks.order().ok_or_else(|| impossible("its hooks are of two kinds".into()))?;
        let generation = match order {
            // Notes tell of one that could not be attached everywhere, too: its number is not used again.
            Order::NewerFirst => self.latest.wrapping_add(1),
            // One number ahead is the newer one.
            Order::OlderFirst => self.generation.wrapping_add(1),
        };
        let own = Own { id: self.id, generation, door: self.door };
        let plan = plan::plan(spec, own, &self.scope, types, kernel.processes_for(spec)?)?;
        let sizes = plan::sizes(spec, self.scope.size());
        let loaded = load::load_over(types, &plan, &sizes, &self.hooks.object)?;
        let mut newer = Hooks { object: loaded.object, programs: loaded.programs };
        self.make_room()?;
        let was = self.load(|control| control.turn)?;
        let turn = u64::from(generation);
        self.latest = generation;
        let passed = match order {
            Order::NewerFirst => {
                self.store(|control| control.turn, NEWER_FIRST | turn).and_then(|()| newer.attach())
            }
            Order::OlderFirst => self.pass_at_tracepoint(&mut newer, turn),
        };
        if let Err(error) = passed {
            self.store(|control| control.turn, was)?;
            return Err(error);
        }
        self.generation = generation;
        let older = std::mem::replace(&mut self.hooks, newer);
        self.label_programs();
        match order {
            Order::NewerFirst => self.older.wait(older, Instant::now() + PASSES),
            Order::OlderFirst => self.let_leave(older),
        }
        Ok(())
    }

    fn pass_at_tracepoint(&self, newer: &mut Hooks, turn: u64) -> Result<(), KernelError> {
        let pass = |change: u64| self.store(|control| control.turn, change | turn);
        pass(OLDER_ALONE)?;
        newer.attach()?;
        pass(OLDER_FIRST)?;
        wait_for_programs()?;
        pass(OLDER_LEAVES)
    }

    fn let_leave(&mut self, mut older: Hooks) {
        self.keep_missed(&older);
        older.detach();
        self.older.settle_at(Instant::now() + PASSES);
        // The first generation's object also follows what the tables are about.
        self.first.get_or_insert(older.object);
    }

    /// Waits until not too many generations are attached.
    fn make_room(&mut self) -> Result<(), KernelError> {
        self.settle(Instant::now())?;
        while self.older.count() >= WAITING
            && let Some(leaves) = self.older.next_leaves()
        {
            std::thread::sleep(leaves.saturating_duration_since(Instant::now()));
            self.settle(Instant::now())?;
        }
        Ok(())
    }

    /// Waits until one generation alone is attached, and the turn is its.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub(super) fn settle_all(&mut self) -> Result<(), KernelError> {
        const PAUSE: Duration = Duration::from_millis(20);
        while self.older.is_there() {
            std::thread::sleep(PAUSE);
            self.settle(Instant::now())?;
        }
        Ok(())
    }

    /// Lets previous generations leave that nobody has ahead of it any more.
    ///
    /// # Errors
    /// If programs cannot be waited for; they stay then, and decide nothing.
    pub(super) fn settle(&mut self, now: Instant) -> Result<(), KernelError> {
        if self.older.next_leaves().is_some_and(|leaves| leaves <= now) {
            wait_for_programs()?;
        }
        while let Some(older) = self.older.take_due(now) {
            self.let_leave(older);
        }
        if self.older.take_settled(now) {
            self.store(|control| control.turn, self.generation.into())?;
        }
        Ok(())
    }
}

fn wait_for_programs() -> Result<(), KernelError> {
    grace::wait_for_programs()
        .map_err(|error| KernelError::Host { what: "wait for programs that are running".into(), error })
}

/// Which of two generations an operation comes by first.
#[derive(Clone, Copy)]
enum Order {
    NewerFirst,
    OlderFirst,
}

impl Hooks {
    /// A trampoline begins with the program attached last (kernel/bpf/trampoline.c, `bpf_trampoline_link_prog`), a
    /// tracepoint with the one attached first (kernel/tracepoint.c, `func_add`). `None`: some are this, some that.
    fn order(&self) -> Option<Order> {
        let at_tracepoint = |(_, name): &(String, String)| self.object.sort(name) == Some(Sort::Tracepoint);
        match self.programs.iter().filter(|hook| at_tracepoint(hook)).count() {
            0 => Some(Order::NewerFirst),
            count if count == self.programs.len() => Some(Order::OlderFirst),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn steps_are_the_templates_own() {
        let shapes = Shapes::of("file_open");
        let change = |name: &str| shapes.number("krsi_change", name) << 32;
        assert_eq!(change("KRSI_STEADY"), 0);
        assert_eq!(NEWER_FIRST, change("KRSI_NEWER_FIRST"));
        assert_eq!(OLDER_ALONE, change("KRSI_OLDER_ALONE"));
        assert_eq!(OLDER_FIRST, change("KRSI_OLDER_FIRST"));
        assert_eq!(OLDER_LEAVES, change("KRSI_OLDER_LEAVES"));
    }
}
