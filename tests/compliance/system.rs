//! A made-up system: a directory laid out like `/`, on which every check of the library passes, and what breaks it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use nix::sys::stat::{Mode, SFlag, mknod};

const ROOT: (u32, u32) = (0, 0);
const SHADOW: u32 = 42;
pub const ALICE: u32 = 1000;
const CHRONY: u32 = 110;
pub const RELEASE: &str = "6.1.0-30-amd64";
/// MD5 of nothing: the files of the made-up packages are empty.
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

pub struct System {
    directory: tempfile::TempDir,
}

impl System {
    /// An empty directory.
    pub fn empty() -> Self {
        // Hundreds of small files are made, and many times: in memory that takes a twentieth of the time.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        System { directory }
    }

    /// One on which every check passes.
    pub fn good() -> Self {
        let system = Self::empty();
        kernel(&system);
        processes(&system);
        accounts(&system);
        programs(&system);
        settings(&system);
        system
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file, root's, 0644.
    pub fn write(&self, path: &str, text: &str) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Writes a file with a mode.
    pub fn file(&self, path: &str, mode: u32, text: &str) {
        self.write(path, text);
        self.mode(path, mode);
    }

    pub fn directory(&self, path: &str, mode: u32) {
        fs::create_dir_all(self.at(path)).unwrap();
        self.mode(path, mode);
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn owner(&self, path: &str, (user, group): (u32, u32)) {
        let mode = fs::metadata(self.at(path)).unwrap().permissions();
        chown(self.at(path), Some(user), Some(group)).unwrap();
        // A new owner takes set-uid away.
        fs::set_permissions(self.at(path), mode).unwrap();
    }

    pub fn link(&self, path: &str, target: &str) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&place);
        symlink(target, place).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let place = self.at(path);
        match fs::symlink_metadata(&place).unwrap().is_dir() {
            true => fs::remove_dir_all(place).unwrap(),
            false => fs::remove_file(place).unwrap(),
        }
    }

    pub fn append(&self, path: &str, text: &str) {
        let before = fs::read_to_string(self.at(path)).unwrap();
        fs::write(self.at(path), before + text).unwrap();
    }

    /// Exchanges a part of a file, which has to be there.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let before = fs::read_to_string(self.at(path)).unwrap();
        assert!(before.contains(from), "{path} has no {from:?}: {before}");
        fs::write(self.at(path), before.replace(from, to)).unwrap();
    }

    pub fn sysctl(&self, name: &str, value: impl ToString) {
        self.write(&format!("/proc/sys/{}", name.replace('.', "/")), &(value.to_string() + "\n"));
    }

    pub fn unmount(&self, target: &str) {
        let path = "/proc/self/mountinfo";
        let before = fs::read_to_string(self.at(path)).unwrap();
        let wanted = |line: &&str| line.split(' ').nth(4) != Some(target);
        let after: Vec<&str> = before.lines().filter(wanted).collect();
        assert_ne!(after.len(), before.lines().count(), "nothing is mounted on {target}");
        fs::write(self.at(path), after.join("\n") + "\n").unwrap();
    }

    pub fn mount(&self, target: &str, fstype: &str, options: &str) {
        let line = format!("99 22 8:1 / {target} {options} shared:9 - {fstype} /dev/sda9 rw\n");
        self.append("/proc/self/mountinfo", &line);
    }

    pub fn device(&self, path: &str) {
        // What /dev/null is.
        mknod(&self.at(path), SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), nix::libc::makedev(1, 3))
            .unwrap();
    }

    /// Gives a file cap_setuid, as setcap(8) does.
    pub fn capable(&self, path: &str) {
        let mut value = Vec::from(0x0200_0001_u32.to_le_bytes());
        for word in [1_u32 << 7, 0, 0, 0] {
            value.extend(word.to_le_bytes());
        }
        rustix::fs::setxattr(self.at(path), "security.capability", &value, rustix::fs::XattrFlags::empty())
            .unwrap();
    }

    /// Sets when a file was changed, in days before now.
    pub fn aged(&self, path: &str, days: u64) {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86400);
        fs::File::open(self.at(path)).unwrap().set_modified(then).unwrap();
    }

    pub fn process(&self, pid: u32, name: &str, exe: &str, user: u32, tracer: u32) {
        let at = |file: &str| format!("/proc/{pid}/{file}");
        self.write(&at("stat"), &format!("{pid} ({name}) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n"));
        let status = format!(
            "Name:\t{name}\nTracerPid:\t{tracer}\nUid:\t{user}\t{user}\t{user}\t{user}\nGid:\t{user}\t{user}\t{user}\t{user}\nGroups:\t\nThreads:\t1\n"
        );
        self.write(&at("status"), &status);
        self.write(&at("comm"), &format!("{name}\n"));
        self.write(&at("cmdline"), &format!("{exe}\0"));
        self.directory(&at("fd"), 0o755);
        self.link(&at("exe"), exe);
        self.link(&at("root"), "/");
        self.write(&at("attr/current"), &format!("{exe} (enforce)\n"));
    }

    /// Has a process listen on all addresses.
    pub fn listens(&self, table: &str, port: u16, inode: u32, pid: u32) {
        let address = if table.ends_with('6') { "0".repeat(32) } else { "0".repeat(8) };
        let state = if table.starts_with("tcp") { "0A" } else { "07" };
        let line = format!(
            "   0: {address}:{port:04X} {address}:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100 0 0 10 0\n"
        );
        self.append(&format!("/proc/net/{table}"), &line);
        self.link(&format!("/proc/{pid}/fd/{inode}"), &format!("socket:[{inode}]"));
    }

    /// Adds a package to dpkg's lists, with these files, which are empty and executable.
    pub fn package(&self, name: &str, files: &[&str]) {
        let status = "/var/lib/dpkg/status";
        if !self.at(status).exists() {
            self.write(status, "");
        }
        self.append(
            status,
            &format!("Package: {name}\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\n"),
        );
        let sum = |path: &&str| format!("{EMPTY}  {}\n", path.trim_start_matches('/'));
        self.write(&format!("/var/lib/dpkg/info/{name}.list"), &(files.join("\n") + "\n"));
        self.write(&format!("/var/lib/dpkg/info/{name}.md5sums"), &files.iter().map(sum).collect::<String>());
        for path in files {
            self.file(path, 0o755, "");
        }
    }
}

