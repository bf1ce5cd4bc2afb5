//! Pins in words, and as JSON.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use crate::{
    kernel::{
        pins::{Pin, Standing, manifest::Manifest},
        sessions::Keepers,
    },
    report::printable,
};

/// The counters that are told in a line, if they count anything; the first of them always are.
const ALWAYS: usize = 2;
const COUNTERS: [&str; 11] = [
    "seen",
    "matched",
    "allow",
    "would_deny",
    "deny",
    "kill",
    "lapsed",
    "guarded",
    "errors",
    "lost_ring",
    "overflow",
];

/// A line a pin.
pub fn table(pins: &[Pin]) -> String {
    if pins.is_empty() {
        return "nothing is pinned\n".into();
    }
    let rows = pins.iter().map(|pin| {
        let (template, by) = match &pin.manifest {
            Ok(manifest) => (manifest.template.clone(), origin(manifest)),
            Err(_) => ("?".into(), format!("not known; `krsi-sh pins show {}` says why", pin.name)),
        };
        [pin.name.clone(), template, now(pin), counted(pin), by]
    });
    let mut rows: Vec<_> = rows.collect();
    rows.insert(0, ["NAME", "TEMPLATE", "NOW", "COUNTED", "PINNED"].map(str::to_owned));
    let width =
        |column: usize| rows.iter().map(|row| printable(&row[column]).chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..4).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{:width$}  ", printable(cell));
        }
        let _ = writeln!(text, "{}", printable(&row[4]));
    }
    text
}

/// All about one.
pub fn page(pin: &Pin, holders: &Keepers) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:9} {}", printable(value));
    };
    row("pin", &pin.name);
    row("now", &now(pin));
    match &pin.manifest {
        Ok(manifest) => {
            row("rule", &manifest.rule);
            row(
                "template",
                &format!("{}, by {}, at {}", manifest.template, manifest.door, manifest.hooks.join(", ")),
            );
            row("script", &manifest.script);
            row(
                "pinned",
                &format!("{}, in {}, by krsi-sh {}", origin(manifest), manifest.mode, manifest.version),
            );
            row("lease", &lease(manifest, &pin.name));
            row("counted", &counted(pin));
        }
        Err(why) => {
            row("trouble", &format!("{why}; `krsi-sh pins remove {}` removes it all the same", pin.name))
        }
    }
    if !holders.is_empty() {
        let sessions: Vec<_> = holders.keys().map(i32::to_string).collect();
        row("sessions", &format!("process {} has the probe attached as well", sessions.join(", ")));
    }
    text
}

/// The contract of `--format json`.
pub fn json(pin: &Pin, holders: &Keepers) -> Value {
    let mut value = pin.told();
    value["sessions"] = holders.keys().copied().collect();
    value
}

/// What it does now.
fn now(pin: &Pin) -> String {
    let mode = pin.manifest.as_ref().map_or("enforces", |manifest| &*manifest.mode);
    let mut text = match pin.standing() {
        None => "not known".to_owned(),
        Some(Standing::Observes) => "observe".to_owned(),
        Some(Standing::Shadows) => "shadow".to_owned(),
        Some(Standing::Lapsed) => "lapsed: only observes".to_owned(),
        Some(Standing::Tripped) => "tripped: only observes".to_owned(),
        // It may have been changed since it was pinned: the word is what counts.
        Some(Standing::Enforces(_)) if !pin.was_pinned_enforcing() => format!("enforces{}", left(pin)),
        Some(Standing::Enforces(_)) => format!("{mode}{}", left(pin)),
    };
    if !pin.missing.is_empty() {
        let _ = write!(text, ", not whole: {} removed by somebody", pin.missing.join(", "));
    }
    text
}

/// How long it enforces still.
pub fn left(pin: &Pin) -> String {
    match pin.standing() {
        Some(Standing::Enforces(Some(left))) => {
            let left = Duration::from_secs(Duration::from_nanos(left).as_secs());
            format!(", {} left", humantime::format_duration(left))
        }
        Some(Standing::Enforces(None)) => ", no lease".into(),
        _ => String::new(),
    }
}

fn lease(manifest: &Manifest, name: &str) -> String {
    match manifest.lease.map(|lease| lease.lasts()) {
        None => "none: it does not enforce".into(),
        Some(None) => "for ever".into(),
        Some(Some(lasts)) => {
            format!("{}, renewed by `krsi-sh pins hold {name}`", humantime::format_duration(lasts))
        }
    }
}

fn counted(pin: &Pin) -> String {
    let counters = pin.counters();
    if counters.is_empty() {
        return "not known".into();
    }
    // `seen` and `matched` are sums.
    let of = |name: &str| counters.get(name).copied().unwrap_or_default();
    let matched: u64 = ["allow", "would_deny", "deny", "kill", "would_ask", "asked"].map(of).iter().sum();
    let seen = of("out_of_scope") + of("filtered") + matched;
    let count = |name: &'static str| match name {
        "seen" => seen,
        "matched" => matched,
        other => of(other),
    };
    let told = COUNTERS.iter().enumerate().map(|(at, name)| (at, name, count(name)));
    let told = told.filter(|(at, _, count)| *at < ALWAYS || *count > 0);
    told.map(|(_, name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

fn origin(manifest: &Manifest) -> String {
    let login = match manifest.loginuid {
        Some(login) if login != manifest.uid => format!(" (logged in as {login})"),
        _ => String::new(),
    };
    format!("{} by uid {}{login}", manifest.pinned.strftime("%F %T UTC"), manifest.uid)
}
