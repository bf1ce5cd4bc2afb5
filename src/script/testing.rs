//! What the tests of this room share.

use std::sync::{Arc, Mutex};

use crate::report::{Lines, Record, Renderer, Sink, Stream};

/// What a session writes, for looking at.
#[derive(Clone, Default)]
pub struct Written(pub Arc<Mutex<Vec<String>>>);

impl Sink for Written {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> std::io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Written {
    fn line(&mut self, _: Stream, line: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(())
    }
}