fn kernel(s: &System) {
    for (name, value) in [
        ("kernel.osrelease", RELEASE),
        ("kernel.version", "#1 SMP"),
        ("kernel.hostname", "made-up"),
        ("kernel.tainted", "0"),
        ("kernel.randomize_va_space", "2"),
        ("kernel.dmesg_restrict", "1"),
        ("kernel.kptr_restrict", "2"),
        ("kernel.yama.ptrace_scope", "1"),
        ("kernel.perf_event_paranoid", "3"),
        ("kernel.unprivileged_bpf_disabled", "2"),
        ("kernel.kexec_load_disabled", "1"),
        ("kernel.sysrq", "176"),
        ("kernel.ctrl-alt-del", "0"),
        ("kernel.io_uring_disabled", "2"),
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.core_pattern", "core"),
        ("kernel.modules_disabled", "0"),
        ("user.max_user_namespaces", "1000"),
        ("net.core.bpf_jit_harden", "2"),
        ("fs.protected_hardlinks", "1"),
        ("fs.protected_symlinks", "1"),
        ("fs.protected_fifos", "1"),
        ("fs.protected_regular", "2"),
        ("fs.suid_dumpable", "0"),
        ("vm.mmap_min_addr", "65536"),
        ("vm.unprivileged_userfaultfd", "0"),
        ("dev.tty.ldisc_autoload", "0"),
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.tcp_syncookies", "1"),
        ("net.ipv4.icmp_echo_ignore_broadcasts", "1"),
        ("net.ipv4.icmp_ignore_bogus_error_responses", "1"),
    ] {
        s.sysctl(name, value);
    }
    for interface in ["all", "default", "eth0", "lo"] {
        for (name, value) in [
            ("send_redirects", 0),
            ("accept_redirects", 0),
            ("secure_redirects", 0),
            ("accept_source_route", 0),
            ("rp_filter", 1),
            ("log_martians", 1),
        ] {
            s.sysctl(&format!("net.ipv4.conf.{interface}.{name}"), value);
        }
        for name in ["forwarding", "accept_redirects", "accept_source_route", "accept_ra"] {
            s.sysctl(&format!("net.ipv6.conf.{interface}.{name}"), 0);
        }
    }
    s.write("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro audit=1 audit_backlog_limit=8192\n");
    s.write("/proc/modules", "ext4 1000 1 - Live 0x0000000000000000\n");
    s.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/dm-0 partition 100 0 -2\n");
    s.write("/sys/block/dm-0/dm/uuid", "CRYPT-PLAIN-swap\n");
    s.write("/sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor,bpf");
    s.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    s.write("/sys/kernel/security/apparmor/profiles", "/usr/sbin/sshd (enforce)\n");
    s.write("/sys/module/module/parameters/sig_enforce", "Y\n");
    s.write("/sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n");
    s.write("/sys/class/net/eth0/flags", "0x1003\n");
    let modules = ["cramfs", "hfs", "udf", "dccp", "sctp", "usb-storage", "ext4"];
    let index = modules.map(|name| format!("kernel/{name}.ko.xz: kernel/other.ko.xz\n")).concat();
    s.write(&format!("/lib/modules/{RELEASE}/modules.dep"), &index);
    let kept = ["cramfs", "hfs", "udf", "dccp", "sctp", "usb-storage"];
    s.write("/etc/modprobe.d/kept.conf", &kept.map(|name| format!("install {name} /bin/false\n")).concat());
    let mounted = [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "23 22 0:20 / /proc rw,nosuid,nodev,noexec shared:2 - proc proc rw,hidepid=invisible",
        "24 22 8:1 / /tmp rw,nosuid,nodev,noexec shared:3 - tmpfs tmpfs rw",
        "25 22 8:1 / /dev/shm rw,nosuid,nodev,noexec shared:4 - tmpfs tmpfs rw",
        "26 22 8:1 / /var rw,nosuid,nodev shared:5 - ext4 /dev/sda2 rw",
        "27 26 8:1 / /var/tmp rw,nosuid,nodev,noexec shared:6 - ext4 /dev/sda3 rw",
        "28 26 8:1 / /var/log rw,nosuid,nodev,noexec shared:7 - ext4 /dev/sda4 rw",
        "29 28 8:1 / /var/log/audit rw,nosuid,nodev,noexec shared:8 - ext4 /dev/sda5 rw",
        "30 22 8:1 / /home rw,nosuid,nodev shared:9 - ext4 /dev/sda6 rw",
        "31 22 0:50 / /srv rw,nosuid,nodev shared:10 - nfs4 server:/srv rw",
    ];
    s.write("/proc/self/mountinfo", &(mounted.join("\n") + "\n"));
    s.write("/etc/fstab", "# made up\n/dev/sdb1 /media/usb vfat noauto,nodev,nosuid,noexec 0 0\n");
    s.directory("/tmp", 0o1777);
    s.directory("/var/tmp", 0o1777);
    s.directory("/dev/shm", 0o1777);
    s.file("/boot/grub/grub.cfg", 0o600, "set superusers=\"root\"\npassword_pbkdf2 root grub.pbkdf2.x\n");
    s.file(&format!("/boot/vmlinuz-{RELEASE}"), 0o644, "");
    let built = [
        "STRICT_KERNEL_RWX",
        "STACKPROTECTOR_STRONG",
        "HARDENED_USERCOPY",
        "FORTIFY_SOURCE",
        "SLAB_FREELIST_RANDOM",
        "RANDOMIZE_BASE",
        "SECCOMP_FILTER",
        "VMAP_STACK",
    ];
    s.write(&format!("/boot/config-{RELEASE}"), &built.map(|name| format!("CONFIG_{name}=y\n")).concat());
}

