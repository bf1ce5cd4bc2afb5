//! A refusal as text for people, and as a line of JSON.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};
use serde_json::{Map, Value, json};

use super::Told;
use crate::{
    kernel::denials::errno_name,
    raw,
    report::{hidden, line_json, printable},
};

/// Two lines: what was refused, and who has refused it.
#[must_use]
pub fn text(told: &Told, color: bool) -> String {
    let style = |style: Style| if color { style } else { Style::new() };
    let Told { denial, finding, .. } = told;
    let comm = raw::text(&denial.comm);
    let object =
        told.object.as_deref().map_or_else(String::new, |object| format!(" {}", printable(&hidden(object))));
    let mut text = format!(
        "{}[{}] {}{object}: {}\n",
        printable(&comm).style(style(Style::new().bold())),
        denial.pid,
        told.call,
        errno_name(denial.result).style(style(Style::new().red())),
    );
    let layer = finding.layer.style(style(Style::new().yellow()));
    let probably = if finding.is_seen || finding.layer == "unknown" { "" } else { "probably " };
    _ = write!(text, "    {probably}{layer}: {}", printable(&finding.why));
    if finding.layer == "unknown" && !finding.ruled_out.is_empty() {
        _ = write!(text, "; ruled out: {}", finding.ruled_out.join(", "));
    }
    text.push('\n');
    for frame in &told.stack {
        _ = writeln!(text, "      {}", printable(&hidden(frame)));
    }
    text
}

/// A record of type `denial`.
#[must_use]
pub fn json(told: &Told) -> String {
    let Told { denial, call, object, finding, seen, stack } = told;
    let seen: Vec<Value> = seen
        .iter()
        .map(|(function, result)| json!({ "function": function, "errno": errno_name(*result) }))
        .collect();
    let fields = json!({
        "pid": denial.pid,
        "tid": denial.tid,
        "comm": raw::text(&denial.comm),
        "uid": denial.uid,
        "euid": denial.euid,
        "user_ns": denial.user_ns,
        "mono_ns": denial.time_ns,
        "call": call,
        "number": denial.number,
        "arguments": denial.arguments,
        "object": object,
        "errno": errno_name(denial.result),
        "layer": finding.layer,
        "why": finding.why,
        "seen": finding.is_seen,
        "capability": finding.capability,
        "programs": finding.programs,
        "ruled_out": finding.ruled_out,
        "functions": seen,
        "stack": stack,
    });
    let fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    line_json("denial", &fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kernel::denials::Denial, why::Finding};

    fn told() -> Told {
        let finding = Finding {
            layer: "unknown".into(),
            why: "nobody has said it".into(),
            is_seen: false,
            programs: Vec::new(),
            capability: None,
            ruled_out: vec!["BPF".into(), "seccomp".into()],
        };
        let denial = Denial { pid: 7, result: -1, comm: b"a\x1bb".to_vec(), ..Denial::default() };
        Told {
            denial,
            call: "kill".into(),
            object: Some("process 1".into()),
            finding,
            seen: vec![("f".into(), -1)],
            stack: Vec::new(),
        }
    }

    #[test]
    fn what_is_unknown_says_what_was_ruled_out() {
        let expected =
            "a\\u{1b}b[7] kill process 1: EPERM\n    unknown: nobody has said it; ruled out: BPF, seccomp\n";
        assert_eq!(text(&told(), false), expected);
    }

    #[test]
    fn a_record_has_its_type_first() {
        let line = json(&told());
        assert!(line.starts_with(r#"{"type":"denial","time":"#), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["errno"], &value["functions"][0]["function"]), (&"EPERM".into(), &"f".into()));
    }
}
