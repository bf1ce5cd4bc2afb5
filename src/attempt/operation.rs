//! The table of operations: what can be attempted, and what its answer means.
//!
//! A line each: the name and parameters that a script writes, one call (`calls/`), and the errnos that come after the kernel's
//! permission, from arguments that make it harmless. What is about to be attempted where it may be permitted belongs here only if
//! it leaves nothing behind.

use nix::errno::Errno;

use super::{
    arguments::{Arguments, ArgumentsError, Kind, Param, Value, usage},
    calls::{Answer, admin, files, kernel, network, processes},
    namespace::Namespace,
};
use crate::values::nearest;

/// Something that can be attempted.
pub struct Operation {
    pub name: &'static str,
    params: &'static [Param],
    /// What it does, and why it does no harm, in a sentence or two.
    pub help: &'static str,
    /// Errnos that mean: it was permitted, and failed afterwards as it was meant to.
    permitted: &'static [Errno],
    call: fn(&Arguments) -> Answer,
}

/// No operation has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no operation `{given}`{}; allowed: {}", nearest.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")), names().join(", "))]
pub struct UnknownOperation {
    pub given: String,
    nearest: Option<&'static str>,
}

fn names() -> Vec<&'static str> {
    TABLE.iter().map(|operation| operation.name).collect()
}

/// Returns everything that can be attempted.
#[must_use]
pub fn operations() -> &'static [Operation] {
    TABLE
}

impl Operation {
    /// Finds an operation by its name.
    ///
    /// # Errors
    /// If there is none, with the nearest and all names.
    pub fn find(name: &str) -> Result<&'static Operation, UnknownOperation> {
        TABLE
            .iter()
            .find(|operation| operation.name == name)
            .ok_or_else(|| UnknownOperation { given: name.to_owned(), nearest: nearest(name, names()) })
    }

    /// Checks arguments.
    ///
    /// # Errors
    /// If they are not those of this operation.
    pub fn check(&self, given: &[Value]) -> Result<(), ArgumentsError> {
        self.arguments(given.to_vec()).map(drop)
    }

    pub(super) fn arguments(&self, given: Vec<Value>) -> Result<Arguments, ArgumentsError> {
        Arguments::new(self.name, self.params, given)
    }

    /// Returns how it is written.
    #[must_use]
    pub fn usage(&self) -> String {
        usage(self.name, self.params)
    }

    /// Returns the same by name, in a line.
    #[must_use]
    pub fn permitted_names(&self) -> String {
        self.permitted.iter().map(|errno| format!("{errno:?}")).collect::<Vec<_>>().join(" ")
    }

    /// Returns the errnos that mean that it was permitted.
    pub fn permitted(&self) -> impl Iterator<Item = i32> {
        self.permitted.iter().map(|errno| *errno as i32)
    }

    /// Makes the call.
    pub(super) fn perform(&self, arguments: &Arguments) -> Answer {
        (self.call)(arguments)
    }

    /// Whether what comes of it where it is permitted is another program.
    pub(super) fn executes(&self) -> bool {
        self.name == "exec"
    }
}

const fn needed(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, default: None }
}

const fn optional(name: &'static str, kind: Kind, default: &'static str) -> Param {
    Param { name, kind, default: Some(default) }
}

const PATH: &[Param] = &[needed("path", Kind::Path)];
const PID: &[Param] = &[needed("pid", Kind::Number(1, i32::MAX as i64))];
const PORT: Kind = Kind::Number(0, 65535);
const ID: Kind = Kind::Number(0, u32::MAX as i64);

macro_rules! table {
    ($($name:literal ($params:expr) $call:path, [$($errno:ident),*], $help:literal;)*) => {
        &[$(Operation { name: $name, params: $params, help: $help, permitted: &[$(Errno::$errno),*], call: $call },)*]
    };
}

