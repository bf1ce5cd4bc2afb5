//! What a script of the library says of itself: the comment with which it begins, of one fixed form.
//!
//! In: a script's text. Out: a [`Header`], nothing if the script has none, or the line that is not as it has to be. Nothing is
//! evaluated: what a script is good for can be told without running it.

use std::fmt;

use crate::{
    report::Purpose,
    values::{Severity, nearest},
};

/// What stands behind the title, each once, in this order.
const KEYS: [&str; 8] =
    ["about", "attack", "severity", "needs", "kernel", "target", "false positives", "sample"];
/// The same of what is imported.
const KEYS_OF_REACTIONS: [&str; 6] = ["about", "d3fend", "needs", "kernel", "undo", "sample"];
const KEYS_OF_LIBRARIES: [&str; 1] = ["about"];
/// The oldest kernel; not every script has to say it.
const KERNEL: &str = "kernel";
/// Whom the script is about, if it is about one process and not the system.
const TARGET: &str = "target";
/// What that may be.
const COMMAND: &str = "command";

/// What a script says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub purpose: Purpose,
    pub title: String,
    pub about: String,
    /// Ids of MITRE ATT&CK: `T1574.006`; none of what is imported.
    pub attack: Vec<String>,
    /// Ids of MITRE D3FEND, of a reaction: `D3-PS`.
    pub d3fend: Vec<String>,
    /// `info` of what is imported.
    pub severity: Severity,
    /// Templates that its probes are made of.
    pub needs: Vec<String>,
    /// The oldest Linux on which it finds anything, if that is not the oldest of all.
    pub kernel: Option<String>,
    /// It is about one process, its `target`: a command that is started with it, or the process of -p.
    pub needs_target: bool,
    pub false_positives: String,
    /// How a reaction is undone.
    pub undo: String,
    /// What it has said once, line by line.
    pub sample: Vec<String>,
}

/// A line that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the header: {why}")]
pub struct HeaderError {
    /// From 1.
    pub line: usize,
    pub why: String,
}

impl Header {
    /// Reads the header of a script; `None` if its first line says no purpose. An interpreter line may stand before.
    ///
    /// # Errors
    /// If a header lacks something, or says what it cannot.
    pub fn of(text: &str) -> Result<Option<Self>, HeaderError> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
        if lines.peek().is_some_and(|(_, line)| purpose(line).is_none()) {
            lines.next();
        }
        let Some(purpose) = lines.peek().and_then(|(_, line)| purpose(line)) else { return Ok(None) };
        let mut parts: Vec<Part> = Vec::new();
        let mut end = 1;
        for (number, line) in lines {
            let Some(comment) = line.strip_prefix("//") else { break };
            end = number;
            match (comment.strip_prefix("   "), parts.last_mut()) {
                (Some(more), Some(part)) => part.lines.push(more.trim_end().to_owned()),
                _ => parts.push(Part::begun(number, comment.trim(), purpose)?),
            }
        }
        Parts { parts, end, purpose }.header().map(Some)
    }
}

/// What a script is for, if this line begins a header.
fn purpose(line: &str) -> Option<Purpose> {
    let key = line.strip_prefix("// ")?.split_once(':')?.0;
    Purpose::ALL.into_iter().find(|purpose| purpose.name() == key)
}

/// The keys of a header, in their order.
fn keys(purpose: Purpose) -> impl Iterator<Item = &'static str> + Clone {
    let keys: &'static [&'static str] = match purpose {
        Purpose::Reaction => &KEYS_OF_REACTIONS,
        Purpose::Library => &KEYS_OF_LIBRARIES,
        _ => &KEYS,
    };
    std::iter::once(purpose.name()).chain(keys.iter().copied())
}

fn all_keys(purpose: Purpose) -> String {
    keys(purpose).collect::<Vec<_>>().join(", ")
}

/// One key, and what stands behind and below it.
struct Part {
    line: usize,
    key: &'static str,
    lines: Vec<String>,
}

