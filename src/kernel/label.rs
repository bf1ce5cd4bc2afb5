//! What a probe says of itself, kept in the kernel with its programs, so that others can tell which rule has decided
//! something: a map of one text, which its programs do not read.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use aya::{
    maps::{Array, Map, MapData, MapInfo},
    programs::ProgramInfo,
};
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_map_type::BPF_MAP_TYPE_ARRAY};

use crate::kernel::call::{bpf, create_map, put};

const NAME: &str = "krsi_label";
/// Bytes of the text; what is longer is cut.
const LENGTH: usize = 1024;

/// See the module. It goes with the last of the programs that hold it.
pub struct Label {
    map: OwnedFd,
}

impl Label {
    /// # Errors
    /// If the kernel makes no map.
    pub fn new() -> io::Result<Self> {
        let map = create_map(|map| {
            map.map_type = BPF_MAP_TYPE_ARRAY as u32;
            map.key_size = size_of::<u32>() as u32;
            map.value_size = LENGTH as u32;
            map.max_entries = 1;
            for (to, from) in map.map_name.iter_mut().zip(NAME.bytes()) {
                *to = from.cast_signed();
            }
        })?;
        Ok(Label { map })
    }

    /// Says this from now on.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn write(&self, text: &str) -> io::Result<()> {
        put(&self.map, &0_u32.to_ne_bytes(), &value_of(text))
    }

    /// Lets a program hold it (BPF_PROG_BIND_MAP, from Linux 5.10 on); nothing happens if it does already.
    ///
    /// # Errors
    /// If the kernel does not do that.
    pub fn bind(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: all zero is a valid value of this union of plain numbers.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        attributes.prog_bind_map.prog_fd = program.as_raw_fd().cast_unsigned();
        attributes.prog_bind_map.map_fd = self.map.as_raw_fd().cast_unsigned();
        bpf(bpf_cmd::BPF_PROG_BIND_MAP, &mut attributes).map(drop)
    }
}

/// What the probe says of itself that a program is of; `None` if it is of none, or has gone meanwhile.
pub fn of(program: &ProgramInfo) -> Option<String> {
    let maps = program.map_ids().ok()??;
    let is_label = |id: &u32| MapInfo::from_id(*id).is_ok_and(|info| info.name() == NAME.as_bytes());
    let map = MapData::from_id(maps.into_iter().find(is_label)?).and_then(Map::from_map_data).ok()?;
    text_of(&Array::<_, [u8; LENGTH]>::try_from(map).ok()?.get(&0, 0).ok()?)
}

fn value_of(text: &str) -> [u8; LENGTH] {
    let mut value = [0; LENGTH];
    // The last byte stays zero.
    let said = &text[..text.floor_char_boundary(LENGTH - 1)];
    value[..said.len()].copy_from_slice(said.as_bytes());
    value
}

fn text_of(value: &[u8; LENGTH]) -> Option<String> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_cut_between_letters() {
        assert_eq!(text_of(&value_of("t: exec")).as_deref(), Some("t: exec"));
        assert_eq!(text_of(&value_of("")), None);
        // Each takes two bytes, and one byte is no letter.
        assert_eq!(text_of(&value_of(&"ü".repeat(LENGTH))), Some("ü".repeat((LENGTH - 1) / 2)));
    }
}
