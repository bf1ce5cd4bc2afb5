//! A session in a file: written down while it goes on, and lived through again from there.
//!
//! In: a backend, for a recording; a file, for a replay. Out: a backend that does the same and writes it down, or one whose events have
//! happened already, and at which nothing is decided any more.
//!
//! ```text
//! recorder   a backend that writes down what happens at another one
//! kept       the events of the last time, in memory, until somebody wants them in a file
//! replay     a backend whose events come from a file; beside it, one of its probes
//! judge      whether a probe would have had an event of another one, and what it would have answered
//! tally      what a probe would have counted
//! reader     the lines of a file, one after the other
//! writer     the file that is being written
//! line       what stands in a line
//! schema     that as JSON Schema
//! ```

mod judge;
mod kept;
mod line;
mod reader;
mod recorder;
mod replay;
mod schema;
mod tally;
mod writer;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::{
    kept::{Ahead, Kept, MOST as MOST_KEPT, Now, Written},
    line::Part,
    reader::{ReadError, event_at, is_recording},
    recorder::{About, Parts, Recorder, Recording},
    replay::{Answered, Replay},
    schema::schema,
    writer::Trouble,
};

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
