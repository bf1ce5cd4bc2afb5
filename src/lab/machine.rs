//! The virtual machine as QEMU is told of it: processor, memory, ports, kernel. A user-mode Linux is
//! told the same things in its own words.
//!
//! In: a request and what was found for it. Out: a command line, ready to be
//! started; nothing runs here. Four plain serial ports, since every kernel of the
//! matrix has a driver for those built in, and none for anything faster.

use std::{
    fs::File,
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
    process::Command,
};

use super::{Acceleration, Request, kernels::Kernel};

/// The guest's serial ports, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Console,
    Stdout,
    Stderr,
    Verdict,
}

impl Port {
    pub(super) const ALL: [Port; 4] = [Port::Console, Port::Stdout, Port::Stderr, Port::Verdict];

    fn id(self) -> &'static str {
        match self {
            Port::Console => "console",
            Port::Stdout => "stdout",
            Port::Stderr => "stderr",
            Port::Verdict => "verdict",
        }
    }
}

/// What one boot needs, all found.
pub(super) struct Machine<'a> {
    /// Not needed for a user-mode Linux.
    pub qemu: Option<PathBuf>,
    pub kernel: Kernel,
    pub initramfs: File,
    pub request: &'a Request,
}

/// `bpf` is not in every kernel's own list, and without it programs attach and
/// never fire. The major modules (apparmor …) only cost time here.
const LSM: &str = "lockdown,yama,integrity,bpf";

impl Machine<'_> {
    /// The command to start, but for the descriptors it has to inherit: each port's own,
    /// and the initramfs.
    pub(super) fn command(&self, acceleration: Acceleration, ports: [RawFd; 4]) -> Command {
        match &self.qemu {
            Some(qemu) if acceleration != Acceleration::UserMode => self.qemu(qemu, acceleration, ports),
            _ => self.user_mode(ports),
        }
    }

    fn user_mode(&self, ports: [RawFd; 4]) -> Command {
        let mut linux = Command::new(&self.kernel.image);
        linux.arg(format!("mem={}", self.request.memory));
        linux.arg(format!("initrd=/proc/self/fd/{}", self.initramfs.as_raw_fd()));
        // No consoles but the ports, and no socket for its control in the user's home.
        linux.args(["con=null", "con0=null", "uml_dir=/dev/null/"]);
        for (number, descriptor) in ports.into_iter().enumerate() {
            linux.arg(format!("ssl{number}=fd:{descriptor},fd:{descriptor}"));
        }
        linux.args(self.kernel_command_line().split(' '));
        linux
    }

    fn qemu(&self, qemu: &Path, acceleration: Acceleration, ports: [RawFd; 4]) -> Command {
        let mut qemu = Command::new(qemu);
        qemu.args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]);
        match acceleration {
            Acceleration::Kvm => qemu.args(["-accel", "kvm", "-cpu", "host"]),
            Acceleration::Tcg if self.request.icount => {
                // Counting instructions excludes one thread for each processor. With `fsrm` the kernel copies by `rep movsb`, of which
                // QEMU counts each byte.
                qemu.args(["-accel", "tcg,tb-size=512", "-cpu", "max,-fsrm", "-icount", "shift=0,sleep=off"])
            }
            Acceleration::Tcg | Acceleration::UserMode => {
                // The kernel changes its own code where programs are attached. With a thread for each processor QEMU may
                // translate such code anew between discarding the former translation and the write, and
                // then keep to what was written before: a breakpoint, at which the guest's kernel panics.
                qemu.args(["-accel", "tcg,thread=single,tb-size=512", "-cpu", "max"])
            }
        };
        qemu.args(["-machine", "pc,usb=off,vmport=off"]);
        qemu.args(["-m", &self.request.memory, "-smp", &self.request.cpus.to_string()]);
        qemu.arg("-kernel").arg(&self.kernel.image);
        qemu.arg("-initrd").arg(format!("/proc/self/fd/{}", self.initramfs.as_raw_fd()));
        qemu.arg("-append").arg(self.kernel_command_line());
        for (port, descriptor) in Port::ALL.into_iter().zip(ports) {
            let id = port.id();
            qemu.arg("-chardev").arg(format!("socket,id={id},fd={descriptor}"));
            qemu.arg("-serial").arg(format!("chardev:{id}"));
        }
        qemu
    }

    fn kernel_command_line(&self) -> String {
        let mut words: Vec<String> = [
            "console=ttyS0,115200",
            // A kernel that broke must not go on to a verdict.
            "panic=-1",
            "oops=panic",
            // Crypto's self-tests are a fifth of an emulated boot, and prove nothing here.
            "cryptomgr.notests",
            // The processor has an instruction for random numbers; a kernel built
            // without trust in it lets the first who asks wait for the pool.
            "random.trust_cpu=on",
            // A busy host makes an emulated clock look broken: the first check would
            // switch to a slow clock, the second end in a panic.
            "tsc=reliable",
            "no_timer_check",
        ]
        .map(str::to_owned)
        .to_vec();
        words.push(if self.request.chatty { "loglevel=7" } else { "quiet" }.to_owned());
        words.push(format!("lsm={}", self.request.lsm.as_deref().unwrap_or(LSM)));
        // Last, so that the request's word counts where one is given twice.
        words.extend(self.request.append.iter().cloned());
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Command as Guest, *};

    fn line(request: &Request) -> String {
        let kernel = Kernel { name: "6.12".into(), image: "/vmlinux".into() };
        let initramfs = File::open("/dev/null").unwrap();
        Machine { qemu: Some("qemu".into()), kernel, initramfs, request }.kernel_command_line()
    }

    #[test]
    fn bpf_is_among_the_security_modules_unless_the_request_says_otherwise() {
        let mut request = Request::new(Guest::Run { argv: vec![], stdin: vec![] });
        assert!(line(&request).contains("lsm=lockdown,yama,integrity,bpf"));
        request.lsm = Some("yama".into());
        request.append = vec!["lockdown=confidentiality".into()];
        assert!(line(&request).ends_with("quiet lsm=yama lockdown=confidentiality"));
    }
}