impl Part {
    fn begun(line: usize, comment: &str, purpose: Purpose) -> Result<Self, HeaderError> {
        let refused = |why: String| HeaderError { line, why };
        let allowed =
            || format!("allowed: {}, and below each more of it, indented by three blanks", all_keys(purpose));
        let (given, rest) = comment
            .split_once(':')
            .ok_or_else(|| refused(format!("`{comment}` has no `KEY:` before it; {}", allowed())))?;
        let key = keys(purpose).find(|key| *key == given).ok_or_else(|| {
            let near = nearest(given, keys(purpose))
                .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            refused(format!("there is no `{given}`{near}; {}", allowed()))
        })?;
        let lines = Some(rest.trim()).filter(|rest| !rest.is_empty()).map(str::to_owned);
        Ok(Part { line, key, lines: lines.into_iter().collect() })
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Words between commas.
    fn words(&self) -> Vec<String> {
        self.text().split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    fn refused(&self, why: impl fmt::Display) -> HeaderError {
        HeaderError { line: self.line, why: format!("`{}`: {why}", self.key) }
    }
}

struct Parts {
    parts: Vec<Part>,
    /// Its last line.
    end: usize,
    purpose: Purpose,
}

impl Parts {
    fn header(&self) -> Result<Header, HeaderError> {
        let purpose = self.purpose;
        let place = |part: &Part| keys(purpose).position(|key| key == part.key);
        for pair in self.parts.windows(2) {
            if place(&pair[0]) >= place(&pair[1]) {
                return Err(pair[1]
                    .refused(format!("it stands in the wrong place; the order is: {}", all_keys(purpose))));
            }
        }
        if purpose.is_imported() {
            return self.of_an_import();
        }
        let attack = self.part("attack")?;
        if let Some(id) = attack.words().iter().find(|id| !is_attack_id(id)) {
            return Err(
                attack.refused(format!("`{id}` is no id of ATT&CK; allowed: such as T1574 or T1574.006"))
            );
        }
        let severity = self.part("severity")?;
        let target = self.optional(TARGET)?;
        if let Some(target) = target.filter(|target| target.text() != COMMAND) {
            return Err(target.refused(format!(
                "`{}` is nobody whom a script can be about; allowed: {COMMAND} (or leave the line out)",
                target.text()
            )));
        }
        Ok(Header {
            purpose,
            needs_target: target.is_some(),
            title: self.part(purpose.name())?.text(),
            about: self.part("about")?.text(),
            attack: attack.words(),
            severity: Severity::from_name(&severity.text()).map_err(|error| severity.refused(error))?,
            needs: self.part("needs")?.words(),
            kernel: self.optional(KERNEL)?.map(Part::text),
            false_positives: self.part("false positives")?.text(),
            sample: self.part("sample")?.lines.iter().map(|line| line.trim().to_owned()).collect(),
            d3fend: Vec::new(),
            undo: String::new(),
        })
    }

    fn of_an_import(&self) -> Result<Header, HeaderError> {
        let purpose = self.purpose;
        let mut header = Header {
            purpose,
            title: self.part(purpose.name())?.text(),
            about: self.part("about")?.text(),
            attack: Vec::new(),
            d3fend: Vec::new(),
            severity: Severity::Info,
            needs: Vec::new(),
            kernel: self.optional(KERNEL)?.map(Part::text),
            needs_target: false,
            false_positives: String::new(),
            undo: String::new(),
            sample: Vec::new(),
        };
        if purpose == Purpose::Reaction {
            let d3fend = self.part("d3fend")?;
            header.d3fend = d3fend.words();
            if let Some(id) = header.d3fend.iter().find(|id| !is_d3fend_id(id)) {
                return Err(d3fend.refused(format!("`{id}` is no id of D3FEND; allowed: such as D3-PS")));
            }
            header.needs = self.part("needs")?.words().into_iter().filter(|word| word != "nothing").collect();
            header.undo = self.part("undo")?.text();
            header.sample = self.part("sample")?.lines.iter().map(|line| line.trim().to_owned()).collect();
        }
        Ok(header)
    }

    /// One that need not be there.
    fn optional(&self, key: &str) -> Result<Option<&Part>, HeaderError> {
        let is_said = self.parts.iter().any(|part| part.key == key);
        if is_said { self.part(key).map(Some) } else { Ok(None) }
    }

    fn part(&self, key: &str) -> Result<&Part, HeaderError> {
        let missing = || HeaderError { line: self.end, why: format!("`{key}:` is missing") };
        let part = self.parts.iter().find(|part| part.key == key).ok_or_else(missing)?;
        if part.lines.is_empty() { Err(part.refused("nothing stands behind it")) } else { Ok(part) }
    }
}

fn is_d3fend_id(id: &str) -> bool {
    let letters = id.strip_prefix("D3-").unwrap_or_default();
    !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_attack_id(id: &str) -> bool {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match id.strip_prefix('T').map(|rest| rest.split_once('.').unwrap_or((rest, "000"))) {
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "// hunt: Somebody does it\n// about: One line,\n//   and another\n// attack: T1059.004, T1105\n\
                        // severity: high\n// needs: exec, connect\n// false positives: none\n// sample:\n//   a  b\nlet a = 1;\n";

    fn refused(text: &str) -> String {
        Header::of(text).unwrap_err().to_string()
    }

    #[test]
    fn a_header_is_read_and_what_is_no_hunt_has_none() {
        let header = Header::of(GOOD).unwrap().unwrap();
        assert_eq!(header.about, "One line, and another");
        assert_eq!(header.attack, ["T1059.004", "T1105"]);
        assert_eq!((header.severity, header.kernel), (Severity::High, None));
        assert_eq!(header.sample, ["a  b"]);
        assert!(Header::of(&format!("#!/usr/bin/env krsi-sh\n{GOOD}")).unwrap().is_some());
        assert_eq!(Header::of("// a comment\nlet a = 1;"), Ok(None));
        assert_eq!(Header::of(""), Ok(None));
    }

    #[test]
    fn one_that_is_about_a_command_says_so() {
        let of = |text: &str| Header::of(&GOOD.replace("// false", &format!("{text}// false")));
        assert!(!of("").unwrap().unwrap().needs_target);
        assert!(of("// target: command\n").unwrap().unwrap().needs_target);
        let why = of("// target: nginx\n").unwrap_err().to_string();
        assert!(why.contains("`nginx` is nobody") && why.contains("allowed: command"), "{why}");
        assert!(of("// target:\n").unwrap_err().to_string().contains("nothing stands behind it"));
    }

    #[test]
    fn what_is_imported_says_less() {
        let header = Header::of("// library: Addresses\n// about: What they are\n").unwrap().unwrap();
        assert_eq!((header.purpose, header.about.as_str()), (Purpose::Library, "What they are"));
        let reaction = "// reaction: Stops it\n// about: All of it\n// d3fend: D3-PS\n// needs: nothing\n// undo: `r.undo()`\n// sample:\n//   x\n";
        let header = Header::of(reaction).unwrap().unwrap();
        assert_eq!(
            (header.d3fend, header.needs, header.undo.as_str()),
            (vec!["D3-PS".to_owned()], vec![], "`r.undo()`")
        );
        assert!(refused(&reaction.replace("D3-PS", "PS")).contains("no id of D3FEND"));
        assert!(refused(&reaction.replace("// d3fend", "// attack")).contains("there is no `attack`"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_is_allowed() {
        let text = refused(&GOOD.replace("severity: high", "severity: awful"));
        assert!(text.starts_with("line 5") && text.contains("critical"), "{text}");
        let text = refused(&GOOD.replace("// needs:", "// need:"));
        assert!(text.contains("did you mean `needs`?") && text.contains("false positives"), "{text}");
        let text = refused(&GOOD.replace("T1105", "TA0001"));
        assert!(text.contains("`TA0001` is no id"), "{text}");
        let text = refused(&GOOD.replace("// severity: high\n", ""));
        assert!(text.contains("`severity:` is missing"), "{text}");
        let text = refused(&GOOD.replace("about: One", "about: One\n// about: Two"));
        assert!(text.starts_with("line 3") && text.contains("the order is"), "{text}");
        assert!(refused(&GOOD.replace("none", "")).contains("nothing stands behind it"));
    }
}
