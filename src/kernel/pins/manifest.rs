//! What a pin says of itself: one text in a map that nobody can write to any more, pinned with the rest.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::MapInfo;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    backend::PinLease,
    kernel::call::{create_map, freeze, get, put},
    template::{Control, CounterIndex},
};

/// The name of its file.
pub const FILE: &str = "manifest";
/// Which words it has. A program that knows other ones shows what it can, and can always remove the pin.
pub const SCHEMA: u32 = 1;
/// Bytes of its text.
const LONGEST: usize = 64 << 10;
const NAME: &str = "krsi_pin";

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    /// Of the program that has pinned it.
    pub version: String,
    /// The probe's name in its session.
    pub probe: String,
    pub template: String,
    /// Of the template's object: another one has its tables elsewhere.
    pub object: String,
    pub hooks: Vec<String>,
    /// By which it is attached.
    pub door: String,
    /// The probe in one line.
    pub rule: String,
    pub script: String,
    pub pinned: Timestamp,
    pub uid: u32,
    /// Who has logged in, whatever became of that; `null` for nobody.
    pub loginuid: Option<u32>,
    /// The mode that it was pinned in, in words and as the kernel has it.
    pub mode: String,
    pub mode_word: u64,
    pub lease: Option<PinLease>,
    /// Files of all links: without one of them the probe is not whole.
    pub links: Vec<String>,
    pub settings_size: usize,
    pub control: Control,
    pub counters: CounterIndex,
}

/// What every version has to say.
#[derive(Debug, Deserialize)]
struct Schema {
    schema: u32,
    #[serde(default)]
    version: String,
}

/// Makes the map.
///
/// # Errors
/// If the kernel makes none, or the text is too long for it.
pub fn write(manifest: &Manifest) -> io::Result<OwnedFd> {
    let text = serde_json::to_vec(manifest).map_err(io::Error::from)?;
    if text.len() > LONGEST {
        return Err(io::Error::other(format!("what is to be said of it takes more than {LONGEST} bytes")));
    }
    let map = create_map(|map| {
        map.map_type = BPF_MAP_TYPE_ARRAY as u32;
        map.key_size = size_of::<u32>() as u32;
        map.value_size = u32::try_from(text.len()).unwrap_or_default();
        map.max_entries = 1;
        for (to, from) in map.map_name.iter_mut().zip(NAME.bytes()) {
            *to = from.cast_signed();
        }
    })?;
    put(&map, &0_u32.to_ne_bytes(), &text)?;
    freeze(&map)?;
    Ok(map)
}

/// Reads one.
///
/// # Errors
/// If the map cannot be read, or is none of this version's: in words.
pub fn read(map: &OwnedFd) -> Result<Manifest, String> {
    let unreadable =
        |error: &dyn std::fmt::Display| format!("what it says of itself cannot be read: {error}");
    let known = aya::maps::MapData::from_fd(map.as_fd().try_clone_to_owned().map_err(|e| unreadable(&e))?);
    let info: MapInfo = known.and_then(|map| map.info()).map_err(|e| unreadable(&e))?;
    let mut text = vec![0; info.value_size() as usize];
    get(map, &0_u32.to_ne_bytes(), &mut text).map_err(|e| unreadable(&e))?;
    parse(&text)
}

fn parse(text: &[u8]) -> Result<Manifest, String> {
    let schema: Schema = serde_json::from_slice(text)
        .map_err(|error| format!("what it says of itself is no manifest: {error}"))?;
    if schema.schema != SCHEMA {
        return Err(format!(
            "another version of krsi-sh has pinned it ({}, manifest {}; this one knows {SCHEMA})",
            schema.version, schema.schema
        ));
    }
    serde_json::from_slice(text).map_err(|error| format!("what it says of itself is not whole: {error}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn manifest() -> Manifest {
        Manifest {
            schema: SCHEMA,
            version: "1.0.0".into(),
            probe: "exec-1".into(),
            template: "exec".into(),
            object: "0011".into(),
            hooks: vec!["bprm_check_security".into()],
            door: "lsm".into(),
            rule: "exec-1: exec [bprm_check_security], deny(EPERM)".into(),
            script: "guard.rhai".into(),
            pinned: Timestamp::UNIX_EPOCH,
            uid: 0,
            loginuid: None,
            mode: "deny(EPERM)".into(),
            mode_word: 2 | 1 << 16,
            lease: Some(PinLease::For(60_000_000_000)),
            links: vec!["link-exec_check".into()],
            settings_size: 72,
            control: Control::default(),
            counters: CounterIndex::default(),
        }
    }

    #[test]
    fn another_version_is_named_and_a_broken_text_is_not_believed() {
        let text = serde_json::to_vec(&manifest()).unwrap();
        assert_eq!(parse(&text), Ok(manifest()));
        let newer = Manifest { schema: SCHEMA + 1, version: "9.0".into(), ..manifest() };
        let refused = parse(&serde_json::to_vec(&newer).unwrap()).unwrap_err();
        assert!(refused.contains("9.0") && refused.contains("manifest 2"), "{refused}");
        assert!(parse(br#"{"schema":99}"#).unwrap_err().contains("another version"));
        assert!(parse(&text[..text.len() / 2]).unwrap_err().contains("no manifest"));
        assert!(parse(br#"{"schema":1}"#).unwrap_err().contains("not whole"));
    }
}
