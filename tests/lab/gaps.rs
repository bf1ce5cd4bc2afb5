//! What a kernel of the matrix cannot do, each with its reason. A gap that has
//! closed fails the suite, so that it is deleted here.

/// One step that is expected to fail on one kernel.
pub struct Gap {
    pub kernel: &'static str,
    pub template: &'static str,
    pub step: &'static str,
    pub reason: &'static str,
}

pub const GAPS: &[Gap] = &[
    Gap {
        kernel: "5.10",
        template: "file_open",
        step: "a loss leaves a gap in the numbers",
        reason: "LSM programs have neither bpf_spin_lock nor an atomic addition that gives its result, so the \
                 reader numbers the events",
    },
    Gap {
        kernel: "5.10",
        template: "aggregation",
        step: "least, greatest, mean",
        reason: "the least and the greatest value need bpf_spin_lock, which LSM programs have from 6.1 on; the \
                 attach is refused and says so",
    },
    Gap {
        kernel: "5.10",
        template: "io_uring",
        step: "the making of a ring is refused",
        reason: "the hooks are there from 5.16 on; the attach is refused and says so",
    },
];

pub fn gap(kernel: &str, template: &str, step: &str) -> Option<&'static Gap> {
    GAPS.iter().find(|g| g.kernel == kernel && g.template == template && g.step == step)
}
