//! The BPF programs that the kernel has: what the backend finds, as a record. How they are found is the backend's matter.

use super::record::record;

record! {
    /// One BPF program.
    Program {
        /// Its id.
        id: u32,
        /// Its name, up to 15 bytes.
        name: String,
        /// Its kind: `lsm`, `tracing`, `kprobe`, `cgroup_skb` …
        kind: String,
        /// What it is attached to: `bprm_check_security` (a hook), `tcp:tcp_retransmit_skb` …; `()` if that cannot be told.
        target: Option<String>,
        /// Whether a link holds it attached, as far as that can be told.
        linked: bool,
        /// Processes that hold it, or a link to it.
        pids: Vec<u32>,
        /// When it was loaded, in seconds since 1970.
        loaded: Option<i64>,
        /// User id of who loaded it.
        uid: Option<u32>,
        /// Its tag: programs with the same instructions have the same.
        tag: String,
        /// Whether it is one of krsi-sh's, of this session or another.
        ours: bool,
        /// The probe that it is of, in a line: its name, template, mode and rule; `()` if it is of none.
        probe: Option<String>,
        /// The pin that keeps it attached without a session; `()` if none does.
        pin: Option<String>,
    }
}
