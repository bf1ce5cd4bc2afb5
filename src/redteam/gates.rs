//! Doors of the kernel beside the usual system calls: those of 32-bit programs and of x32, openat2, handles.
//!
//! In: what to do. Out: the kernel's answer. Where a kernel lacks a gate, the answer is ENOSYS or the process gets a signal.

use std::{
    ffi::CStr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc::{self, c_long},
    sys::stat::Mode,
};

/// What a system call has made: a descriptor.
///
/// # Errors
/// What it says.
pub fn made(result: c_long) -> Result<OwnedFd, Errno> {
    let number = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: a descriptor that the kernel has just given, and nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Opens by openat2(2).
///
/// # Errors
/// What the kernel says.
pub fn openat2(path: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    // struct open_how: flags, mode, resolve.
    let how = [u64::from(flags.bits().cast_unsigned()), 0, 0];
    // SAFETY: a text that ends with a NUL, and a struct of three numbers.
    made(unsafe {
        libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how.as_ptr(), size_of_val(&how))
    })
}

/// Opens by a handle instead of a name (name_to_handle_at(2)); `beside` is a directory of the same file system.
///
/// # Errors
/// What the kernel says.
pub fn by_handle(path: &CStr, beside: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    // struct file_handle: room for bytes, type, bytes.
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mounted = 0_i32;
    // SAFETY: a text that ends with a NUL, and as much room as the struct says.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mounted,
            0,
        )
    })?;
    let directory = open(beside, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
    // SAFETY: a descriptor, and a handle that the kernel has filled.
    made(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, directory.as_raw_fd(), handle.as_mut_ptr(), flags.bits())
    })
}

/// Memory in the lower half of what there is, where 32-bit calls and x32 look for it. It goes with the process.
pub struct Low {
    at: u32,
    used: u32,
}

impl Low {
    const SIZE: u32 = 16384;

    /// # Errors
    /// If there is none.
    pub fn new() -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: new memory of the kernel's choice; nothing of this process is there.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::SIZE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Low { at: u32::try_from(at.expose_provenance()).map_err(|_| Errno::ENOMEM)?, used: 0 })
    }

    /// Copies bytes there; gives their address.
    ///
    /// # Errors
    /// If there is no room.
    pub fn put(&mut self, bytes: &[u8]) -> Result<u32, Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::ENAMETOOLONG)?;
        if length > Self::SIZE - self.used {
            return Err(Errno::ENAMETOOLONG);
        }
        let at = self.at + self.used;
        // SAFETY: within the mapping, which nobody else knows, and which is never undone.
        unsafe {
            let to = std::ptr::with_exposed_provenance_mut::<u8>(at as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        // Numbers that follow are aligned.
        self.used += length.next_multiple_of(8).min(Self::SIZE - self.used);
        Ok(at)
    }

    /// Copies a list of 32-bit addresses there, and a null behind it.
    ///
    /// # Errors
    /// If there is no room.
    pub fn list(&mut self, of: &[u32]) -> Result<u32, Errno> {
        let bytes: Vec<u8> = of.iter().chain([&0]).flat_map(|address| address.to_ne_bytes()).collect();
        self.put(&bytes)
    }
}

/// Numbers of 32-bit calls.
pub const OPEN_32: i32 = 5;
pub const EXECVE_32: i32 = 11;
pub const SOCKET_32: i32 = 359;
pub const CONNECT_32: i32 = 362;

/// Makes a 32-bit call; SIGSEGV where there is no such gate.
///
/// # Errors
/// What the kernel says.
#[cfg(target_arch = "x86_64")]
pub fn call_32(number: i32, arguments: [u32; 3]) -> Result<i32, Errno> {
    let [first, second, third] = arguments;
    let result: i32;
    // SAFETY: what the arguments point to lies in the lower half and stays there; the kernel changes the result's register only, and
    // those that it may are named.
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {first:e}", "int 0x80", "pop rbx",
            first = in(reg) first,
            inlateout("eax") number => result, in("ecx") second, in("edx") third, in("esi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
}

/// Other machines have no such gate.
///
/// # Errors
/// Always.
#[cfg(not(target_arch = "x86_64"))]
pub fn call_32(_: i32, _: [u32; 3]) -> Result<i32, Errno> {
    Err(Errno::ENOSYS)
}

/// Makes a call as x32 programs do; its structs are those of 64 bits but for lists of addresses.
///
/// # Errors
/// What the kernel says.
pub fn call_x32(number: c_long, arguments: [u64; 3]) -> Result<c_long, Errno> {
    const X32: c_long = 0x4000_0000;
    let [first, second, third] = arguments;
    // SAFETY: what the arguments point to lives over the call.
    Errno::result(unsafe { libc::syscall(X32 | number, first, second, third, 0) })
}

/// Number of execve(2) among x32's own calls.
pub const EXECVE_X32: c_long = 520;
