//! What leaves the program: text for people, NDJSON for machines.
//!
//! In: records, of events, alerts, printed lines, closing accounting. Out: whole lines
//! on one of two streams. Standard output carries data, standard error carries
//! logs, diagnostics and the banner. Strings from the kernel are hostile: no
//! control byte of theirs reaches a terminal or a log raw ([`printable`]).
//!
//! ```text
//! reporter    one record ─▶ the session's sink, with the session's format
//! document    a whole run of checks: text, json, ndjson, junit, tap, sarif, html
//! sink        where records go: the process's streams, and the threads that write them
//! format      how records are written: text, json
//! record      what is reported, before it has a form
//! redaction   records without the secrets that are in what they tell
//! printable   what keeps a name from moving the cursor or breaking a line
//! secrets     what is one, in a text
//! ```
//!
//! Each uses only what stands below it.

mod document;
mod format;
mod printable;
mod record;
mod redaction;
mod reporter;
mod secrets;
mod sink;

pub use self::{
    document::{Document, Look, text::sum as sum_of_checks},
    format::{
        Format, Lines, Renderer,
        json::{event as event_json, safe as safe_json, summary_row},
        text::{check_lines, duration, summary_text, wrapped},
    },
    printable::{Painted, printable, printable_lines, quoted, screened},
    record::{Books, Evaluated, Finding, Hunted, Purpose, Record, Rule, Stream},
    redaction::{event_line, hidden, hidden_summaries, line_json, masked_record},
    reporter::Reporter,
    secrets::{redacted, redacted_list, secrets_are_shown, show_secrets},
    sink::{Notice, Sink, Streams, Target, Writer, allows_color, columns},
};

#[cfg(test)]
mod tests;
