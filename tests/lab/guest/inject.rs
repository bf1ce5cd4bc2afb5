//! Makes a process that is attacked do something by itself, as code that an intruder has brought into it would.

use std::{fs::OpenOptions, os::unix::fs::FileExt, path::Path};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{holds, learning::text};

/// The instruction with which a process that waits has asked the kernel.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// So far below the top of its stack nothing is in use, nor in the page where it goes.
const BELOW: u64 = 4096;

/// Makes a waiting process execute a program; the kernel's answer.
pub fn execute(pid: Pid, argv: &[&str]) -> Result<Result<(), Errno>, String> {
    ptrace::attach(pid).map_err(text)?;
    let answer = executed(pid, argv);
    let detached = ptrace::detach(pid, None).map_err(text);
    let answer = answer?;
    detached?;
    Ok(answer)
}

fn executed(pid: Pid, argv: &[&str]) -> Result<Result<(), Errno>, String> {
    stopped(pid)?;
    let before = ptrace::getregs(pid).map_err(text)?;
    let memory = Path::new("/proc").join(pid.to_string()).join("mem");
    let memory = OpenOptions::new().read(true).write(true).open(memory).map_err(text)?;
    let mut instruction = [0; 2];
    memory.read_exact_at(&mut instruction, before.rip - 2).map_err(text)?;
    holds(instruction == SYSCALL, format!("{pid} does not wait in a system call: {instruction:x?}"))?;

    // The words, and behind them the array of where they are.
    let base = (before.rsp - BELOW) & !15;
    let (mut bytes, mut array) = (Vec::new(), Vec::new());
    for word in argv {
        array.extend((base + bytes.len() as u64).to_ne_bytes());
        bytes.extend(word.as_bytes());
        bytes.push(0);
    }
    array.extend(0_u64.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let array_at = base + bytes.len() as u64;
    bytes.extend(array);
    memory.write_all_at(&bytes, base).map_err(text)?;

    let regs = libc::user_regs_struct {
        rip: before.rip - 2,
        rax: libc::SYS_execve.cast_unsigned(),
        // It is in no system call that could be begun again.
        orig_rax: u64::MAX,
        rdi: base,
        rsi: array_at,
        rdx: 0,
        ..before
    };
    ptrace::setregs(pid, regs).map_err(text)?;
    ptrace::step(pid, None).map_err(text)?;
    stopped(pid)?;
    let answer = ptrace::getregs(pid).map_err(text)?.rax.cast_signed();
    if answer == 0 {
        return Ok(Ok(()));
    }
    // Refused: it goes on as before.
    ptrace::setregs(pid, before).map_err(text)?;
    Ok(Err(Errno::from_raw(i32::try_from(-answer).unwrap_or_default())))
}

fn stopped(pid: Pid) -> Result<(), String> {
    let status = waitpid(pid, None).map_err(text)?;
    holds(matches!(status, WaitStatus::Stopped(..)), format!("{status:?}"))
}
