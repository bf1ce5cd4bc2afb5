//! The objects that this binary carries, embedded at build time in one compressed archive.

use std::{ops::Range, sync::OnceLock};

/// All committed objects, one behind the other.
static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/objects.zst"));

// Written by build.rs, as the archive.
include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// Bytes that the objects take in the binary.
#[must_use]
pub fn archive_size() -> usize {
    ARCHIVE.len()
}

/// A part of the archive, which is opened once; nothing if it is broken.
pub fn archived(place: Range<usize>) -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| zstd::decode_all(ARCHIVE).unwrap_or_default());
    whole.get(place).unwrap_or_default()
}

/// Returns the objects that are built in, each by the name of its file without extension.
#[must_use]
pub fn built_in_objects() -> Vec<(&'static str, &'static [u8])> {
    PLACES.iter().map(|(stem, place)| (*stem, archived(place.clone()))).collect()
}
