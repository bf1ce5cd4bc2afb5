//! The objects that this binary carries and what each says of itself, opened one by one as they are asked for.

use std::{io::Read, ops::Range, sync::OnceLock};

/// All committed objects, compressed one by one (build.rs).
static OBJECT_ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/objects.zst"));
/// The lines of the index, in the same way.
static DESCRIPTION_ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.zst"));
/// The index's first line: what all templates name together.
pub static TOGETHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/together.json"));

// Written by build.rs, as the archives.
include!(concat!(env!("OUT_DIR"), "/archive.rs"));

/// Bytes that the objects take in the binary.
#[must_use]
pub fn archive_size() -> usize {
    OBJECT_ARCHIVE.len()
}

/// Whether the index was that of the objects when this was built.
pub fn is_indexed() -> bool {
    DESCRIPTIONS.len() == STEMS.len()
}

/// An object of the archive, by its place in [`STEMS`]; nothing if the archive is broken. It is opened once.
pub fn archived(place: usize) -> &'static [u8] {
    static OPENED: [OnceLock<Vec<u8>>; STEMS.len()] = [const { OnceLock::new() }; STEMS.len()];
    let open = || {
        let prefix = if place == REFERENCE { &[] } else { archived(REFERENCE) };
        open(OBJECT_ARCHIVE, OBJECTS.get(place)?, prefix)
    };
    OPENED.get(place).map_or(&[], |opened| opened.get_or_init(|| open().unwrap_or_default()))
}

/// A line of the index, by its object's place in [`STEMS`]; `None` if there is none, or the archive is broken.
pub fn description(place: usize) -> Option<Vec<u8>> {
    static REFERENCE_LINE: OnceLock<Vec<u8>> = OnceLock::new();
    let reference = REFERENCE_LINE.get_or_init(|| {
        DESCRIPTIONS
            .get(REFERENCE)
            .and_then(|place| open(DESCRIPTION_ARCHIVE, place, &[]))
            .unwrap_or_default()
    });
    if place == REFERENCE {
        return Some(reference.clone()).filter(|line| !line.is_empty());
    }
    open(DESCRIPTION_ARCHIVE, DESCRIPTIONS.get(place)?, reference)
}

fn open(archive: &[u8], (compressed, length): &(Range<usize>, usize), prefix: &[u8]) -> Option<Vec<u8>> {
    let compressed = archive.get(compressed.clone())?;
    let mut piece = Vec::with_capacity(*length);
    if prefix.is_empty() {
        zstd::Decoder::with_buffer(compressed).ok()?.read_to_end(&mut piece).ok()?;
    } else {
        zstd::Decoder::with_ref_prefix(compressed, prefix).ok()?.read_to_end(&mut piece).ok()?;
    }
    (piece.len() == *length).then_some(piece)
}

/// Returns the objects that are built in, each by the name of its file without extension.
#[must_use]
pub fn built_in_objects() -> Vec<(&'static str, &'static [u8])> {
    STEMS.iter().enumerate().map(|(place, stem)| (*stem, archived(place))).collect()
}
