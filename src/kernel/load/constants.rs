//! What an object is told once, before anything reads it. The verifier then prunes what that makes unreachable.

use crate::backend::Door;

/// The constants of a template's object, but for those that follow from its filter.
#[derive(Debug, Clone)]
pub struct Constants {
    pub probe_id: u32,
    /// `KERNEL_VERSION` of the running kernel.
    pub kernel: u32,
    /// Of the programs: 0, and one more for each filter that has replaced another since the attach.
    pub generation: u32,
    pub door: Door,
    pub exe: FindsExe,
    /// Whether the directory of the task is found.
    pub cwd: bool,
    /// Whether owner, permissions and layer of the hook's file are found.
    pub file: bool,
    /// `enum krsi_stack` of the templates: which stacks are kept.
    pub stacks: u32,
    /// `krsi_summaries` of the templates; nothing if nothing is counted.
    pub summaries: Vec<u8>,
    /// Whether the running kernel lets a program say what is behind an address.
    pub casts: bool,
    /// Tasks that can be in the hooks at once: a power of two.
    pub slots: u32,
    pub fields: Fields,
    pub path: FindsPath,
    pub origin: Origin,
    /// `krsi_first_by` of the templates: what is counted before memory is taken, if all that is counted can be.
    pub first: Option<Vec<u8>>,
    pub scope: ScopeConstants,
    pub ask: Option<AskConstants>,
    /// How long a refusal counts for the breaker, in nanoseconds; 0: there is none.
    pub trip_ns: u64,
    pub limits: LimitConstants,
}

/// Which events are not sent; 0: no such limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitConstants {
    /// Of each so many one is.
    pub sample: u32,
    pub events: u32,
    pub within_ns: u64,
    pub process_events: u32,
    pub process_within_ns: u64,
}

/// What a probe needs to know that asks.
#[derive(Debug, Clone, Copy)]
pub struct AskConstants {
    /// How long an operation is held at most, in milliseconds.
    pub milliseconds: u32,
    /// This process, in the initial pid namespace.
    pub shell: u32,
    /// Of the hash that says which operation it is.
    pub key: [u64; 2],
}

/// Which fields of the task are gathered for what, a bit for each (`enum krsi_early_field` of the templates).
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub filter: u32,
    pub summaries: u32,
    pub events: u32,
}

/// Which parts of the origin are gathered when, each once, a bit for each (`enum krsi_origin_part` of the templates), and how many
/// bytes of its end are sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    pub filter: u32,
    pub summaries: u32,
    pub events: u32,
    pub sent: u32,
}

/// `enum krsi_path_for` of the templates: when the path of the hook's file is found.
#[derive(Debug, Clone, Copy)]
pub enum FindsPath {
    ForEvents = 0,
    Always = 1,
    Never = 2,
}

/// What stands in the program of a scope.
#[derive(Debug, Clone, Default)]
pub struct ScopeConstants {
    /// Kinds in force, a bit for each.
    pub kinds: u64,
    /// `krsi_scope_few` of the templates.
    pub few: Vec<u8>,
    /// `krsi_scope_depths` of the templates.
    pub depths: Vec<u8>,
}

/// `enum krsi_exe` of the templates: when the path of the task's executable is found.
#[derive(Debug, Clone, Copy)]
pub enum FindsExe {
    ForEvents = 0,
    ForSummaries = 1,
    ForFilter = 2,
    Never = 3,
}

