//! Reads a recording, line by line.
//!
//! In: a file, plain or compressed. Out: its lines, checked. Nothing in it is trusted: a line has a longest length, and one that is none
//! ends the reading with its number. A file that was not ended (its writer was killed) is read up to its last whole line.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    from_base64,
    line::{Attach, Begin, EVENT, EventLine, Line, VERSION},
};

/// Longest line, in bytes: far more than a summary of all keys that a probe may have is not to be expected.
const LONGEST: u64 = 256 << 20;
/// How a file begins that zstd has compressed (RFC 8878).
const PACKED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a recording cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(
        "{} is no recording: its first line does not say so\nfix: record a session with `krsi-sh record -o FILE SCRIPT`", .0.display()
    )]
    NotOne(PathBuf),
    #[error(
        "{} is a recording of version {found}, and this program reads version {VERSION}\nfix: replay it with the krsi-sh that recorded it ({writer})", .path.display()
    )]
    Version { path: PathBuf, found: u32, writer: String },
    #[error("line {line} of {} cannot be read: {why}", .path.display())]
    Line { path: PathBuf, line: u64, why: String },
}

/// An event, as it was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// Number of its line, from 1.
    pub line: u64,
    pub by: u32,
    pub at: u64,
    pub wall_offset_ns: i64,
    pub record: Vec<u8>,
}

/// What a line says.
#[allow(clippy::large_enum_variant, reason = "one is there at a time, and nearly all are events")]
#[derive(Debug, Clone, PartialEq)]
pub enum ReadLine {
    Event(Handled),
    Other(Line),
}

/// A recording that is being read.
pub struct Reader {
    path: PathBuf,
    lines: Box<dyn BufRead>,
    buffer: Vec<u8>,
    line: u64,
    /// Lines that were looked at and not taken.
    ahead: VecDeque<ReadLine>,
    /// The file ends, as far as it goes.
    is_over: bool,
    begin: Begin,
    attached: Vec<Attach>,
    tells_matches: bool,
}

/// How a file came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Line,
    Nothing,
}

impl Reader {
    /// Opens a recording, and looks through it for what was attached.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut reader = Self::begin(path)?;
        (reader.attached, reader.tells_matches) = looked_through(path)?;
        Ok(reader)
    }

    fn begin(path: &Path) -> Result<Self, ReadError> {
        let failed = |error| ReadError::File { path: path.to_owned(), error };
        // Whoever opens a pipe waits for somebody to write to it.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ReadError::NotOne(path.to_owned()));
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut first = Vec::new();
        (&mut file).take(PACKED.len() as u64).read_to_end(&mut first).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let lines: Box<dyn BufRead> = match first == PACKED {
            true => Box::new(BufReader::new(zstd::Decoder::new(file).map_err(failed)?)),
            false => Box::new(BufReader::with_capacity(1 << 16, file)),
        };
        let mut reader = Reader {
            path: path.to_owned(),
            lines,
            buffer: Vec::new(),
            line: 0,
            ahead: VecDeque::new(),
            is_over: false,
            begin: Begin::default(),
            attached: Vec::new(),
            tells_matches: false,
        };
        let begin = match reader.fill() {
            Ok(Got::Line) => serde_json::from_slice::<Line>(&reader.buffer).ok(),
            Ok(Got::Nothing) => None,
            Err(error @ ReadError::File { .. }) => return Err(error),
            Err(_) => None,
        };
        match begin {
            Some(Line::Recording(begin)) if begin.version == VERSION => {
                reader.begin = begin;
                Ok(reader)
            }
            Some(Line::Recording(begin)) => {
                Err(ReadError::Version { path: path.to_owned(), found: begin.version, writer: begin.krsi_sh })
            }
            _ => Err(ReadError::NotOne(path.to_owned())),
        }
    }

    /// What the file says of itself.
    #[must_use]
    pub fn of(&self) -> &Begin {
        &self.begin
    }

    /// Everything that was attached.
    #[must_use]
    pub fn attached(&self) -> &[Attach] {
        &self.attached
    }

    /// Whether it tells when sequences and thresholds were given their events.
    #[must_use]
    pub fn tells_matches(&self) -> bool {
        self.tells_matches
    }

    /// Reads the next line into the buffer. What is cut off at the end is not there.
    fn fill(&mut self) -> Result<Got, ReadError> {
        self.buffer.clear();
        if self.is_over {
            return Ok(Got::Nothing);
        }
        let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut self.buffer);
        match read {
            // Its writer did not come to close it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.is_over = true,
            Err(error) => return Err(ReadError::File { path: self.path.clone(), error }),
            Ok(_) if self.buffer.last() == Some(&b'\n') => {
                self.buffer.pop();
                self.line += 1;
                return Ok(Got::Line);
            }
            Ok(length) if length as u64 == LONGEST => {
                self.line += 1;
                return Err(self.broken(format!("it is longer than {LONGEST} bytes")));
            }
            Ok(_) => self.is_over = true,
        }
        Ok(Got::Nothing)
    }

    fn broken(&self, why: impl ToString) -> ReadError {
        ReadError::Line { path: self.path.clone(), line: self.line, why: why.to_string() }
    }

    fn parse(&self) -> Result<ReadLine, ReadError> {
        if !self.buffer.starts_with(EVENT.as_bytes()) {
            return serde_json::from_slice(&self.buffer)
                .map(ReadLine::Other)
                .map_err(|error| self.broken(error));
        }
        let event = match EventLine::read(&self.buffer) {
            Some(event) => event,
            None => serde_json::from_slice(&self.buffer).map_err(|error| self.broken(error))?,
        };
        let EventLine { by, at, wall_offset_ns, record } = event;
        let record = from_base64(record).ok_or_else(|| self.broken("its record is no base64"))?;
        Ok(ReadLine::Event(Handled { line: self.line, by, at, wall_offset_ns, record }))
    }

    /// The next line, without taking it; `None` at the end.
    ///
    /// # Errors
    /// If it is none.
    pub fn peek(&mut self) -> Result<Option<&ReadLine>, ReadError> {
        self.peek_at(0)
    }

    /// The one so many lines behind the next.
    ///
    /// # Errors
    /// If a line up to there is none.
    pub fn peek_at(&mut self, distance: usize) -> Result<Option<&ReadLine>, ReadError> {
        while self.ahead.len() <= distance && self.fill()? == Got::Line {
            self.ahead.push_back(self.parse()?);
        }
        Ok(self.ahead.get(distance))
    }

    /// Takes the next line, if it was looked at.
    pub fn take(&mut self) -> Option<ReadLine> {
        self.ahead.pop_front()
    }
}

