//! Why the kernel refuses a map, a program, a link, a mapping or a file, and what to do about it: one table for all of
//! them, by errno.
//!
//! What went wrong is said where it was tried; what follows here is why, where an errno of bpf(2) and what surrounds it
//! has a cause that is not the object's.

use std::{error::Error, io};

use aya::{maps::MapError, programs::ProgramError};
use nix::errno::Errno;
use procfs::ProcError;

use crate::system::errno::advice;

/// An error with all its causes, and the cause and fix of the errno behind them if that is known.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let text = plain_chain(error);
    match errno(error).and_then(advice) {
        Some(advice) => format!("{text}\n{advice}"),
        None => text,
    }
}

/// An error with all its causes, on one line.
pub fn plain_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text.replace("Unknown error 524 (os error 524)", "not supported by this kernel (ENOTSUPP)")
}

/// The errno of a system call that is behind an error.
pub fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    // Those that are transparent in aya hide the error that they are made of.
    let io = error.downcast_ref::<io::Error>().or_else(|| match error.downcast_ref::<MapError>() {
        Some(MapError::IoError(io)) => Some(io),
        _ => match error.downcast_ref::<ProgramError>() {
            Some(ProgramError::IOError(io)) => Some(io),
            Some(ProgramError::MapError(MapError::IoError(io))) => Some(io),
            _ => None,
        },
    });
    match io {
        Some(io) => io.raw_os_error().or_else(|| errno(io.get_ref()?)),
        None => match error.downcast_ref::<Errno>() {
            Some(errno) => Some(*errno as i32),
            None => match error.downcast_ref::<ProcError>() {
                Some(ProcError::Io(io, _)) => io.raw_os_error(),
                _ => errno_of_cause(error),
            },
        },
    }
}

fn errno_of_cause(error: &(dyn Error + 'static)) -> Option<i32> {
    error.source().and_then(errno)
}

/// Whether the cause is this process or this host, and not what was asked of it.
pub fn is_the_hosts(error: &(dyn Error + 'static)) -> bool {
    errno(error).and_then(advice).is_some()
}

#[cfg(test)]
mod tests {
    use nix::libc;

    use super::*;
    use crate::system::errno::NOT_SUPPORTED;

    fn of(errno: i32) -> MapError {
        MapError::CreateError { name: "m".into(), io_error: io::Error::from_raw_os_error(errno) }
    }

    #[test]
    fn an_errno_is_found_however_it_is_wrapped() {
        let io = || io::Error::from_raw_os_error(libc::EMFILE);
        let wrapped: [Box<dyn Error>; 7] = [
            Box::new(io()),
            Box::new(io::Error::other(ProcError::Io(io(), None))),
            Box::new(of(libc::EMFILE)),
            Box::new(MapError::IoError(io())),
            Box::new(ProgramError::IOError(io())),
            Box::new(aya::EbpfError::MapError(of(libc::EMFILE))),
            Box::new(ProgramError::MapError(MapError::IoError(io()))),
        ];
        for error in wrapped {
            assert_eq!(errno(&*error), Some(libc::EMFILE), "{error:?}");
            assert!(chain(&*error).contains("\nfix: ulimit -n"), "{error:?}");
        }
        assert_eq!(errno(&MapError::KeyNotFound), None);
    }

    #[test]
    fn each_errno_of_bpf_has_cause_and_fix() {
        let listed = [
            libc::EMFILE,
            libc::ENFILE,
            libc::EPERM,
            libc::EACCES,
            libc::ENOMEM,
            libc::E2BIG,
            libc::ENOSPC,
            libc::EBUSY,
            libc::EAGAIN,
            libc::EINTR,
            NOT_SUPPORTED,
            libc::EOPNOTSUPP,
            libc::ENOSYS,
        ];
        for errno in listed {
            let text = chain(&of(errno));
            assert!(text.contains("\ncause: ") && text.contains("\nfix: "), "{errno}: {text}");
        }
        assert!(chain(&of(NOT_SUPPORTED)).contains("ENOTSUPP"));
        // What is wrong with the object stays wrong with the object.
        assert!(!is_the_hosts(&of(libc::EINVAL)));
    }
}
