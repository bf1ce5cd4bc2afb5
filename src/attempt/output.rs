//! What a pipe has brought so far, up to a bound; the rest is read and dropped, so that its writer is not held up.

use std::{io::Read, os::fd::OwnedFd};

/// Of each stream.
const KEPT: usize = 1 << 20;

/// One end of a pipe, and what has come through it.
pub struct Output {
    /// `None` at its end.
    pub pipe: Option<std::io::PipeReader>,
    pub bytes: Vec<u8>,
    pub truncated: bool,
}

impl Output {
    pub fn new(pipe: OwnedFd) -> Self {
        Output { pipe: Some(pipe.into()), bytes: Vec::new(), truncated: false }
    }

    /// Reads once; to be called when there is something.
    pub fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 1 << 16];
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(read) => {
                let room = read.min(KEPT - self.bytes.len().min(KEPT));
                self.bytes.extend_from_slice(&buffer[..room]);
                self.truncated |= room < read;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.pipe = None,
        }
    }
}
