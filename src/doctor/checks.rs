//! What the host says of itself, judged, each with its fix.

use super::{Check, Status};
use crate::{kernel::Facts, system::host_switch};

/// In the order in which they make each other pointless.
pub(super) fn of(facts: &Facts) -> Vec<Check> {
    vec![
        kernel(facts),
        capabilities(facts),
        lsm_list(facts),
        config(facts),
        btf(facts),
        lockdown(facts),
        jit(facts),
        cgroup2(facts),
        host_switch(),
        super::pins::check(),
    ]
}

fn check(name: &'static str, status: Status, detail: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { name, status, detail: detail.into(), remedy: remedy.into() }
}

fn kernel(facts: &Facts) -> Check {
    let mut numbers =
        facts.release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 10) {
        check("kernel", Status::Ok, format!("Linux {}", facts.release), "")
    } else {
        let remedy = "probes need Linux 5.10 or later (BPF LSM with a ring buffer)";
        check("kernel", Status::Fail, format!("Linux {}", facts.release), remedy)
    }
}

fn capabilities(facts: &Facts) -> Check {
    let detail =
        facts.capabilities.map_or("unreadable".into(), |c| format!("uid {}, effective {c:#x}", facts.uid));
    if facts.privileged() {
        check("capabilities", Status::Ok, detail, "")
    } else {
        let remedy = "run as root (sudo krsi-sh …), or with CAP_BPF and CAP_PERFMON";
        check("capabilities", Status::Fail, detail, remedy)
    }
}

fn lsm_list(facts: &Facts) -> Check {
    match &facts.lsms {
        None => check(
            "lsm-list",
            Status::Unknown,
            "/sys/kernel/security/lsm cannot be read",
            "mount -t securityfs securityfs /sys/kernel/security",
        ),
        Some(list) if !facts.lacks_bpf_lsm() => check("lsm-list", Status::Ok, list.join(","), ""),
        Some(list) => check(
            "lsm-list",
            Status::Warn,
            format!("{} (no `bpf`: probes are attached by fmod_ret, which enforces too)", list.join(",")),
            format!(
                "none is needed; to have probes asked as LSMs are, boot with `lsm={},bpf` on the kernel command line",
                list.join(",")
            ),
        ),
    }
}

fn config(facts: &Facts) -> Check {
    const NEEDED: [&str; 4] =
        ["CONFIG_BPF_SYSCALL", "CONFIG_BPF_LSM", "CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_JIT"];
    let Some((path, _)) = &facts.config else {
        let detail = "not to be found under /boot, /lib/modules or /proc";
        return check("kconfig", Status::Unknown, detail, "");
    };
    let missing: Vec<_> = NEEDED.into_iter().filter(|name| facts.config(name) != Some("y")).collect();
    if missing.is_empty() {
        check("kconfig", Status::Ok, format!("{path}: {}", NEEDED.join(", ")), "")
    } else {
        let remedy = "use a kernel that is built with these; every current distribution's is";
        check("kconfig", Status::Fail, format!("{path}: not set: {}", missing.join(", ")), remedy)
    }
}

fn btf(facts: &Facts) -> Check {
    if facts.btf {
        check("btf", Status::Ok, "/sys/kernel/btf/vmlinux", "")
    } else {
        let remedy = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y";
        check(
            "btf",
            Status::Fail,
            "no /sys/kernel/btf/vmlinux: the kernel does not describe its types",
            remedy,
        )
    }
}

fn lockdown(facts: &Facts) -> Check {
    match facts.lockdown.as_deref() {
        None => check("lockdown", Status::Unknown, "/sys/kernel/security/lockdown cannot be read", ""),
        Some("confidentiality") => check(
            "lockdown",
            Status::Fail,
            "confidentiality: programs may not read kernel memory",
            "boot with `lockdown=integrity`, or with Secure Boot's lockdown set to integrity",
        ),
        Some(mode) => check("lockdown", Status::Ok, mode, ""),
    }
}

fn host_switch() -> Check {
    const NAME: &str = "host-switch";
    match host_switch::reason() {
        None => check(NAME, Status::Ok, format!("no {}: probes may enforce", host_switch::FILE), ""),
        Some(reason) => check(
            NAME,
            Status::Warn,
            format!("{} is there, so that nothing enforces: {reason}", host_switch::FILE),
            "the host's administrator may remove the file",
        ),
    }
}

fn jit(facts: &Facts) -> Check {
    match facts.jit.as_deref() {
        Some("0") => check(
            "jit",
            Status::Fail,
            "net.core.bpf_jit_enable is 0: hooks need compiled trampolines",
            "sysctl net.core.bpf_jit_enable=1",
        ),
        Some(value) => check("jit", Status::Ok, format!("net.core.bpf_jit_enable is {value}"), ""),
        // Not shown in other network namespaces, nor where the kernel is built to always compile.
        None => check("jit", Status::Unknown, "net.core.bpf_jit_enable cannot be read", ""),
    }
}

fn cgroup2(facts: &Facts) -> Check {
    match &facts.cgroup2 {
        Some(place) => check("cgroup2", Status::Ok, place.as_str(), ""),
        None => check(
            "cgroup2",
            Status::Warn,
            "cgroup v2 is not mounted: no scope by cgroup",
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_fix() {
        let bare = Facts { lsms: Some(vec!["yama".into()]), ..Facts::default() };
        for check in of(&bare).iter().filter(|c| matches!(c.status, Status::Fail | Status::Warn)) {
            assert!(!check.remedy.is_empty(), "{check:?}");
        }
        let list = of(&bare).into_iter().find(|c| c.name == "lsm-list").unwrap();
        assert!(list.remedy.contains("lsm=yama,bpf"), "{list:?}");
    }
}
