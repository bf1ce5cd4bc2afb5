//! Claims about the template `io_uring`, with a ring that does one thing at a time.

use std::{fs, os::fd::AsRawFd};

use krsi_sh::redteam::ring::{self, Entry, NOP, Ring, setup};
use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

const SQPOLL: u32 = 2;
const URING_CMD: u8 = 46;

/// Opens a file, for reading, by a ring.
///
/// # Errors
/// What the ring says that it came to.
pub fn open(path: &str) -> Result<(), Errno> {
    let path = std::ffi::CString::new(path).map_err(|_| Errno::EINVAL)?;
    ring::open(&path, libc::O_RDONLY)
}

pub const CASE: Case = Case {
    template: "io_uring",
    params: "action: [\"sqpoll\", \"override_creds\", \"cmd\"]",
    prepare: || Ok(()),
    acts: &[
        Act::new("a ring with a thread", "uring_sqpoll", || {
            let tells = json!({
                "action": "sqpoll", "new_uid": 0, "new_euid": 0, "command": 0, "path": "", "path_length": 0,
            });
            Ok(Performed { task: ring_as(&ACTOR, SQPOLL)?, tells })
        }),
        Act::new("other credentials", "uring_override_creds", || {
            let ring = Ring::new().map_err(|e| e.to_string())?;
            let personality = ring.personality().map_err(|e| e.to_string())?;
            let tells = json!({
                "action": "override_creds", "new_uid": 0, "new_euid": 0, "command": 0, "path": "", "path_length": 0,
            });
            let entry = Entry { operation: NOP, file: -1, personality, ..Entry::default() };
            Ok(Performed {
                task: task::perform(&ACTOR, || exit_code(ring.perform(&entry).map(drop)))?,
                tells,
            })
        }),
        Act::new("a driver's command", "uring_cmd", || {
            const NULL: &str = "/tmp/null-device";
            let _ = fs::remove_file(NULL);
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
            let device = nix::sys::stat::makedev(1, 3);
            nix::sys::stat::mknod(NULL, nix::sys::stat::SFlag::S_IFCHR, mode, device)
                .map_err(|e| e.to_string())?;
            let file = fs::File::open(NULL).map_err(|e| e.to_string())?;
            let ring = Ring::new().map_err(|e| e.to_string())?;
            let tells = json!({
                "action": "cmd", "new_uid": 0, "new_euid": 0, "command": 4711, "path": NULL,
                "path_length": NULL.len(),
            });
            let entry =
                Entry { operation: URING_CMD, file: file.as_raw_fd(), offset: 4711, ..Entry::default() };
            Ok(Performed {
                task: task::perform(&ACTOR, || exit_code(ring.perform(&entry).map(drop)))?,
                tells,
            })
        }),
    ],
};

fn ring_as(identity: &Identity, flags: u32) -> Result<Task, String> {
    task::perform(identity, move || exit_code(setup(flags).map(drop)))
}

/// The making of a ring, where the kernel asks about it (from 6.16 on); before, a probe about it sees none.
pub fn setup_is_refused() -> Outcome {
    let symbols = fs::read_to_string("/proc/kallsyms").map_err(|e| e.to_string())?;
    let is_asked = symbols.lines().any(|line| line.ends_with(" bpf_lsm_uring_allowed"));
    let shell = Shell::ready(&format!(
        "probe(\"io_uring\", #{{action: \"setup\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let ring = Ring::new().map_err(|e| e.to_string())?;
    same("a ring", ring_as(&ME, 0)?.deed, if is_asked { REFUSED } else { Deed::Done })?;
    let entry = Entry { operation: NOP, file: -1, ..Entry::default() };
    let used = task::perform(&ME, || exit_code(ring.perform(&entry).map(drop)))?;
    same("one that is there", used.deed, Deed::Done)?;
    shell.stop()?.well()
}
