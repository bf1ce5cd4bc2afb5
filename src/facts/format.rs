//! What a file's first bytes say that it is.

use std::io::Read;

use super::{FactError, error::if_there, file::File, root::open_regular};
use crate::raw;

/// What begins so, and what that is.
const MAGIC: [(&[u8], &str); 2] = [(b"\x7fELF", "elf"), (b"#!", "script")];
/// As many bytes as the longest has.
const LONGEST: u64 = 4;

impl File {
    /// What it begins as: `elf` or `script`; `None` for anything else, for what is not a regular file, and for one that is gone.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn format(&self) -> Result<Option<&'static str>, FactError> {
        if !self.meta().is_file() {
            return Ok(None);
        }
        let mut begin = Vec::new();
        let read =
            open_regular(&self.place()).and_then(|file| file.take(LONGEST).read_to_end(&mut begin).map(drop));
        if_there(raw::os(self.path()), read)?;
        Ok(MAGIC.iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, format)| *format))
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{file::look, testing::MadeUp};

    #[test]
    fn it_is_told_by_the_first_bytes_alone() {
        let made = MadeUp::new(&[
            ("/elf", "\x7fELF\x02"),
            ("/short", "\x7fEL"),
            ("/script.so", "#!/bin/sh\n"),
            ("/text", "text"),
            ("/empty", ""),
            ("/directory/a", ""),
        ]);
        let of = |path| look(made.reader(), path).unwrap().unwrap();
        for (path, format) in [
            ("/elf", Some("elf")),
            ("/short", None),
            ("/script.so", Some("script")),
            ("/text", None),
            ("/empty", None),
            ("/directory", None),
        ] {
            assert_eq!(of(path).format().unwrap(), format, "{path}");
        }
        let gone = of("/elf");
        std::fs::remove_file(made.at("/elf")).unwrap();
        assert_eq!(gone.format().unwrap(), None);
    }
}
