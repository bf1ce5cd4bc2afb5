//! What this host says of itself, read and not judged; `doctor` judges.

use std::{fs, io::Read, path::Path};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use procfs::process::Process;

use crate::kernel::host;

/// A host's own word on what probes depend on. `None`: it cannot be read here.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub release: String,
    /// The active LSMs, in the kernel's order.
    pub lsms: Option<Vec<String>>,
    /// Where the configuration was found, and its text.
    pub config: Option<(String, String)>,
    /// Whether the kernel describes its types.
    pub btf: bool,
    /// Effective capabilities of this process.
    pub capabilities: Option<u64>,
    pub uid: u32,
    /// `none`, `integrity` or `confidentiality`.
    pub lockdown: Option<String>,
    /// `net.core.bpf_jit_enable`.
    pub jit: Option<String>,
    /// Where cgroup v2 is mounted.
    pub cgroup2: Option<String>,
}

impl Facts {
    /// Whether the list of active LSMs is known, and `bpf` is not in it.
    #[must_use]
    pub fn lacks_bpf_lsm(&self) -> bool {
        self.lsms.as_ref().is_some_and(|list| !list.iter().any(|lsm| lsm == "bpf"))
    }

    /// CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON.
    #[must_use]
    pub fn privileged(&self) -> bool {
        self.capabilities.is_some_and(host::suffices)
    }

    /// A setting of the kernel's build: `CONFIG_BPF_LSM` is `y`.
    #[must_use]
    pub fn config(&self, name: &str) -> Option<&str> {
        let (_, text) = self.config.as_ref()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Reads all of it; nothing here needs privilege or changes anything.
#[must_use]
pub fn facts() -> Facts {
    let release = host::release().unwrap_or_default();
    let text = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let status = Process::myself().and_then(|p| p.status()).ok();
    Facts {
        lsms: text(host::LSM_LIST).map(|list| list.split(',').map(str::to_owned).collect()),
        config: config(&release),
        btf: Path::new(host::BTF).exists(),
        capabilities: status.as_ref().map(|s| s.capeff),
        uid: nix::unistd::geteuid().as_raw(),
        lockdown: lockdown(),
        jit: text("/proc/sys/net/core/bpf_jit_enable"),
        cgroup2: cgroup2(),
        release,
    }
}

/// The mode in brackets: `none [integrity] confidentiality`.
pub(in crate::kernel) fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

fn cgroup2() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
        let mounted =
            kind == "cgroup2" && statfs(place).is_ok_and(|s| s.filesystem_type() == CGROUP2_SUPER_MAGIC);
        mounted.then(|| place.to_owned())
    })
}

/// Where distributions leave it, and where the kernel itself does.
fn config(release: &str) -> Option<(String, String)> {
    let plain = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    for path in plain {
        if let Ok(text) = fs::read_to_string(&path) {
            return Some((path, text));
        }
    }
    let path = "/proc/config.gz";
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).ok()?).read_to_string(&mut text).ok()?;
    Some((path.to_owned(), text))
}
