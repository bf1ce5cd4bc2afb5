//! Another filter for an attached probe.
//!
//! A filter is part of the hooks' programs, so these are loaded once more, over the same maps: params, tables, books,
//! events and aggregations go on. The new generation is attached while the settings say that it is not its turn;
//! then the turn passes, in steps between which every program that read the previous word has ended;
//! then the previous generation leaves. At no moment does neither decide, and no operation is decided twice
//! (ebpf-templates/include/krsi_turns.bpf.h). If anything fails before, the previous one has never stopped.

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
const OLDER_TELLS: u64 = 2 << 32;
const NEWER_ASKS: u64 = 3 << 32;

impl Attachment {
    /// Puts the filter of `spec`, which is else as it was attached, in the place of the previous one.
    ///
    /// # Errors
    /// If the kernel refuses the new programs, or has no room for them beside the previous ones; then those still decide.
    pub fn set_filter(&mut self, kernel: &Kernel, spec: &Spec) -> Result<(), KernelError> {
        let impossible =
            |error: String| KernelError::Program { what: "put another filter in place".into(), error };
        let types = kernel.types()?;
        let generation = self.generation.wrapping_add(1);
        let own = Own { id: self.id, generation, door: self.door };
        let plan = plan::plan(spec, own, &self.scope, types, kernel.processes_for(spec)?)?;
        let sizes = plan::sizes(spec, self.scope.size());
        let loaded = load::load_over(types, &plan, &sizes, &self.hooks.object)?;
        let mut newer = Hooks { object: loaded.object, programs: loaded.programs };
        let turn = u64::from(generation);
        let steps: &[u64] = match newer.order() {
            Some(Order::NewerFirst) => &[NEWER_FIRST],
            Some(Order::OlderFirst) => &[OLDER_TELLS, NEWER_ASKS],
            None => return Err(impossible("its hooks are of two kinds".into())),
        };
        newer.attach()?;
        let mut words = steps.iter().map(|step| step | turn).chain([turn]);
        if let Err(error) = words.try_for_each(|word| self.pass_turn(word)) {
            // Before the newer one leaves, or there would be a moment in which neither decides.
            self.store(|control| control.turn, self.generation.into())?;
            return Err(error);
        }
        self.generation = generation;
        let mut older = std::mem::replace(&mut self.hooks, newer);
        self.keep_missed(&older);
        older.detach();
        // The first generation's object also follows what the tables are about.
        self.first.get_or_insert(older.object);
        Ok(())
    }

    fn pass_turn(&self, word: u64) -> Result<(), KernelError> {
        self.store(|control| control.turn, word)?;
        grace::wait_for_programs()
            .map_err(|error| KernelError::Host { what: "wait for programs that are running".into(), error })
    }
}

/// Which of two generations an operation comes by first.
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
        assert_eq!(OLDER_TELLS, change("KRSI_OLDER_TELLS"));
        assert_eq!(NEWER_ASKS, change("KRSI_NEWER_ASKS"));
    }
}
