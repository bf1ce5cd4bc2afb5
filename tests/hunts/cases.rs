//! The cases of hunts, guards and mitigations: what is done in the guest so that each finds it, and a look-alike that it has to leave alone.
//!
//! Data alone: the lab does it (`tests/lab/guest/hunts.rs`), and `tests/hunts` looks whether each hunt has its case. What is done
//! for one case, and what for its look-alike, is done under a group id of its own: so it is known which events are whose.

/// Something that is done, one after the other.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Code of the shell, by root.
    Sh(&'static str),
    /// The same, by the user 1000.
    User(&'static str),
    /// The same by root, of a copy of the shell whose executable is this one.
    As(&'static str, &'static str),
    /// System calls that no program of the guest makes, by their name in `deeds.rs`.
    Deed(&'static str),
    /// The same, by the user 1000.
    UserDeed(&'static str),
}

use Act::{As, Deed, Sh, User, UserDeed};

pub struct HuntCase {
    pub hunt: &'static str,
    /// Its parameters here.
    pub words: &'static [&'static str],
    /// What comes before, and is neither.
    pub before: &'static [Act],
    pub enact: &'static [Act],
    /// A part of what it then says; of several findings, one a line.
    pub says: &'static str,
    pub look_alike: &'static [Act],
}

/// The group id of the first case; each has two.
pub const FIRST_GROUP: u32 = 5000;

macro_rules! cases {
    ($($hunt:literal $words:tt, $before:tt, $enact:tt => $says:literal, $look_alike:tt;)*) => {
        &[$(HuntCase { hunt: $hunt, words: &$words, before: &$before, enact: &$enact, says: $says, look_alike: &$look_alike }),*]
    };
}

pub const CASES: &[HuntCase] = cases! {
    "af-alg" [], [],
        [Deed("alg socket")] => "a socket of AF_ALG is made",
        [Deed("netlink socket")];
    "container-program" ["--wait", "300ms"], [Sh("mkdir -p /opt")],
        [Sh("unshare -m sh -c 'cp /bin/busybox /opt/busybox-dropped; sleep 2'; rm -f /opt/busybox-dropped")] => "/opt/busybox-dropped is written, a program, not by the host",
        [Sh("unshare -m sh -c 'cp /etc/passwd /opt/dropped-text; sleep 2'; cp /bin/busybox /opt/busybox-host; sleep 1; rm -f /opt/busybox-host")];
    "hidden-program" ["--wait", "300ms"], [Sh("mkdir -p /opt; cp /bin/busybox /opt/busybox-shown")],
        [Sh("cp /bin/busybox /opt/.hidden; sleep 1; rm -f /opt/.hidden; mv /opt/busybox-shown /opt/.shown; sleep 1; rm -f /opt/.shown")]
            => "/opt/.hidden is written, a program with a hidden name\n/opt/.shown is written, a program with a hidden name",
        [Sh("cp /etc/passwd /opt/.hidden-text; cp /bin/busybox /opt/busybox-seen; cat /opt/.hidden-text; sleep 1; rm -f /opt/busybox-seen")];
    "module-any" [], [Sh("mkdir -p /lib/modules/t; echo junk > /lib/modules/t/junk.ko")],
        [Deed("module /lib/modules/t/junk.ko")] => "the module /lib/modules/t/junk.ko is given to the kernel",
        [Sh("cat /lib/modules/t/junk.ko /proc/modules")];
    "privileges-raised" [], [],
        [Deed("root again"), Deed("raise capabilities"), User("unshare -U /bin/true")]
            => "user 1000 becomes 0 by\n are raised\na user namespace is made by user 1000",
        [Deed("root to user"), Sh("unshare -U /bin/true")];
    "tcp-out" [], [],
        [Sh("wget -q -O /dev/null http://203.0.113.7:443/; true")] => "203.0.113.7 port 443 is connected to, outside of the own networks",
        [Sh("wget -q -O /dev/null http://127.0.0.1:443/; wget -q -O /dev/null http://10.0.0.7:443/; true"), Deed("connect 203.0.113.7:53")];
    "anti-debug" [], [],
        [Deed("traceme")] => "asks to be traced, by",
        [Deed("epoll")];
    "data-destruction" [], [Sh("echo a > /tmp/shredded")],
        [Sh("/usr/bin/shred -n 1 /tmp/shredded")] => "/usr/bin/shred is executed",
        [Sh("/bin/dd if=/dev/zero of=/tmp/zeroes bs=1 count=1; rm /tmp/zeroes")];
    "kernel-recon" [], [],
        [Sh("cat /proc/sys/kernel/randomize_va_space")] => "/proc/sys/kernel/randomize_va_space is read",
        [Sh("cat /proc/uptime /proc/sys/kernel/pid_max")];
    "loader-changed" [], [Sh("mkdir -p /lib")],
        [Sh("echo a > /lib/ld-linux-test.so.2")] => "/lib/ld-linux-test.so.2 is opened for writing",
        [Sh("cat /lib/ld-linux-test.so.2; echo a > /lib/libother.so.1")];
    "secret-search" [], [],
        [Sh("/bin/grep -r 'BEGIN RSA PRIVATE KEY' /etc/hostname")] => "/bin/grep is executed",
        [Sh("/bin/grep root /etc/passwd; /bin/true id_rsa")];
    "sensitive-links" [], [Sh("mkdir -p /opt; rm -f /opt/link /opt/link2")],
        [Sh("ln -s /etc/shadow /opt/link")] => "/opt/link is made, a symbolic link to /etc/shadow",
        [Sh("ln -s /etc/hostname /opt/link2")];
    "ssh-odd-port" [], [],
        [As("/usr/bin/ssh", "nc -w 1 127.0.0.1 2222; true")] => "/usr/bin/ssh connects to 127.0.0.1 port 2222",
        [As("/usr/bin/ssh", "nc -w 1 127.0.0.1 22; true"), As("/usr/bin/sshx", "nc -w 1 127.0.0.1 2222; true")];
    "sysrq" [], [Sh("cat /proc/sys/kernel/sysrq > /tmp/sysrq")],
        [Sh("cat /tmp/sysrq > /proc/sys/kernel/sysrq")] => "/proc/sys/kernel/sysrq is opened for writing",
        [Sh("cat /proc/sys/kernel/sysrq; echo a > /tmp/sysrq-triggers")];
    "authorized-keys" [], [Sh("mkdir -p /root/.ssh")],
        [Sh("echo key > /root/.ssh/authorized_keys")] => "/root/.ssh/authorized_keys is opened for writing",
        [Sh("echo host > /root/.ssh/known_hosts; cat /root/.ssh/authorized_keys")];
    "bind-shell" [], [],
        [Deed("bind shell")] => "is executed by what listens at 127.0.0.1 port 4444",
        [Deed("listen and start a shell")];
    "boot-persistence" [], [Sh("mkdir -p /boot; echo a > /boot/initrd.img-1; mkdir -p /opt")],
        [Sh("echo b > /opt/initrd; mv /opt/initrd /boot/initrd.img-1")] => "becomes /boot/initrd.img-1",
        [Sh("cat /boot/initrd.img-1")];
    "bpf-load" ["--not-exe", "/bin/krsi-sh"], [],
        [Deed("bpf kprobe")] => "a program of eBPF is loaded: kprobe krsi_case",
        [Deed("bpf socket filter")];
    "browser-credentials" [], [Sh("mkdir -p /root/.mozilla/firefox/a.default /opt/app; cd /root/.mozilla/firefox/a.default; echo a > logins.json; echo a > prefs.js; echo a > /opt/app/logins.json")],
        [Sh("cat /root/.mozilla/firefox/a.default/logins.json")] => "/root/.mozilla/firefox/a.default/logins.json is read",
        [Sh("cat /root/.mozilla/firefox/a.default/prefs.js /opt/app/logins.json")];
    "cgroup-release-agent" [], [Sh("mkdir -p /tmp/cg")],
        [Sh("echo /tmp/x > /tmp/cg/release_agent")] => "/tmp/cg/release_agent is opened for writing",
        [Sh("echo 1 > /tmp/cg/release_agents; cat /tmp/cg/release_agent")];
    "clock-change" [], [],
        [Sh("date -s @$(date +%s)")] => "the clock is set by",
        [Sh("date")];
    "cloud-credentials" [], [Sh("mkdir -p /root/.aws; echo a > /root/.aws/credentials; echo a > /root/.aws/config")],
        [Sh("cat /root/.aws/credentials")] => "/root/.aws/credentials is read",
        [Sh("cat /root/.aws/config; echo b > /root/.aws/credentials")];
    "code-in-memory" [], [],
        [Deed("code in written memory")] => "becomes code",
        [Deed("written memory that is only read")];
    "container-debugfs" [], [Sh("cp /bin/busybox /usr/sbin/debugfs")],
        [Sh("unshare -m /usr/sbin/debugfs; true")] => "/usr/sbin/debugfs is executed, not by the host",
        [Sh("/usr/sbin/debugfs; unshare -m /bin/true debugfs; true")];
    "container-module" [], [Sh("echo junk > /root/junk.ko")],
        [Sh("unshare -m insmod /root/junk.ko; true")] => "the module /root/junk.ko is loaded, not by the host",
        [Sh("insmod /root/junk.ko; true")];
    "kubernetes-api" [], [],
        [Sh("unshare -m wget -q -O /dev/null http://10.96.0.1:443/; true"), Sh("KUBERNETES_SERVICE_HOST=10.96.7.7 unshare -m wget -q -O /dev/null http://10.96.7.7:6443/; true")]
            => "the API server at 10.96.0.1 port 443 is connected to",
        [Sh("wget -q -O /dev/null http://10.96.0.1:443/; unshare -m wget -q -O /dev/null http://10.96.0.2:443/; true")];
    "kubernetes-certificates" [], [Sh("mkdir -p /etc/kubernetes/pki; echo a > /etc/kubernetes/pki/ca.key")],
        [Sh("cat /etc/kubernetes/pki/ca.key"), Sh("mv /etc/kubernetes/pki/ca.key /etc/kubernetes/pki/ca.old; mv /etc/kubernetes/pki/ca.old /etc/kubernetes/pki/ca.key")]
            => "/etc/kubernetes/pki/ca.key is read",
        [As("/usr/bin/kubelet", "read x < /etc/kubernetes/pki/ca.key; true"), Sh("ls /etc/kubernetes/pki; cat /etc/hostname")];
    "memory-read" [], [],
        [Sh("/bin/sleep 5 & p=$!; until grep -q sleep /proc/$p/comm; do :; done; dd if=/proc/$p/mem of=/dev/null bs=1 count=1; kill $p")] => "/mem is opened to be read",
        [Sh("dd if=/proc/self/mem of=/dev/null bs=1 count=1; cat /proc/self/maps")];
    "server-credentials" [], [Sh("[ -e /etc/shadow ] || echo 'root:!:1:::::' > /etc/shadow")],
        [As("/usr/sbin/nginx", "sleep 6; read x < /etc/shadow; true")] => "/etc/shadow is read by a server that has run for",
        [As("/usr/sbin/nginx", "read x < /etc/shadow; true"), As("/usr/sbin/nginz", "sleep 6; read x < /etc/shadow; true")];
    "system-account" [], [],
        [As("/usr/sbin/sshd", "sed -i '/^krsisys/d' /etc/passwd; echo krsisys:x:33:$(id -g)::/:/bin/sh >> /etc/passwd; su -s /bin/sh krsisys -c /usr/bin/id; true")]
            => "/usr/bin/id is executed in a session of user 33",
        [As("/usr/sbin/sshd", "/usr/bin/id; true"), As("/usr/sbin/sshdx", "sed -i '/^krsisys/d' /etc/passwd; echo krsisys:x:33:$(id -g)::/:/bin/sh >> /etc/passwd; su -s /bin/sh krsisys -c /usr/bin/id; true")];
    "container-mount" [], [Sh("mkdir -p /mnt")],
        [Sh("unshare -m /bin/mount -t ext4 /dev/sda1 /mnt")] => "/dev/sda1 (ext4) is mounted at /mnt",
        [Sh("unshare -m /bin/mount -t tmpfs tmpfs /mnt")];
    "credential-files" [], [Sh("[ -e /etc/shadow ] || echo 'root:!:1:::::' > /etc/shadow")],
        [Sh("cat /etc/shadow")] => "/etc/shadow is opened",
        [Sh("cat /etc/passwd; echo a > /etc/shadow.txt; cat /etc/shadow.txt")];
    "cron-persistence" [], [Sh("mkdir -p /etc/cron.d")],
        [Sh("echo '* * * * * root /tmp/x' > /etc/cron.d/job")] => "/etc/cron.d/job is opened for writing",
        [Sh("cat /etc/cron.d/job; echo a > /etc/cron.deny")];
    "database-shell" [], [],
        [As("/usr/sbin/postgres", "/bin/uname; true")] => "a database has /bin/uname executed",
        [As("/usr/sbin/postgresql-backup", "/bin/uname; true")];
    "dns-bypass" [], [],
        [Deed("connect 203.0.113.7:53")] => "203.0.113.7 port 53 is connected to",
        [Deed("connect 127.0.0.53:53"), Deed("connect 203.0.113.7:80")];
    "docker-socket" [], [Sh("mkdir -p /run/a")],
        [Deed("reach /run/docker.sock")] => "/run/docker.sock is reached",
        [Deed("reach /run/a/docker.socket")];
    "exec-deleted" [], [],
        [Deed("execute what is removed")] => "is executed, and is removed already",
        [Sh("mkdir -p /opt; cp /bin/busybox /opt/busybox-kept; /opt/busybox-kept true; rm /opt/busybox-kept")];
    "exec-hidden" [], [Sh("mkdir -p /opt/.x /root/.local/bin; cp /bin/busybox /opt/.x/true; cp /bin/busybox /root/.local/bin/true")],
        [Sh("/opt/.x/true")] => "/opt/.x/true is executed, which is hidden",
        [Sh("/root/.local/bin/true; cd /opt/.x; /bin/true")];
    "exec-masquerade" [], [],
        [Sh("exec -a '[kworker/9:9]' /bin/busybox")] => "/bin/busybox is executed as [kworker/9:9]",
        [Sh("(exec -a 'kworker/9:9' /bin/busybox); /bin/true '[kworker/9:9]'; [ a = a ]")];
    "exec-memfd" [], [],
        [Deed("execute from memory")] => "is executed from memory",
        [Deed("keep in memory")];
    "exec-world-writable" [], [Sh("cp /bin/busybox /tmp/true")],
        [Sh("/tmp/true")] => "/tmp/true is executed",
        [Sh("cd /tmp; /bin/true /tmp/true")];
    "file-capabilities" [], [Sh("cp /bin/busybox /opt/capable")],
        [Deed("setcap setuid")] => "/opt/capable is given",
        [Deed("setcap net_bind_service")];
    "fork-storm" ["--least", "150", "--within", "1m"], [],
        [User("i=0; while [ $i -lt 200 ]; do (:); i=$((i+1)); done")] => "user 1000 makes more than 150 processes",
        [Sh("i=0; while [ $i -lt 20 ]; do (:); i=$((i+1)); done")];
    "history-tampering" [], [Sh("mkdir -p /root; echo a > /root/.bash_history; echo a > /root/.ash_history")],
        [Sh("ln -sf /dev/null /root/.bash_history")] => "/root/.bash_history",
        [Sh("echo b >> /root/.ash_history; cat /root/.ash_history")];
    "input-devices" [], [Sh("mkdir -p /dev/input; [ -e /dev/input/event9 ] || mknod /dev/input/event9 c 13 73")],
        [Sh("cat /dev/input/event9")] => "/dev/input/event9 is opened",
        [Sh("ls -l /dev/input/event9; cat /dev/null")];
    "io-uring" [], [],
        [Deed("io_uring")] => "a ring of io_uring is made",
        [Deed("epoll")];
    "kernel-helpers" [], [Sh("cat /proc/sys/kernel/core_pattern > /tmp/core_pattern; cat /proc/sys/kernel/core_uses_pid > /tmp/core_uses_pid")],
        [Sh("cat /tmp/core_pattern > /proc/sys/kernel/core_pattern")] => "/proc/sys/kernel/core_pattern is opened for writing",
        [Sh("cat /proc/sys/kernel/core_pattern; cat /tmp/core_uses_pid > /proc/sys/kernel/core_uses_pid")];
    "kernel-log" [], [],
        [Sh("dmesg")] => "the kernel's log: read_all",
        [Deed("size of the log")];
    "kexec" [], [],
        [Deed("kexec")] => "a kernel is given for kexec",
        [Deed("module from memory")];
    "ld-preload" [], [],
        [Sh("LD_PRELOAD=/tmp/evil.so /bin/true")] => "is executed with LD_PRELOAD=/tmp/evil.so",
        [Sh("LD_PRELOAD=/usr/lib/libjemalloc.so.2 /bin/true; LD_PRELOADED=/tmp/evil.so /bin/true; LD_PRELOAD= /bin/true")];
    "ld-so-preload" [], [],
        [Sh("echo /tmp/evil.so > /etc/ld.so.preload; rm /etc/ld.so.preload")] => "/etc/ld.so.preload is opened for writing",
        [Sh("cat /etc/ld.so.preload; echo a > /etc/ld.so.preload.txt")];
    "log-tampering" [], [Sh("mkdir -p /var/log; echo a > /var/log/auth.log; echo a > /var/log/kern.log")],
        [Sh(": > /var/log/auth.log")] => "/var/log/auth.log is emptied",
        [Sh("echo b >> /var/log/kern.log; cat /var/log/kern.log; : > /var/log/new.log")];
    "metadata-address" [], [],
        [Deed("connect 169.254.169.254:80")] => "169.254.169.254 port 80 is asked",
        [Deed("connect 169.254.169.25:80")];
    "miner" [], [],
        [Sh("/bin/true -o stratum+tcp://pool:3333 -u wallet")] => "stratum+tcp://pool:3333",
        [Sh("/bin/true -o http://pool:3333 xmrig stratum")];
    "module-autoload" [], [],
        [UserDeed("rds socket")] => "the module net-pf-21 is requested",
        [Deed("rds socket")];
    "module-load" [], [Sh("mkdir -p /lib/modules/t; echo junk > /lib/modules/t/junk.ko; echo junk > /root/junk.ko")],
        [Deed("module /root/junk.ko")] => "the module /root/junk.ko is loaded",
        [Deed("module /lib/modules/t/junk.ko")];
    "nsenter" [], [],
        [Sh("/usr/bin/nsenter -t 1 -m /bin/true")] => "nsenter is executed: /usr/bin/nsenter -t 1 -m /bin/true",
        [Sh("/usr/bin/nsenter -t 12345 -m /bin/true; /bin/true nsenter -t 1")];
    "packet-filter" [], [],
        [Deed("filter of a raw socket")] => "attach_filter at a socket of inet, type raw",
        [Deed("filter of a udp socket")];
    "pam-persistence" [], [Sh("mkdir -p /etc/pam.d")],
        [Sh("echo 'auth sufficient /tmp/x.so' > /etc/pam.d/sshd")] => "/etc/pam.d/sshd is opened for writing",
        [Sh("cat /etc/pam.d/sshd /etc/passwd; echo a > /etc/passwords")];
    "perf-watch" ["--not-exe", "/bin/krsi-sh"], [],
        [Deed("perf of a processor")] => "an event of perf is opened, with cpu in view",
        [Deed("perf of itself")];
    "pipe-to-shell" [], [],
        [Sh("/usr/bin/wget -q -O- http://127.0.0.1:1/ | /bin/sh; true")] => "is piped into",
        [Sh("/usr/bin/wget -q -O- http://127.0.0.1:1/ | /bin/cat; sleep 1"), Sh("/bin/cat /etc/hostname | /bin/sh -c 'exit'; true")];
    "port-scan" [], [],
        [Deed("connect to many ports")] => "targets and more are tried",
        [Deed("connect to one port")];
    "proc-hidden" [], [Sh("mkdir -p /tmp/empty /mnt")],
        [Sh("/bin/sleep 5 & /bin/mount -o bind /tmp/empty /proc/$!; umount /proc/$!; kill $!")] => "is mounted over /proc/",
        [Sh("/bin/mount -o bind /tmp/empty /mnt; umount /mnt")];
    "process-injection" [], [],
        [Sh("/bin/sleep 5 & until grep -q sleep /proc/$!/comm; do :; done; /bin/sh -c \"exec 3<>/proc/$!/mem\"; kill $!")] => "(sleep) can be written to: mem",
        [Sh("/bin/sleep 5 & until grep -q sleep /proc/$!/comm; do :; done; /bin/sh -c \"exec 3</proc/$!/mem\"; kill $!")];
    "raw-disk" [], [Sh("[ -e /dev/sda ] || mknod /dev/sda b 8 0")],
        [Sh("cat /dev/sda")] => "/dev/sda is opened",
        [Sh("ls -l /dev/sda; cat /dev/null")];
    "raw-socket" [], [],
        [Deed("packet socket")] => "a packet socket is made",
        [Deed("connect 127.0.0.1:9")];
    "rename-storm" [], [],
        [Deed("rename 50 files")] => "files and more are renamed, such as",
        [Deed("move 50 files")];
    "reverse-shell" [], [],
        [Deed("reverse shell")] => "is executed at a connection to 127.0.0.1",
        [Sh("echo exit | /bin/sh"), Deed("listen and start a shell")];
    "self-delete" [], [Sh("mkdir -p /opt; cp /bin/busybox /tmp/busybox; cp /bin/busybox /opt/busybox")],
        [Sh("/tmp/busybox sleep 5 & sleep 1; rm /tmp/busybox; kill $!")] => "/tmp/busybox is removed while 1 processes execute it",
        [Sh("/opt/busybox sleep 5 & sleep 1; rm /opt/busybox; kill $!")];
    "setuid-made" [], [Sh("mkdir -p /opt/d; rm -f /opt/tool; echo a > /opt/tool; echo a > /opt/tool2")],
        [Sh("chmod u+s /opt/tool")] => "/opt/tool gains",
        [Sh("chmod 755 /opt/tool2; chmod g+s /opt/d")];
    "setuid-used" [], [Sh("cp /bin/busybox /opt/suid; chown 0:0 /opt/suid; chmod 4755 /opt/suid; cp /bin/busybox /opt/plain")],
        [User("/opt/suid true")] => "/opt/suid gains",
        [User("/opt/plain true")];
    "shell-startup" [], [],
        [Sh("echo /tmp/x >> /root/.bashrc")] => "/root/.bashrc is opened for writing",
        [Sh("cat /root/.bashrc; echo a > /root/bashrc")];
    "ssh-keys" [], [Sh("mkdir -p /root/.ssh; echo k > /root/.ssh/id_ed25519; echo k > /root/.ssh/id_ed25519.pub")],
        [Sh("cat /root/.ssh/id_ed25519")] => "/root/.ssh/id_ed25519 is read",
        [Sh("cat /root/.ssh/id_ed25519.pub")];
    "sshd-early-child" ["--within", "3s"], [Sh("rm -f /run/fifo; mkfifo /run/fifo")],
        [As("/usr/sbin/sshd", "/usr/bin/id; true")] => "sshd executes /",
        [As("/usr/sbin/sshd", "exec 3<>/run/fifo; read -t 5 x <&3; /usr/bin/id; true"), As("/usr/sbin/sshdx", "/usr/bin/id; true")];
    "sudden-root" [], [],
        [Deed("root below a user")] => "is executed as root, and its parent is of user 1000",
        [Deed("root below root")];
    "sudo-abuse" [], [Sh("cp /bin/busybox /usr/bin/sudoedit; cp /bin/busybox /usr/bin/sudo")],
        [Sh("/usr/bin/sudoedit -s 'x\\'")] => "/usr/bin/sudoedit is executed",
        [Sh("/usr/bin/sudoedit /etc/motd; /usr/bin/sudo -u root /bin/true; /usr/bin/sudo -s")];
    "systemd-persistence" [], [Sh("mkdir -p /etc/systemd/system")],
        [Sh("echo a > /etc/systemd/system/x.service")] => "/etc/systemd/system/x.service is opened for writing",
        [Sh("cat /etc/systemd/system/x.service; echo a > /etc/systemd/journald.conf")];
    "timestomp" [], [Sh("echo a > /etc/old; echo a > /etc/new")],
        [Sh("touch -d '2001-01-01 00:00' /etc/old")] => "/etc/old is set back by",
        [Sh("touch /etc/new")];
    "tun-device" [], [Sh("mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200")],
        [Sh("cat /dev/net/tun")] => "/dev/net/tun is opened",
        [Sh("ls -l /dev/net/tun; cat /dev/null")];
    "udev-persistence" [], [Sh("mkdir -p /etc/udev/rules.d")],
        [Sh("echo a > /etc/udev/rules.d/99-x.rules")] => "/etc/udev/rules.d/99-x.rules is opened for writing",
        [Sh("cat /etc/udev/rules.d/99-x.rules; echo a > /etc/udev.conf")];
    "udp-out" [], [],
        [Deed("send 203.0.113.9:4444")] => "are sent to 203.0.113.9 port 4444",
        [Deed("send 10.0.0.9:4444"), Deed("send 203.0.113.9:123")];
    "user-namespace" [], [],
        [User("unshare -U /bin/true")] => "user 1000 makes a user namespace",
        [Sh("unshare -U /bin/true")];
    "web-shell" [], [],
        [As("/usr/sbin/nginx", "/usr/bin/id; true")] => "a web server has /usr/bin/id executed",
        [As("/usr/sbin/nginz", "/usr/bin/id; true")];
};

/// The group id of the first case of what follows; each has two.
pub const FIRST_GUARDED: u32 = 6000;

/// What a guard or a mitigation refuses, and what it does not.
pub struct GuardCase {
    /// As the library has it: `guards/logs`.
    pub script: &'static str,
    /// Its parameters here.
    pub words: &'static [&'static str],
    pub before: &'static [Act],
    /// Refused. What the shell does here succeeds as long as nobody refuses it.
    pub refused: Act,
    /// A part of what it then says.
    pub says: &'static str,
    /// Succeeds all the same, if the shell does it.
    pub look_alike: Act,
}

macro_rules! guards {
    ($($script:literal $words:tt, $before:tt, $refused:expr => $says:literal, $look_alike:expr;)*) => {
        &[$(GuardCase { script: $script, words: &$words, before: &$before, refused: $refused, says: $says, look_alike: $look_alike }),*]
    };
}

/// Those that a person has to answer at a prompt are not among them.
pub const GUARDS: &[GuardCase] = guards! {
    "guards/authorized-keys" [], [Sh("mkdir -p /root/.ssh; touch /root/.ssh/authorized_keys")],
        Sh("echo key >> /root/.ssh/authorized_keys") => "/root/.ssh/authorized_keys is opened for writing",
        Sh("cat /root/.ssh/authorized_keys && echo host >> /root/.ssh/known_hosts");
    "guards/container-sockets" [], [],
        Deed("reach /run/docker.sock") => "/run/docker.sock is reached",
        Deed("reach /run/docker.socket");
    "guards/credential-files" [], [Sh("[ -e /etc/shadow ] || echo 'root:!:1:::::' > /etc/shadow")],
        Sh("cat /etc/shadow") => "/etc/shadow is opened",
        Sh("cat /etc/passwd");
    "guards/kernel-modules" [], [Sh("mkdir -p /lib/modules/t; echo junk > /lib/modules/t/junk.ko; echo junk > /root/junk.ko")],
        Deed("module /root/junk.ko") => "the module /root/junk.ko is loaded",
        Deed("module /lib/modules/t/junk.ko");
    "guards/loader" [], [Sh("rm -f /etc/ld.so.preload")],
        Sh("echo /tmp/evil.so > /etc/ld.so.preload && rm /etc/ld.so.preload") => "/etc/ld.so.preload is opened for writing",
        Sh("echo a > /etc/ld.preload && rm /etc/ld.preload");
    "guards/logs" [], [Sh("mkdir -p /var/log; echo a > /var/log/auth.log; echo a > /var/log/kern.log")],
        Sh("echo a >> /var/log/auth.log; : > /var/log/auth.log") => "/var/log/auth.log is emptied",
        Sh("echo b >> /var/log/kern.log && cat /var/log/kern.log");
    "guards/memory-programs" [], [],
        Deed("execute from memory") => "is executed from memory",
        Deed("keep in memory");
    "guards/metadata-address" [], [],
        Deed("connect 169.254.169.254:80") => "169.254.169.254 port 80 is asked",
        Deed("connect 169.254.169.25:80");
    "guards/process-memory" [], [],
        Sh("/bin/sleep 5 & p=$!; until grep -q sleep /proc/$p/comm; do :; done; /bin/sh -c \"exec 3<>/proc/$p/mem\"; c=$?; kill $p; exit $c")
            => "(sleep) can be written to: mem",
        Sh("/bin/sleep 5 & p=$!; until grep -q sleep /proc/$p/comm; do :; done; /bin/sh -c \"exec 3</proc/$p/mem\"; c=$?; kill $p; exit $c");
    "guards/raw-disks" [], [Sh("[ -e /dev/vdz ] || mknod /dev/vdz c 1 3; mkdir -p /opt; [ -e /opt/null ] || mknod /opt/null c 1 3")],
        Sh("cat /dev/vdz") => "/dev/vdz is opened",
        Sh("cat /opt/null");
    "guards/running-programs" [], [Sh("mkdir -p /opt; cp /bin/busybox /opt/idle")],
        Sh("cp /bin/busybox /opt/busybox-kept; /opt/busybox-kept sleep 5 & p=$!; until grep -q kept /proc/$p/comm; do :; done; rm /opt/busybox-kept; c=$?; kill $p; exit $c")
            => "/opt/busybox-kept is removed while 1 processes execute it",
        Sh("rm /opt/idle && cp /bin/busybox /opt/idle");
    "guards/scheduled-jobs" [], [Sh("mkdir -p /etc/cron.d")],
        Sh("echo '* * * * * root /tmp/x' > /etc/cron.d/job && rm /etc/cron.d/job") => "/etc/cron.d/job is opened for writing",
        Sh("ls /etc/cron.d && echo a > /etc/cron.deny");
    "guards/server-shells" [], [],
        As("/usr/sbin/nginx", "/usr/bin/id; exit $?") => "a web server has /usr/bin/id executed",
        As("/usr/sbin/nginz", "/usr/bin/id; exit $?");
    "guards/set-uid-files" [], [Sh("mkdir -p /opt/d; rm -f /opt/tool; echo a > /opt/tool; echo a > /opt/tool2")],
        Sh("chmod u+s /opt/tool && chmod u-s /opt/tool") => "/opt/tool gains",
        Sh("chmod 755 /opt/tool2 && chmod g+s /opt/d");
    "guards/ssh-keys" [], [Sh("mkdir -p /root/.ssh; echo k > /root/.ssh/id_ed25519; echo k > /root/.ssh/id_ed25519.pub")],
        Sh("cat /root/.ssh/id_ed25519") => "/root/.ssh/id_ed25519 is read",
        Sh("cat /root/.ssh/id_ed25519.pub");
    "guards/system-programs" [], [Sh("mkdir -p /usr/sbin; echo a > /usr/sbin/kept-tool")],
        Sh("echo b > /usr/sbin/kept-tool") => "/usr/sbin/kept-tool is opened for writing",
        Sh("cat /usr/sbin/kept-tool && echo a > /opt/tool3");
    "guards/world-writable-programs" [], [Sh("cp /bin/busybox /tmp/true")],
        Sh("/tmp/true") => "/tmp/true is executed",
        Sh("cd /tmp && /bin/true /tmp/true");
    "mitigations/af-alg" [], [],
        Deed("alg socket") => "a socket of AF_ALG is made",
        Deed("netlink socket");
    "mitigations/io-uring" [], [],
        Deed("io_uring") => "a ring of io_uring is made",
        Deed("epoll");
    "mitigations/kernel-helpers" [], [Sh("cat /proc/sys/kernel/core_pattern > /tmp/core_pattern; cat /proc/sys/kernel/core_uses_pid > /tmp/core_uses_pid")],
        Sh("cat /tmp/core_pattern > /proc/sys/kernel/core_pattern") => "/proc/sys/kernel/core_pattern is opened for writing",
        Sh("cat /proc/sys/kernel/core_pattern && cat /tmp/core_uses_pid > /proc/sys/kernel/core_uses_pid");
    "mitigations/module-autoload" [], [],
        UserDeed("rds socket") => "the module net-pf-21 is requested",
        Deed("rds socket");
    // Debian's kernels let users have no event at all, without asking the hook, unless this says so.
    "mitigations/perf-events" [], [Sh("echo 2 > /proc/sys/kernel/perf_event_paranoid")],
        UserDeed("perf of itself") => "an event of perf is opened by user 1000",
        Deed("perf of itself");
    "mitigations/sysrq" [], [Sh("cat /proc/sys/kernel/sysrq > /tmp/sysrq")],
        Sh("cat /tmp/sysrq > /proc/sys/kernel/sysrq") => "/proc/sys/kernel/sysrq is opened for writing",
        Sh("cat /proc/sys/kernel/sysrq && echo a > /tmp/sysrq-triggers");
    "mitigations/unprivileged-bpf" [], [],
        UserDeed("bpf socket filter") => "bpf(2) is called by user 1000",
        Deed("bpf socket filter");
    "mitigations/user-namespaces" [], [],
        User("unshare -U /bin/true") => "user 1000 makes a user namespace",
        Sh("unshare -U /bin/true");
    "mitigations/userfaultfd" [], [],
        Deed("userfaultfd") => "a descriptor of userfaultfd is made",
        Deed("epoll");
};
