//! Processes: other ones, and what this one may become.

use std::{fs::File, io::IoSliceMut};

use nix::{
    errno::Errno,
    libc,
    sched::{setns, unshare},
    sys::{
        personality::{self, Persona},
        ptrace,
        signal::kill,
        uio::{RemoteIoVec, process_vm_readv},
    },
    unistd::{Gid, Pid, Uid, chroot, pivot_root, setgroups, setuid},
};

use super::Answer;
use crate::attempt::{
    arguments::{Arguments, Failure},
    namespace::Namespace,
};

fn namespace(arguments: &Arguments, at: usize) -> Result<Namespace, Failure> {
    let name = arguments.text(at);
    Namespace::from_name(name).ok_or_else(|| Failure::NotAttempted(format!("there is no namespace `{name}`")))
}

fn pid(arguments: &Arguments, at: usize) -> Pid {
    Pid::from_raw(i32::try_from(arguments.number(at)).unwrap_or(i32::MAX))
}

/// Enters a new namespace, which ends with the process.
pub fn enter_new(arguments: &Arguments) -> Answer {
    Ok(unshare(namespace(arguments, 0)?.flag())?)
}

/// Enters a namespace of another process's; only the one that attempts it is there then.
pub fn enter_other(arguments: &Arguments) -> Answer {
    let namespace = namespace(arguments, 1)?;
    let file = File::open(format!("/proc/{}/ns/{}", pid(arguments, 0), namespace.file()))?;
    Ok(setns(file, namespace.flag())?)
}

/// Traces a process without stopping it, until this one ends.
pub fn trace(arguments: &Arguments) -> Answer {
    Ok(ptrace::seize(pid(arguments, 0), ptrace::Options::empty())?)
}

/// Reads a byte of another process's memory where there is none.
pub fn read_memory(arguments: &Arguments) -> Answer {
    let mut byte = [0];
    let (mut here, there) = ([IoSliceMut::new(&mut byte)], [RemoteIoVec { base: 0, len: 1 }]);
    process_vm_readv(pid(arguments, 0), &mut here, &there)?;
    Ok(())
}

/// Sends no signal, for which the kernel asks as for one.
pub fn signal(arguments: &Arguments) -> Answer {
    Ok(kill(pid(arguments, 0), None)?)
}

/// Becomes another user, by itself.
pub fn become_user(arguments: &Arguments) -> Answer {
    Ok(setuid(Uid::from_raw(u32::try_from(arguments.number(0)).unwrap_or_default()))?)
}

/// Becomes a member of a group, by itself.
pub fn join_group(arguments: &Arguments) -> Answer {
    Ok(setgroups(&[Gid::from_raw(u32::try_from(arguments.number(0)).unwrap_or_default())])?)
}

/// Takes the scratch's directory as its root.
pub fn change_root(_: &Arguments) -> Answer {
    Ok(chroot(".")?)
}

/// Asks for another root of the mount namespace, with a directory that is not a mount point.
pub fn exchange_root(_: &Arguments) -> Answer {
    Ok(pivot_root(".", ".")?)
}

/// Maps memory that may be written and executed, or makes written memory executable.
pub fn executable_memory(arguments: &Arguments) -> Answer {
    let (read, write, execute) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
    let at_once = arguments.text(0) == "map";
    let protection = if at_once { read | write | execute } else { read | write };
    // SAFETY: new memory of the kernel's choice; nothing of this process is there.
    let page = unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    if page == libc::MAP_FAILED {
        return Err(Errno::last().into());
    }
    if !at_once {
        // SAFETY: the page was mapped just now, for this.
        unsafe { page.cast::<u8>().write(0xc3) };
        // SAFETY: likewise; nothing is executed there.
        Errno::result(unsafe { libc::mprotect(page, 4096, read | execute) })?;
    }
    Ok(())
}

/// Turns address space randomisation off, for this process.
pub fn personality(_: &Arguments) -> Answer {
    personality::set(Persona::ADDR_NO_RANDOMIZE)?;
    Ok(())
}

/// Takes a higher priority than others, for this process.
pub fn priority(arguments: &Arguments) -> Answer {
    let nice = i32::try_from(arguments.number(0)).unwrap_or_default();
    // SAFETY: three numbers, and this process alone.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    Ok(())
}

/// Takes real-time scheduling, for this process.
pub fn real_time(_: &Arguments) -> Answer {
    // SAFETY: zeroes are a value of it.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = 1;
    // SAFETY: the parameter lives over the call.
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) })?;
    Ok(())
}
