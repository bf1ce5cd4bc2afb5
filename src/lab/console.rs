//! The guest kernel's log: its last lines, for the day they are needed.
//!
//! In: bytes from the console port. Out: whole lines without a control byte in
//! them (they go to a terminal or a report), the last of them kept, and whether
//! one of them is the kernel's last word.

use std::{collections::VecDeque, fmt::Write as _};

const KEPT: usize = 200;
/// How many of them an error shows.
const SHOWN: usize = 40;

#[derive(Debug, Default)]
pub(super) struct Console {
    lines: VecDeque<String>,
    partial: Vec<u8>,
    panicked: bool,
}

impl Console {
    /// Takes what came, and gives the lines it completed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.partial.push(byte);
                continue;
            }
            let line = harmless(&std::mem::take(&mut self.partial));
            if line.contains("Kernel panic - not syncing") {
                self.panicked = true;
            }
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(line.clone());
            whole.push(line);
        }
        whole
    }

    pub(super) fn panicked(&self) -> bool {
        self.panicked
    }

    /// The end of the log, as an error shows it.
    pub(super) fn tail(&self) -> String {
        let partial = Some(harmless(&self.partial)).filter(|line| !line.is_empty());
        let lines: Vec<&String> = self.lines.iter().chain(partial.as_ref()).collect();
        if lines.is_empty() {
            return "  (the kernel said nothing; -v lets it say more)".to_owned();
        }
        let shown: Vec<String> =
            lines.iter().skip(lines.len().saturating_sub(SHOWN)).map(|line| format!("  {line}")).collect();
        shown.join("\n")
    }
}

/// A line with every control byte written out, except tabs.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut line = String::with_capacity(text.len());
    for character in text.trim_end_matches('\r').chars() {
        if character.is_control() && character != '\t' {
            let _ = write!(line, "{}", character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_torn_between_reads_is_one_line() {
        let mut console = Console::default();
        assert!(console.take(b"[ 0.1] Kernel pan").is_empty());
        assert_eq!(console.take(b"ic - not syncing: x\r\nnext"), ["[ 0.1] Kernel panic - not syncing: x"]);
        assert!(console.panicked());
        assert!(console.tail().ends_with("  next"));
    }

    #[test]
    fn control_bytes_do_not_reach_the_reader() {
        let mut console = Console::default();
        assert_eq!(console.take(b"a\x1b[2Jb\xffc\tend\n"), ["a\\u{1b}[2Jb\u{fffd}c\tend"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut console = Console::default();
        for number in 0..1000 {
            console.take(format!("line {number}\n").as_bytes());
        }
        assert_eq!(console.lines.len(), KEPT);
        assert_eq!(console.tail().lines().count(), SHOWN);
        assert!(console.tail().ends_with("line 999"));
    }
}
