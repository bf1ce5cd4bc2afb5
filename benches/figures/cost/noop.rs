//! The program that is executed: the smallest there is, so that nothing of its own
//! dilutes what an execution costs. One page, one segment, `exit(0)`.

use std::{fs, os::unix::fs::PermissionsExt};

/// Where the segment is loaded; its code stands behind the two headers.
const BASE: u64 = 0x40_0000;
const HEADERS: usize = 64 + 56;
/// mov eax, 60 (exit); xor edi, edi; syscall
const CODE: [u8; 9] = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];

/// # Errors
/// If the file cannot be made.
pub fn write(path: &str) -> Result<(), String> {
    let mode = || fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    fs::write(path, executable()).and_then(|()| mode()).map_err(|e| format!("making {path}: {e}"))
}

/// An ELF file for x86-64 (the System V ABI's ELF-64 headers, field by field).
fn executable() -> Vec<u8> {
    let size = (HEADERS + CODE.len()) as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let halves = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let words = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |values: &[u64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    file.extend(halves(&[2, 62])); // an executable, for x86-64
    file.extend(words(&[1]));
    file.extend(longs(&[BASE + HEADERS as u64, 64, 0])); // entry, program headers, no sections
    file.extend(words(&[0]));
    file.extend(halves(&[64, 56, 1, 0, 0, 0])); // sizes and numbers of headers
    file.extend(words(&[1, 5])); // to be loaded, readable and executable
    file.extend(longs(&[0, BASE, BASE, size, size, 0x1000]));
    file.extend(CODE);
    file
}
