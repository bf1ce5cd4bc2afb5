//! What a hunt finds, and what it comes to, as lines.

use std::time::Duration;

use super::human;
use crate::{
    event::Event,
    report::{
        printable::{printable, quoted},
        record::{Hunted, Rule},
    },
};

/// `TEXT (COMM[PID] uid=UID(USER), parent PARENT) [T1574.006]`
pub(super) fn finding(text: &str, event: Option<&Event>, rule: Rule<'_>) -> String {
    let who = event.map_or_else(String::new, |event| {
        let word = |name: &str| quoted(&event.text(name)).into_owned();
        let uid = event.number("uid");
        let uid = human::name("uid", uid).unwrap_or_else(|| uid.to_string());
        format!(" ({}[{}] uid={uid}, parent {})", word("comm"), event.number("pid"), word("parent_comm"))
    });
    format!("{text}{who} [{}]", rule.attack.join(" "))
}

/// `hunt NAME: found 3`, or that there was nothing, or why that cannot be said.
pub(super) fn line(hunted: &Hunted<'_>) -> String {
    let doubts = hunted.doubts.join("; ");
    let what = match (hunted.findings, doubts.is_empty()) {
        (0, true) => format!("nothing found in {}", human::duration(Duration::from_secs_f64(hunted.seconds))),
        (0, false) => format!("inconclusive: nothing was found, but {doubts}"),
        (count, true) => format!("found {count}"),
        (count, false) => format!("found {count}, and there may be more: {doubts}"),
    };
    format!("{} {}: {}", hunted.rule.purpose.name(), printable(hunted.rule.name), printable(&what))
}