fn key_bytes(key: [u64; 2]) -> Vec<u8> {
    key.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// `enum krsi_door` of the templates.
fn door_number(door: Door) -> u32 {
    match door {
        Door::Lsm => 0,
        Door::FmodRet => 1,
        Door::Observe => 2,
    }
}

/// The constant that says what is counted.
pub const SUMMARIES: &str = "krsi_summaries";

impl Constants {
    /// Those that are a number, by name.
    pub fn numbers(&self) -> [(&'static str, u32); 26] {
        [
            ("krsi_probe_id", self.probe_id),
            ("krsi_kernel", self.kernel),
            ("krsi_generation", self.generation),
            ("krsi_door", door_number(self.door)),
            ("krsi_exe", self.exe as u32),
            ("krsi_cwd", u32::from(self.cwd)),
            ("krsi_file_told", u32::from(self.file)),
            ("krsi_stacks_wanted", self.stacks),
            ("krsi_casts", u32::from(self.casts)),
            ("krsi_slots", self.slots),
            ("krsi_filter_fields", self.fields.filter),
            ("krsi_summary_fields", self.fields.summaries),
            ("krsi_event_fields", self.fields.events),
            ("krsi_path_for", self.path as u32),
            ("krsi_origin_parts", self.origin.filter | self.origin.summaries | self.origin.events),
            ("krsi_filter_origin", self.origin.filter),
            ("krsi_summary_origin", self.origin.summaries),
            ("krsi_event_origin", self.origin.events),
            ("krsi_origin_sent", self.origin.sent),
            ("krsi_counts_first", u32::from(self.first.is_some())),
            ("krsi_asks", u32::from(self.ask.is_some())),
            ("krsi_ask_ms", self.ask.map_or(0, |ask| ask.milliseconds)),
            ("krsi_ask_shell", self.ask.map_or(0, |ask| ask.shell)),
            ("krsi_sample_every", self.limits.sample),
            ("krsi_limit_events", self.limits.events),
            ("krsi_limit_process_events", self.limits.process_events),
        ]
    }

    /// Those that are more than a number, by name; what is shorter than its place begins it.
    pub fn bytes(&self) -> [(&'static str, Vec<u8>); 9] {
        [
            (SUMMARIES, self.summaries.clone()),
            ("krsi_first_by", self.first.clone().unwrap_or_default()),
            ("krsi_scope_kinds", self.scope.kinds.to_ne_bytes().to_vec()),
            ("krsi_trip_ns", self.trip_ns.to_ne_bytes().to_vec()),
            ("krsi_limit_ns", self.limits.within_ns.to_ne_bytes().to_vec()),
            ("krsi_limit_process_ns", self.limits.process_within_ns.to_ne_bytes().to_vec()),
            ("krsi_scope_few", self.scope.few.clone()),
            ("krsi_scope_depths", self.scope.depths.clone()),
            ("krsi_ask_key", self.ask.map_or_else(Vec::new, |ask| key_bytes(ask.key))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn doors_are_numbered_as_the_templates_have_them() {
        let shapes = Shapes::of("file_open");
        for (door, name) in [
            (Door::Lsm, "KRSI_DOOR_LSM"),
            (Door::FmodRet, "KRSI_DOOR_FMOD_RET"),
            (Door::Observe, "KRSI_DOOR_OBSERVE"),
        ] {
            assert_eq!(u64::from(door_number(door)), shapes.number("krsi_door", name));
        }
    }

    #[test]
    fn paths_are_found_when_the_templates_say() {
        let shapes = Shapes::of("file_open");
        for (when, name) in [
            (FindsExe::ForEvents, "KRSI_EXE_FOR_EVENTS"),
            (FindsExe::ForSummaries, "KRSI_EXE_FOR_SUMMARIES"),
            (FindsExe::ForFilter, "KRSI_EXE_FOR_FILTER"),
            (FindsExe::Never, "KRSI_EXE_NEVER"),
        ] {
            assert_eq!(when as u64, shapes.number("krsi_exe", name));
        }
        for (when, name) in [
            (FindsPath::ForEvents, "KRSI_PATH_FOR_EVENTS"),
            (FindsPath::Always, "KRSI_PATH_ALWAYS"),
            (FindsPath::Never, "KRSI_PATH_NEVER"),
        ] {
            assert_eq!(when as u64, shapes.number("krsi_path_for", name));
        }
    }
}
