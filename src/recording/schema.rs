//! What a line of a recording may be, for other programs: JSON Schema (draft 2020-12).

use serde_json::{Value, json};

use super::line::VERSION;

/// Returns the schema of a line, as text.
#[must_use]
pub fn schema() -> String {
    let number = |what: &str| json!({ "type": "integer", "minimum": 0, "description": what });
    let text = |what: &str| json!({ "type": "string", "description": what });
    let at = || number("When, on the kernel's monotonic clock, in nanoseconds.");
    let looked = || number("Timers that were due later were not called before.");
    let by = || number("Number of the attachment, from 1, as its line `attach` has it.");
    let counts = |what: &str| json!({ "type": "array", "description": what });
    let decisions =
        || json!({ "type": "object", "description": "The probe's accounting, as `books` of --format json." });
    let rule = [
        ("selects", text("The same for probes of one template that select the same events.")),
        ("scope", text("The same for the same scope.")),
        ("params", text("The same for the same params.")),
        ("selects_in_words", text("Scope, params and filter, in words; empty: everything.")),
        ("mode", text("observe, shadow, deny(ERRNO), kill(SIGNAL), ask …")),
    ];
    let with_rule = |own: &[(&'static str, Value)]| [own, &rule].concat();
    let quiet =
        || json!({ "type": "boolean", "description": "Whether it sends no events, but only counts." });
    let lines: Vec<Value> = [
        (
            "recording",
            "The first line: what the file is.",
            vec![
                ("version", json!({ "const": VERSION })),
                ("krsi_sh", text("Version of the program that wrote it.")),
                ("at", at()),
                ("wall_offset_ns", json!({ "type": "integer", "description": "CLOCK_REALTIME - CLOCK_MONOTONIC." })),
                ("host", text("Name of the host.")),
                ("kernel", text("Release of its kernel.")),
                ("script", text("Name of the script.")),
                ("args", json!({ "type": "array", "items": { "type": "string" } })),
                ("secrets", json!({ "enum": ["redacted", "shown"], "description": "Whether secrets in arguments and other texts are written over; `<redacted>` stands for one." })),
                ("part", json!({ "type": ["object", "null"], "description": "If it is what a recorder has kept, and not the session from its beginning on: from when to when (from, to, from_ns, to_ns), events that were let go for want of room (dropped), and events that never came (lost)." })),
                ("target", json!({ "type": ["integer", "null"], "description": "The process that the session was about." })),
            ],
        ),
        (
            "attach",
            "A probe was attached.",
            with_rule(&[
                ("by", by()),
                ("at", at()),
                ("probe", text("Its name.")),
                ("template", text("Its template.")),
                ("layout", text("The same for templates whose records are laid out alike.")),
                ("tells", json!({ "type": "object", "description": "The fields that its events tell." })),
                ("counts", text("The same for probes that keep the same counts.")),
                ("quiet", quiet()),
                ("limits", json!({ "type": "array", "items": { "type": "string" }, "description": "Which of its events it did not send, in words." })),
                ("door", json!({ "enum": ["lsm", "fmod_ret", "observe"] })),
            ]),
        ),
        ("change", "It selects or does something else.", with_rule(&[("by", by()), ("at", at()), ("quiet", quiet())])),
        ("tripped", "Its breaker was seen to have tripped.", vec![("by", by()), ("at", at()), ("looked", looked())]),
        ("asked", "The script asked whether it has.", vec![("by", by()), ("at", at()), ("tripped", json!({ "type": "boolean" }))]),
        (
            "altered",
            "Another process was seen to have changed something of it.",
            vec![("by", by()), ("at", at()), ("looked", looked()), ("altered", json!({ "type": "array", "description": "What was found, and whether it only observes since then." }))],
        ),
        (
            "event",
            "An event was handled. Besides, it has all fields as --format json shows them.",
            vec![
                ("by", by()),
                ("at", number("When it was handled, together with others of the same time.")),
                ("wall_offset_ns", json!({ "type": "integer" })),
                ("record", text("As the kernel wrote it, in base64 (RFC 4648).")),
            ],
        ),
        ("time", "The script has asked what time it is.", vec![("at", at())]),
        ("settle", "A wait was over; what follows was handled first.", vec![("at", at()), ("until", at())]),
        ("settled", "That is done.", vec![("at", at())]),
        ("counted", "What a probe had counted.", vec![("by", by()), ("at", at()), ("summaries", counts("As the kernel had it."))]),
        ("decided", "What its decisions had come to.", vec![("by", by()), ("at", at()), ("counters", decisions())]),
        (
            "detach",
            "It was detached.",
            vec![("by", by()), ("at", at()), ("counters", decisions()), ("summaries", counts("Its last counts."))],
        ),
        ("match", "Sequences and thresholds were given what had happened until then.", vec![("at", at()), ("until", at()), ("looked", looked())]),
        ("close", "The session ends.", vec![("at", at()), ("looked", looked())]),
        ("end", "Nothing is missing.", vec![("at", at()), ("events", number("How many there were.")), ("redacted", number("Of them, those whose secrets are written over."))]),
    ]
    .into_iter()
    .map(|(kind, what, fields)| {
        let required: Vec<&str> = std::iter::once("type").chain(fields.iter().map(|(name, _)| *name)).collect();
        let mut properties = serde_json::Map::new();
        properties.insert("type".to_owned(), json!({ "const": kind }));
        properties.extend(fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())));
        json!({ "title": kind, "description": what, "type": "object", "required": required, "properties": properties })
    })
    .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a recording of krsi-sh",
        "oneOf": lines,
    });
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
