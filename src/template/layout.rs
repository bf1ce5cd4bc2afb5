//! Where things lie in a template's maps, and which program is for what.
//!
//! Read from the object once, so that neither side can drift from the other: what Rust uses must be there, and what is
//! there must be used, or the object is no template.

use serde::{Deserialize, Serialize};

/// Where the control words lie that the kernel side reads on every decision,
/// which counter is which, and which program belongs to which hook.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Layout {
    pub control: Control,
    /// Size of the settings map's value in bytes.
    pub settings_size: usize,
    pub counters: CounterIndex,
    /// Number of each kind of scope: its bit in the control word, and its mark on a member.
    pub scope_kinds: Vec<(String, u32)>,
    /// What a pre-filter can read.
    pub early: Vec<EarlyField>,
    pub summary_kinds: SummaryKinds,
    /// LSM hook and the name of the program for it, in the order of the object.
    pub programs: Vec<(String, String)>,
    /// Kernel function and program of those hooks whose function has other arguments than the hook itself.
    pub doors: Vec<(String, String)>,
    /// Those of the hooks that are functions of the kernel's, and no LSM hooks.
    pub functions: Vec<Function>,
    /// Tracepoint and program of what the template watches beside its hooks, to know what
    /// they ask for.
    pub trackers: Vec<(String, String)>,
    /// Tables with at most one entry for each task.
    pub by_task: Vec<String>,
    /// Iterator and program of what a tracker would have seen before the attach.
    pub seeds: Vec<(String, String)>,
    /// Index of the field from which on only what is in use is sent, one packed behind the other; without a path, the
    /// number of fields.
    pub packed_from: usize,
    /// How many of the fields are the header's or the origin's; they come first.
    pub header: usize,
    /// Size of the origin, which stands before the event.
    pub origin_size: usize,
    /// What observes where LSM programs cannot be had.
    pub observers: Vec<Observer>,
}

/// Declares a struct of numbers that an object gives under these names, and how it is read.
macro_rules! numbers {
    ($(#[$about:meta])* $name:ident: $number:ty { $($(#[$doc:meta])* $member:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$doc])* pub $member: $number,)*
        }

        impl $name {
            /// Names of all members, as the object has them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($member)),*];

            /// Takes the numbers from what the object has.
            ///
            /// # Errors
            /// If it lacks one, or has one that is not known here.
            pub(super) fn read(of: &str, known: &[(String, $number)]) -> Result<Self, String> {
                if let Some((name, _)) = known.iter().find(|(name, _)| !Self::NAMES.contains(&name.as_str())) {
                    return Err(format!("{of} has a `{name}`, which is not known here"));
                }
                let number = |wanted: &str| {
                    let found = known.iter().find(|(name, _)| name == wanted);
                    found.map(|(_, number)| *number).ok_or_else(|| format!("{of} has no `{wanted}`"))
                };
                Ok($name { $($member: number(stringify!($member))?,)* })
            }
        }
    };
}

numbers! {
    /// Byte offset of each control word (all `u64`) in the settings map's value.
    Control: usize {
        /// Mode, signal, errno, and what an error does.
        mode,
        lease_ns,
        quiet,
        epoch,
        /// Which generation of programs decides.
        turn,
        /// When the breaker has tripped last.
        tripped_ns,
        /// Since when refusals count for the breaker.
        trip_from_ns,
    }
}

numbers! {
    /// Index of each counter in the counters map.
    CounterIndex: u32 {
        out_of_scope,
        filtered,
        allow,
        would_deny,
        deny,
        kill,
        emitted,
        suppressed,
        lost_ring,
        errors,
        lapsed,
        guarded,
        overflow,
        would_ask,
        asked,
        answered,
        timed_out,
        withdrawn,
        otherwise,
        /// Of the suppressed, by `.limit(…)`.
        limited,
        /// Of the suppressed, by `.sample(…)`.
        sampled_out,
    }
}

numbers! {
    /// Number of each way to aggregate.
    SummaryKinds: u32 {
        none,
        count,
        number,
        log2,
        linear,
        distinct,
    }
}

/// A field of the header that is known before anything is gathered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyField {
    pub name: String,
    /// Which bit of the constant asks for it.
    pub bit: u32,
    /// Byte offset in `struct krsi_early`.
    pub offset: usize,
}

/// A function of the kernel's that a program is attached to, whatever the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    /// Whether the program's return value replaces the function's.
    pub refuses: bool,
}

/// A program that sees what a hook would, and has no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observer {
    pub at: ObservedAt,
    pub program: String,
}

/// Where an observer is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObservedAt {
    /// A tracepoint with BTF types (`tp_btf/…`).
    Tracepoint(String),
    /// The entry of a kernel function (`fentry/…`).
    Function(String),
}

impl std::fmt::Display for ObservedAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ObservedAt::Tracepoint(name) => write!(f, "tracepoint {name}"),
            ObservedAt::Function(name) => write!(f, "function {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_each_number_and_no_other() {
        let numbers =
            |names: &[&str]| -> Vec<(String, u32)> { names.iter().map(|n| (*n).into()).zip(1..).collect() };
        let read = |names: &[&str]| SummaryKinds::read("enum k", &numbers(names));
        let all = SummaryKinds::NAMES;
        assert_eq!(read(all).map(|kinds| (kinds.none, kinds.distinct)), Ok((1, 6)));
        assert_eq!(read(&all[1..]), Err("enum k has no `none`".into()));
        let more: Vec<_> = all.iter().copied().chain(["other"]).collect();
        assert_eq!(read(&more), Err("enum k has a `other`, which is not known here".into()));
    }
}
