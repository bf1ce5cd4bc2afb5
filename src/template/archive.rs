//! The objects that this binary carries, each of which is opened when a probe of it is attached.

use std::{io::Read, sync::OnceLock};

/// All committed objects, compressed one by one (build.rs).
static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/objects.zst"));

// Written by build.rs, as the archive.
include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// Bytes that the objects take in the binary.
#[must_use]
pub fn archive_size() -> usize {
    ARCHIVE.len()
}

/// Where an object is in [`PLACES`].
pub fn place(stem: &str) -> Option<usize> {
    PLACES.iter().position(|(known, ..)| *known == stem)
}

/// An object of the archive; nothing if the archive is broken. It is opened once.
pub fn archived(place: usize) -> &'static [u8] {
    static OPENED: [OnceLock<Vec<u8>>; PLACES.len()] = [const { OnceLock::new() }; PLACES.len()];
    OPENED.get(place).map_or(&[], |opened| opened.get_or_init(|| open(place).unwrap_or_default()))
}

fn open(place: usize) -> Option<Vec<u8>> {
    let (_, compressed, length) = PLACES.get(place)?;
    let compressed = ARCHIVE.get(compressed.clone())?;
    let mut object = Vec::with_capacity(*length);
    if place == REFERENCE {
        zstd::Decoder::with_buffer(compressed).ok()?.read_to_end(&mut object).ok()?;
    } else {
        let prefix = archived(REFERENCE);
        zstd::Decoder::with_ref_prefix(compressed, prefix).ok()?.read_to_end(&mut object).ok()?;
    }
    (object.len() == *length).then_some(object)
}

/// Returns the objects that are built in, each by the name of its file without extension.
#[must_use]
pub fn built_in_objects() -> Vec<(&'static str, &'static [u8])> {
    PLACES.iter().enumerate().map(|(place, (stem, ..))| (*stem, archived(place))).collect()
}