fn processes(s: &System) {
    s.write("/proc/stat", "btime 1700000000\n");
    s.process(1, "systemd", "/usr/lib/systemd/systemd", 0, 0);
    s.process(700, "chronyd", "/usr/sbin/chronyd", CHRONY, 0);
    s.process(800, "sshd", "/usr/sbin/sshd", 0, 0);
    s.process(900, "bash", "/usr/bin/bash", ALICE, 0);
    for table in ["tcp", "tcp6", "udp", "udp6", "packet"] {
        s.write(&format!("/proc/net/{table}"), "  sl  local_address rem_address\n");
    }
    s.listens("tcp", 22, 1234, 800);
}

fn accounts(s: &System) {
    s.write(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nsync:x:4:65534:sync:/bin:/bin/sync\n_chrony:x:110:110::/var/lib/chrony:/usr/sbin/nologin\nalice:x:1000:1000:Alice:/home/alice:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    );
    s.write(
        "/etc/group",
        "root:x:0:\ndaemon:x:1:\nshadow:x:42:\nsudo:x:27:alice\n_chrony:x:110:\nalice:x:1000:\nnogroup:x:65534:\n",
    );
    let hash = "$y$j9T$saltsalt$notahashnotahash";
    let shadow = format!(
        "root:!:19000:0:365:7:::\ndaemon:*:19000:0:99999:7:::\nsync:*:19000:0:99999:7:::\n_chrony:!:19000::::::\nalice:{hash}:19000:1:365:7:30::\nnobody:*:19000:0:99999:7:::\n"
    );
    let groups = "root:*::\nsudo:*::alice\n";
    for (path, text) in [
        ("/etc/shadow", shadow.as_str()),
        ("/etc/gshadow", groups),
        ("/etc/shadow-", &shadow),
        ("/etc/gshadow-", groups),
    ] {
        s.file(path, 0o640, text);
        s.owner(path, (0, SHADOW));
    }
    s.write("/etc/passwd-", "root:x:0:0:root:/root:/bin/bash\n");
    s.write("/etc/group-", "root:x:0:\n");
    s.file("/etc/security/opasswd", 0o600, "");
    s.write("/etc/shells", "# shells\n/bin/sh\n/bin/bash\n");
    s.directory("/root", 0o700);
    s.directory("/home/alice", 0o750);
    s.file("/home/alice/.profile", 0o644, "");
    s.file("/home/alice/.bash_history", 0o600, "");
    s.directory("/home/alice/.ssh", 0o700);
    s.file("/home/alice/.ssh/authorized_keys", 0o600, "ssh-ed25519 AAAA alice\n");
    s.file("/home/alice/.ssh/id_ed25519", 0o600, "");
    for path in ["", "/.profile", "/.bash_history", "/.ssh", "/.ssh/authorized_keys", "/.ssh/id_ed25519"] {
        s.owner(&format!("/home/alice{path}"), (ALICE, ALICE));
    }
    s.directory("/var/lib/chrony", 0o750);
    s.owner("/var/lib/chrony", (CHRONY, CHRONY));
}

