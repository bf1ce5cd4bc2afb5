//! A hash whose keys are as long as the probe at hand needs, which no type of this program says.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use aya::maps::{Map, MapError};
use aya_obj::generated::{bpf_attr, bpf_cmd};
use nix::libc;

use crate::kernel::call::bpf;

/// The table, and how long its keys and values are.
pub struct ByteTable {
    map: OwnedFd,
    key_size: usize,
    value_size: usize,
}

impl ByteTable {
    /// # Errors
    /// If it is no hash, or the kernel does not tell about it.
    pub fn new(map: Map) -> Result<Self, MapError> {
        let Map::HashMap(data) = map else {
            return Err(MapError::InvalidMapType { map_type: 0 });
        };
        let info = data.info()?;
        let map = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError)?;
        Ok(ByteTable { map, key_size: info.key_size() as usize, value_size: info.value_size() as usize })
    }

    /// All keys. While entries are being added, one may be there twice.
    ///
    /// # Errors
    /// If the kernel does not give the next one.
    pub fn keys(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; self.key_size];
            let attributes = self.element(keys.last().map(Vec::as_slice), &mut next);
            match self.call(bpf_cmd::BPF_MAP_GET_NEXT_KEY, attributes)? {
                Some(()) => keys.push(next),
                None => return Ok(keys),
            }
        }
    }

    /// The value of a key; `None` if it has none.
    ///
    /// # Errors
    /// If the kernel does not read it.
    pub fn get(&self, key: &[u8], flags: u64) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_size];
        let mut attributes = self.element(Some(key), &mut value);
        attributes.__bindgen_anon_2.flags = flags;
        Ok(self.call(bpf_cmd::BPF_MAP_LOOKUP_ELEM, attributes)?.map(|()| value))
    }

    /// Takes a key out; none of that name is as well.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn remove(&self, key: &[u8]) -> io::Result<()> {
        let attributes = self.element(Some(key), &mut []);
        self.call(bpf_cmd::BPF_MAP_DELETE_ELEM, attributes).map(drop)
    }

    /// `key` and `value` live until the call that this is for has returned.
    fn element(&self, key: Option<&[u8]>, value: &mut [u8]) -> bpf_attr {
        // SAFETY: all zero is a valid value of this union of plain numbers.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        // SAFETY: the commands about an element read this variant.
        let element = unsafe { &mut attributes.__bindgen_anon_2 };
        element.map_fd = self.map.as_raw_fd().cast_unsigned();
        element.key = key.map_or(0, |key| key.as_ptr() as u64);
        // What a command does not read has to be zero.
        element.__bindgen_anon_1.value = if value.is_empty() { 0 } else { value.as_mut_ptr() as u64 };
        attributes
    }

    fn call(&self, command: bpf_cmd, mut attributes: bpf_attr) -> io::Result<Option<()>> {
        match bpf(command, &mut attributes) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            other => other.map(|_| Some(())),
        }
    }
}
