//! What each capability lets a process do, in a sentence; the whole is in capabilities(7).

use crate::reaction;

/// The page of a capability, by its whole name.
#[must_use]
pub fn page(word: &str) -> Option<String> {
    let (name, number) = word
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("CAP_"))
        .and_then(|_| reaction::capability(word))?;
    Some(format!(
        "capability {name} ({number})\n    {} A script asks for it by `capable(e, \"{name}\")`.",
        doc(&name)
    ))
}

/// What it lets a process do.
#[must_use]
pub fn doc(name: &str) -> &'static str {
    match name {
        "CAP_CHOWN" => "Give files to any user and group.",
        "CAP_DAC_OVERRIDE" => "Read, write and execute files whatever their permissions.",
        "CAP_DAC_READ_SEARCH" => {
            "Read files and search directories whatever their permissions; open files by handle."
        }
        "CAP_FOWNER" => "Do what only a file's owner may: chmod, utime, attributes, ACLs.",
        "CAP_FSETID" => "Keep set-user-id and set-group-id bits when a file changes.",
        "CAP_KILL" => "Signal any process.",
        "CAP_SETGID" => "Take any group ids, and give them to others through sockets.",
        "CAP_SETUID" => "Take any user ids, and give them to others through sockets.",
        "CAP_SETPCAP" => "Take capabilities from its bounding set, and set securebits.",
        "CAP_LINUX_IMMUTABLE" => "Change the immutable and append-only flags of files.",
        "CAP_NET_BIND_SERVICE" => "Listen on ports below 1024.",
        "CAP_NET_BROADCAST" => "Send broadcasts, listen to multicasts; unused.",
        "CAP_NET_ADMIN" => "Configure the network: interfaces, firewall, routes, sockets.",
        "CAP_NET_RAW" => "Use raw and packet sockets, and bind to any address.",
        "CAP_IPC_LOCK" => "Lock any amount of memory.",
        "CAP_IPC_OWNER" => "Use System V IPC objects whatever their permissions.",
        "CAP_SYS_MODULE" => "Load and unload kernel modules.",
        "CAP_SYS_RAWIO" => "Use I/O ports, /dev/mem, /proc/kcore, and raw device commands.",
        "CAP_SYS_CHROOT" => "Use chroot, and enter mount namespaces.",
        "CAP_SYS_PTRACE" => "Trace any process, and read and write its memory.",
        "CAP_SYS_PACCT" => "Turn process accounting on and off.",
        "CAP_SYS_ADMIN" => "Mount, namespaces, quotas and very much else: nearly everything.",
        "CAP_SYS_BOOT" => "Reboot, and load a kernel for later.",
        "CAP_SYS_NICE" => "Raise priorities, and choose processors and policies for any process.",
        "CAP_SYS_RESOURCE" => "Go beyond quotas, limits and reserved space.",
        "CAP_SYS_TIME" => "Set the clocks.",
        "CAP_SYS_TTY_CONFIG" => "Configure terminals, and hang them up.",
        "CAP_MKNOD" => "Make device files.",
        "CAP_LEASE" => "Take leases on any file.",
        "CAP_AUDIT_WRITE" => "Write records to the kernel's audit log.",
        "CAP_AUDIT_CONTROL" => "Configure kernel auditing: rules, on and off.",
        "CAP_SETFCAP" => "Set the capabilities of files.",
        "CAP_MAC_OVERRIDE" => "Be spared by Smack's rules.",
        "CAP_MAC_ADMIN" => "Configure Smack.",
        "CAP_SYSLOG" => "Read and clear the kernel's log, and see kernel addresses.",
        "CAP_WAKE_ALARM" => "Set timers that wake the machine.",
        "CAP_BLOCK_SUSPEND" => "Keep the machine from suspending.",
        "CAP_AUDIT_READ" => "Listen to audit records by multicast.",
        "CAP_PERFMON" => "Measure and trace the whole system: perf events, BPF tracing.",
        "CAP_BPF" => "Load BPF programs and make maps.",
        "CAP_CHECKPOINT_RESTORE" => {
            "Choose process ids, and read other processes' map_files, to restore a process."
        }
        _ => "A capability of this machine.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_sentence_and_a_page() {
        for (name, number) in reaction::capabilities() {
            assert_ne!(doc(&name), "A capability of this machine.", "{name}");
            assert!(
                page(&name.to_lowercase()).unwrap().starts_with(&format!("capability {name} ({number})\n"))
            );
        }
        assert_eq!(page("bpf"), None);
        assert_eq!(page("CAP_FLY"), None);
    }
}