fn programs(s: &System) {
    s.package("systemd", &["/usr/lib/systemd/systemd"]);
    s.package("bash", &["/usr/bin/bash"]);
    s.package("login", &["/usr/bin/login"]);
    s.package("passwd", &["/usr/bin/passwd"]);
    s.package("sudo", &["/usr/bin/sudo"]);
    s.package("at", &["/usr/bin/at"]);
    s.package("openssh-server", &["/usr/sbin/sshd"]);
    s.package("chrony", &["/usr/sbin/chronyd"]);
    s.package("auditd", &["/usr/sbin/auditd"]);
    s.package("aide", &["/usr/bin/aide"]);
    s.package("rsyslog", &["/usr/sbin/rsyslogd"]);
    s.package("unattended-upgrades", &["/usr/bin/unattended-upgrade"]);
    s.mode("/usr/bin/passwd", 0o4755);
    s.mode("/usr/bin/sudo", 0o4755);
    s.file("/usr/bin/expiry", 0o2755, "");
    s.owner("/usr/bin/expiry", (0, SHADOW));
    s.file("/usr/bin/ping", 0o755, "");
    s.capable("/usr/bin/ping");
    s.link("/bin", "usr/bin");
    s.link("/sbin", "usr/sbin");
    s.directory("/usr/local/bin", 0o755);
    for (unit, program) in [
        ("ssh", "/usr/sbin/sshd -D"),
        ("chrony", "!/usr/sbin/chronyd"),
        ("auditd", "/usr/sbin/auditd"),
        ("nftables", "/usr/sbin/nft -f /etc/nftables.conf"),
    ] {
        let text = format!("[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n");
        let path = format!("/usr/lib/systemd/system/{unit}.service");
        s.write(&path, &text);
        s.link(&format!("/etc/systemd/system/multi-user.target.wants/{unit}.service"), &path);
    }
}

