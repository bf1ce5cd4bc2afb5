//! Lines from a terminal that cannot edit (`TERM=dumb`), or from no terminal.
//!
//! The terminal's own line mode does what editing there is. Events are printed
//! with a fresh prompt below them, since what was typed so far cannot be seen.

use std::io::{self, BufRead, Write};

use super::{
    ask::{Ask, Typed, is_yes},
    keys, margin,
    printer::{self, Above, Gate, Printed},
};
use crate::report::Stream;

pub struct PlainReader {
    gate: Gate,
    /// Somebody sees prompts.
    prompts: bool,
}

impl PlainReader {
    #[must_use]
    pub fn new(gate: Gate, prompts: bool) -> Self {
        PlainReader { gate, prompts }
    }

    pub fn read(&mut self, ask: &Ask) -> Typed {
        match ask {
            Ask::Line { prompt, .. } => self.input(&prompt.text()),
            Ask::Confirm(question) => match self.line(question) {
                Ok(Some(answer)) => Typed::Answer(is_yes(&answer)),
                Ok(None) => Typed::Answer(true),
                Err(error) => Typed::Failed(error.to_string()),
            },
            Ask::History => Typed::History(Vec::new()),
        }
    }

    /// Lines until they parse.
    fn input(&mut self, prompt: &str) -> Typed {
        let mut text = String::new();
        loop {
            match self.line(if text.is_empty() { prompt } else { margin::PROMPT }) {
                Ok(Some(line)) => text.push_str(&line),
                Ok(None) if text.is_empty() => return Typed::End,
                // What is there is evaluated, so that its error is seen.
                Ok(None) => return Typed::Line { text, unsaved: None },
                Err(error) => return Typed::Failed(error.to_string()),
            }
            if keys::is_finished(&text) {
                return Typed::Line { text, unsaved: None };
            }
            text.push('\n');
        }
    }

    fn line(&mut self, prompt: &str) -> io::Result<Option<String>> {
        self.gate.entering();
        if self.prompts {
            let mut out = io::stdout().lock();
            out.write_all(prompt.as_bytes())?;
            out.flush()?;
        }
        self.gate.open();
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_until(b'\n', &mut bytes);
        self.gate.close();
        if read? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&bytes);
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

/// Prints between the lines of such a terminal.
pub struct Between {
    pub prompts: bool,
    /// By which the terminal is reached.
    pub stream: Stream,
}

impl Above for Between {
    fn print(&mut self, lines: String) -> Printed {
        let text = if self.prompts { format!("\n{lines}{}", super::prompt::SHORTEST) } else { lines };
        // A closed terminal is noticed by the reader.
        printer::write(self.stream, &text);
        Printed::Already
    }
}