/// Everything that was attached, and whether something was matched, in a look through the whole file.
fn looked_through(path: &Path) -> Result<(Vec<Attach>, bool), ReadError> {
    const MATCHES: &[u8] = br#"{"type":"match","#;
    const BEGINS: &[u8] = br#"{"type":"attach","#;
    let mut reader = Reader::begin(path)?;
    let (mut found, mut matches) = (Vec::new(), false);
    while reader.fill()? == Got::Line {
        matches |= reader.buffer.starts_with(MATCHES);
        if reader.buffer.starts_with(BEGINS)
            && let Line::Attach(attach) =
                serde_json::from_slice(&reader.buffer).map_err(|error| reader.broken(error))?
        {
            found.push(attach);
        }
    }
    Ok((found, matches))
}

/// Whether this file is a recording, by how it begins.
#[must_use]
pub fn is_recording(path: &Path) -> bool {
    Reader::begin(path).is_ok()
}

/// Opens a recording for looks at single events, by the numbers of their lines from the smaller to the larger; gives their fields.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn event_at(path: &Path) -> Result<impl FnMut(u64) -> Result<Map<String, Value>, ReadError>, ReadError> {
    let mut reader = Reader::begin(path)?;
    Ok(move |line| {
        while reader.line < line && reader.fill()? == Got::Line {}
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&reader.buffer).map_err(|error| reader.broken(error))?;
        for own in ["type", "by", "at", "wall_offset_ns", "record"] {
            fields.shift_remove(own);
        }
        Ok(fields)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const FIRST: &str = r#"{"type":"recording","version":1,"krsi_sh":"0","at":5,"wall_offset_ns":0,"host":"","kernel":"","script":"","args":[]}"#;

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// Reads all; gives how many lines there were.
    fn all(path: &Path) -> Result<usize, ReadError> {
        let mut reader = Reader::open(path)?;
        let mut count = 0;
        while reader.peek()?.is_some() {
            reader.take();
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn a_file_is_read_up_to_its_last_whole_line() {
        let whole =
            format!("{FIRST}\n{}\n{}\n", r#"{"type":"time","at":6}"#, r#"{"type":"end","at":7,"events":0}"#);
        assert_eq!(all(file(whole.as_bytes()).path()).unwrap(), 2);
        assert_eq!(all(file(&whole.as_bytes()[..whole.len() - 3]).path()).unwrap(), 1);
        let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
        packed.write_all(whole.as_bytes()).unwrap();
        packed.flush().unwrap();
        // Whoever was writing is killed now.
        assert_eq!(all(file(packed.get_ref()).path()).unwrap(), 2);
        assert_eq!(all(file(&packed.finish().unwrap()).path()).unwrap(), 2);
    }

    #[test]
    fn what_is_no_recording_is_refused_and_a_line_that_is_none_is_named() {
        let refused = |text: &str| all(file(text.as_bytes()).path()).unwrap_err().to_string();
        assert!(refused("").contains("is no recording"));
        assert!(refused("{}\n").contains("is no recording"));
        assert!(refused(&FIRST.replace(":1,", ":9,")).contains("is no recording"), "it has no end");
        assert!(refused(&(FIRST.replace(":1,", ":9,") + "\n")).contains("version 9"));
        assert!(refused(&format!("{FIRST}\n{{\"type\":\"other\"}}\n")).contains("line 2"));
        let event = r#"{"type":"event","by":1,"at":2,"wall_offset_ns":0,"record":"?"}"#;
        assert!(refused(&format!("{FIRST}\n{event}\n")).contains("no base64"));
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = [FIRST.as_bytes(), b"\n", &tail].concat();
            let _ = all(file(&text).path());
        }
    }
}