fn settings(s: &System) {
    s.write("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n");
    s.write(
        "/etc/sysctl.d/60-made-up.conf",
        "# made up\nnet.ipv4.ip_forward = 0\n-kernel.dmesg_restrict=1\n",
    );
    let banner = "Authorised users only. What you do here is seen and kept by us.\n";
    for name in ["motd", "issue", "issue.net"] {
        s.write(&format!("/etc/{name}"), banner);
    }
    s.write("/etc/login.defs", "UMASK 027\nUID_MIN 1000\nPASS_MAX_DAYS 365\nPASS_MIN_DAYS 1\nPASS_WARN_AGE 7\nENCRYPT_METHOD YESCRYPT\n");
    s.write("/etc/default/useradd", "SHELL=/bin/sh\nINACTIVE=30\n");
    s.write("/etc/profile.d/tmout.sh", "readonly TMOUT=600\nexport TMOUT\n");
    s.file("/etc/sudoers", 0o440, "Defaults\tenv_reset, use_pty\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n");
    s.directory("/etc/sudoers.d", 0o750);
    s.file("/etc/sudoers.d/log", 0o440, "Defaults logfile=/var/log/sudo.log, \\\n  timestamp_timeout=5\n");
    let auth = "auth required pam_faillock.so preauth\nauth [success=1 default=ignore] pam_unix.so\nauth [default=die] pam_faillock.so authfail\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
    s.write("/etc/pam.d/common-auth", auth);
    s.write("/etc/pam.d/common-account", "account required pam_faillock.so\naccount required pam_unix.so\n");
    let password = "password requisite pam_pwquality.so retry=3\npassword requisite pam_pwhistory.so remember=24 use_authtok\npassword [success=1 default=ignore] pam_unix.so obscure use_authtok yescrypt\n";
    s.write("/etc/pam.d/common-password", password);
    s.write("/etc/pam.d/su", "auth sufficient pam_rootok.so\nauth required pam_wheel.so use_uid group=sudo\n@include common-auth\n");
    s.write("/etc/pam.d/sshd", "@include common-auth\n@include common-account\n");
    s.write("/etc/security/faillock.conf", "# deny = 3\ndeny = 5\nunlock_time = 900\n");
    s.write("/etc/security/pwquality.conf", "# minlen = 8\n");
    s.write("/etc/security/pwquality.conf.d/length.conf", "minlen = 14\n");
    s.write("/etc/security/limits.conf", "* hard core 0\n");
    s.file("/etc/ssh/sshd_config", 0o600, SSHD);
    s.file(
        "/etc/ssh/sshd_config.d/10-made-up.conf",
        0o600,
        "PermitRootLogin no\nPasswordAuthentication no\n",
    );
    s.file("/etc/ssh/ssh_host_ed25519_key", 0o600, "");
    s.file("/etc/ssh/ssh_host_ed25519_key.pub", 0o644, "");
    s.file("/etc/crontab", 0o600, "17 * * * * root cd / && /usr/sbin/anacron -s; /usr/bin/bash\n");
    for name in ["hourly", "daily", "weekly", "monthly", "yearly", "d"] {
        s.directory(&format!("/etc/cron.{name}"), 0o700);
    }
    s.file("/etc/cron.allow", 0o640, "root\n");
    s.file("/etc/at.allow", 0o640, "root\n");
    s.directory("/var/spool/cron/crontabs", 0o1730);
    s.file("/var/spool/cron/crontabs/alice", 0o600, "@daily /usr/bin/bash\n");
    s.owner("/var/spool/cron/crontabs/alice", (ALICE, ALICE));
    s.directory("/etc/audit", 0o750);
    s.file("/etc/audit/auditd.conf", 0o640, "max_log_file_action = KEEP_LOGS\nspace_left_action = email\n");
    s.directory("/etc/audit/rules.d", 0o750);
    let watched = [
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/security/opasswd",
        "/etc/sudoers",
        "/etc/sudoers.d",
    ];
    let rules = watched.map(|path| format!("-w {path} -p wa -k identity\n")).concat()
        + "-a always,exit -F arch=b64 -S adjtimex,settimeofday,clock_settime -k time\n-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -k modules\n-e 2\n";
    s.file("/etc/audit/rules.d/audit.rules", 0o640, &rules);
    s.directory("/var/log/audit", 0o750);
    s.file("/var/log/audit/audit.log", 0o640, "");
    s.file("/var/log/auth.log", 0o640, "");
    s.file("/var/log/dpkg.log", 0o644, "");
    s.write("/etc/chrony/chrony.conf", "pool 2.debian.pool.ntp.org iburst\n");
    s.write(
        "/etc/apt/apt.conf.d/20auto-upgrades",
        "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n",
    );
    s.write(
        "/etc/apt/sources.list.d/debian.sources",
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\nTypes: deb\nURIs: http://deb.debian.org/debian-security\nSuites: bookworm-security\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    );
    s.write("/var/lib/apt/periodic/update-success-stamp", "");
    s.owner("/", ROOT);
}

const SSHD: &str = "Include /etc/ssh/sshd_config.d/*.conf
MaxAuthTries 4
X11Forwarding no
DisableForwarding yes
LoginGraceTime 1m
ClientAliveInterval 15
ClientAliveCountMax 3
MaxStartups 10:30:60
UsePAM yes
LogLevel VERBOSE
Banner /etc/issue.net
AllowGroups alice
Ciphers aes256-gcm@openssh.com,aes256-ctr
MACs hmac-sha2-512-etm@openssh.com
KexAlgorithms curve25519-sha256
";
