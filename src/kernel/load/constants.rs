//! What an object is told once, before anything reads it. The verifier then prunes what that makes unreachable.

/// The constants of a template's object, but for those that follow from its filter.
#[derive(Debug, Clone)]
pub struct Constants {
    pub probe_id: u32,
    /// `KERNEL_VERSION` of the running kernel.
    pub kernel: u32,
    /// Of the programs: 0, and one more for each filter that has replaced another since the attach.
    pub generation: u32,
    pub reach: Reach,
    pub exe: FindsExe,
    /// Whether the directory of the task is found.
    pub cwd: bool,
    /// `enum krsi_stack` of the templates: which stacks are kept.
    pub stacks: u32,
    /// `krsi_summaries` of the templates; nothing if nothing is counted.
    pub summaries: Vec<u8>,
}

/// Whether the hooks' programs can be had, or only what observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Lsm,
    AuditOnly,
}

/// `enum krsi_exe` of the templates: when the path of the task's executable is found.
#[derive(Debug, Clone, Copy)]
pub enum FindsExe {
    ForEvents = 0,
    ForSummaries = 1,
    ForFilter = 2,
    Never = 3,
}

/// The constant that says what is counted.
pub const SUMMARIES: &str = "krsi_summaries";

impl Constants {
    /// Those that are a number, by name.
    pub fn numbers(&self) -> [(&'static str, u32); 7] {
        [
            ("krsi_probe_id", self.probe_id),
            ("krsi_kernel", self.kernel),
            ("krsi_generation", self.generation),
            ("krsi_audit_only", u32::from(self.reach == Reach::AuditOnly)),
            ("krsi_exe", self.exe as u32),
            ("krsi_cwd", u32::from(self.cwd)),
            ("krsi_stacks_wanted", self.stacks),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn the_executable_is_found_when_the_templates_say() {
        let shapes = Shapes::of("file_open");
        for (when, name) in [
            (FindsExe::ForEvents, "KRSI_EXE_FOR_EVENTS"),
            (FindsExe::ForSummaries, "KRSI_EXE_FOR_SUMMARIES"),
            (FindsExe::ForFilter, "KRSI_EXE_FOR_FILTER"),
            (FindsExe::Never, "KRSI_EXE_NEVER"),
        ] {
            assert_eq!(when as u64, shapes.number("krsi_exe", name));
        }
    }
}