const TABLE: &[Operation] = table! {
    "exec" (PATH) files::exec, [ENOEXEC],
        "Executes a program without arguments; it is killed as soon as it has begun.";
    "open" (&[needed("path", Kind::Path), optional("access", Kind::Word(&["r", "w", "rw"]), "r")])
        files::open_file, [ENXIO],
        "Opens a file that is there. Nothing is read or written.";
    "create" (PATH) files::create, [],
        "Makes a file that is not there, and removes it again.";
    "unlink" (PATH) files::unlink, [ENOTDIR, EISDIR],
        "Removes a name in the wrong way (a file as a directory), which the kernel sees after it has permitted it. \
         The hook inode_unlink is not reached: that takes a file of one's own and `run([\"rm\", …])`.";
    "link" (&[needed("from", Kind::Path), needed("to", Kind::Path)]) files::link, [],
        "Gives a file a second name on the same file system, and removes that again (fs.protected_hardlinks).";
    "follow" (PATH) files::follow, [],
        "Follows a symbolic link, and opens nothing (fs.protected_symlinks).";
    "fifo" (PATH) files::reopen, [],
        "Opens a FIFO or a file that is there with O_CREAT (fs.protected_fifos, fs.protected_regular).";
    "chmod" (PATH) files::chmod, [],
        "Sets the mode that a file has already.";
    "chown" (&[optional("uid", ID, "0")]) files::give_away, [],
        "Gives a file of its own away to a user.";
    "setuid_file" (&[]) files::make_setuid, [],
        "Makes a file of its own set-user-id.";
    "setcap" (&[]) files::set_file_capability, [EOPNOTSUPP],
        "Gives a file of its own a capability.";
    "mknod" (&[optional("kind", Kind::Word(&["char", "block"]), "char")]) files::make_node, [],
        "Makes a device node in the scratch's directory, and removes it.";
    "sysctl" (&[needed("name", Kind::Text)]) files::sysctl, [],
        "Writes to a parameter of the kernel (kernel.kptr_restrict) the value that it has.";
    "mount" (&[]) admin::mount_nothing, [EINVAL],
        "Mounts a directory without a name. Permitted: EINVAL.";
    "umount" (&[]) admin::unmount_nothing, [EINVAL],
        "Unmounts what is not a mount point. Permitted: EINVAL.";
    "pivot_root" (&[]) processes::exchange_root, [EINVAL, EBUSY],
        "Exchanges the root for what is not a mount point. Permitted: EINVAL.";
    "chroot" (&[]) processes::change_root, [],
        "Takes the scratch's directory as root, for itself.";
    "unshare" (&[optional("namespace", Kind::Word(Namespace::NAMES), "user")]) processes::enter_new, [],
        "Enters a new namespace, by itself.";
    "setns" (&[needed("pid", Kind::Number(1, i32::MAX as i64)), optional("namespace", Kind::Word(Namespace::NAMES), "mount")])
        processes::enter_other, [],
        "Enters a namespace of another process's, by itself.";
    "ptrace" (PID) processes::trace, [],
        "Traces a process without stopping it, for a moment.";
    "process_vm_read" (PID) processes::read_memory, [EFAULT],
        "Reads another process's memory where there is none. Permitted: EFAULT.";
    "kill" (PID) processes::signal, [],
        "Asks whether a process may be signalled; no signal is sent.";
    "setuid" (&[optional("uid", ID, "0")]) processes::become_user, [],
        "Becomes another user, by itself.";
    "setgroups" (&[optional("gid", ID, "0")]) processes::join_group, [],
        "Becomes a member of a group, by itself.";
    "nice" (&[optional("nice", Kind::Number(-20, 19), "-5")]) processes::priority, [],
        "Takes a priority, for itself.";
    "realtime" (&[]) processes::real_time, [],
        "Takes real-time scheduling (SCHED_FIFO), for itself.";
    "personality" (&[]) processes::personality, [],
        "Turns off the randomisation of addresses, for itself.";
    "execmem" (&[optional("way", Kind::Word(&["map", "protect"]), "map")]) processes::executable_memory, [],
        "Maps memory that is writable and executable, or makes written memory executable; nothing is executed.";
    "bpf" (&[optional("what", Kind::Word(&["map", "program"]), "map")]) kernel::bpf, [],
        "Makes a BPF map, or loads a socket filter and attaches it to nothing.";
    "perf_event_open" (&[optional("of", Kind::Word(&["user", "kernel", "cpu"]), "kernel")]) kernel::perf_event, [],
        "Opens a counter that is off (kernel.perf_event_paranoid).";
    "userfaultfd" (&[]) kernel::userfault, [],
        "Makes a descriptor for page faults, the kernel's included (vm.unprivileged_userfaultfd).";
    "io_uring" (&[]) kernel::io_uring, [],
        "Makes a ring of one entry (kernel.io_uring_disabled).";
    "add_key" (&[]) kernel::add_key, [],
        "Keeps a key in a keyring of its own.";
    "fanotify" (&[]) kernel::fanotify, [],
        "Asks to decide about other processes' opens, of no file.";
    "module" (&[]) admin::load_module, [ENOEXEC],
        "Loads a module of zeroes. Permitted: ENOEXEC. EKEYREJECTED: modules need a signature.";
    "delete_module" (&[]) admin::remove_module, [ENOENT],
        "Removes a module that is not there. Permitted: ENOENT.";
    "kexec" (&[]) admin::kexec, [EINVAL],
        "Loads a kernel of more segments than there can be. Permitted: EINVAL.";
    "reboot" (&[]) admin::reboot, [EINVAL],
        "Calls reboot(2) without its magic number, so that nothing happens. Permitted: EINVAL.";
    "settime" (&[]) admin::set_time, [],
        "Sets the kernel's time zone to what it is; the time is left alone.";
    "sethostname" (&[]) admin::set_host_name, [EINVAL],
        "Gives the machine a name that is too long. Permitted: EINVAL.";
    "swapon" (&[]) admin::swap, [ENOENT],
        "Swaps to a file without a name. Permitted: ENOENT.";
    "acct" (&[]) admin::account, [ENOENT],
        "Accounts processes in a file without a name. Permitted: ENOENT.";
    "dmesg" (&[]) admin::read_log, [],
        "Reads a byte of the kernel's log (kernel.dmesg_restrict).";
    "socket" (&[needed("family", Kind::Word(network::FAMILY_NAMES))]) network::socket, [],
        "Makes a socket; the kernel may load a module for its family.";
    "bind" (&[needed("port", PORT)]) network::bind, [EADDRINUSE],
        "Binds a TCP socket to a port of 127.0.0.1.";
    "listen" (&[optional("port", PORT, "0")]) network::listen, [EADDRINUSE],
        "Listens on a port of 127.0.0.1, for a moment.";
    "connect" (&[needed("address", Kind::Text), needed("port", PORT)]) network::connect, [EINPROGRESS, ECONNREFUSED],
        "Begins a TCP connection, and does not wait for it.";
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unlike_and_an_unknown_one_is_told_the_nearest() {
        let names = names();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        let text = Operation::find("modul").map(|o| o.name).unwrap_err().to_string();
        assert!(text.contains("(did you mean `module`?)") && text.contains("exec, open,"), "{text}");
    }

    #[test]
    fn what_is_left_out_is_of_its_kind() {
        for operation in TABLE {
            for param in operation.params.iter().filter(|param| param.default.is_some()) {
                let params = [*param];
                assert!(Arguments::new(operation.name, &params, Vec::new()).is_ok(), "{}", operation.name);
            }
        }
    }

    #[test]
    fn a_use_shows_what_may_be_left_out() {
        assert_eq!(Operation::find("open").map(Operation::usage).unwrap(), "open(path, access = \"r\")");
        assert_eq!(Operation::find("nice").map(Operation::usage).unwrap(), "nice(nice = -5)");
        assert_eq!(Operation::find("reboot").map(Operation::usage).unwrap(), "reboot()");
    }
}
