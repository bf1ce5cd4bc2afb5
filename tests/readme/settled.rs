//! Times, process ids and the kernel's release differ from run to run: here they become the same.

use crate::terminal::KERNEL;

/// Lines without their white space at the end, in the form that each run has in common.
pub fn settled<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let mut pids = Vec::new();
    let mut text = String::new();
    for line in lines {
        let line = release(line.trim_end());
        let line = number(&line, "pid ", &mut pids);
        let line = number(&line, "krsi-sh[", &mut pids);
        let line = number(&line, "busybox[", &mut pids);
        let line = time_left(&line);
        text.push_str(&time(&line));
        text.push('\n');
    }
    text
}

/// Process ids count from 100, in the order they appear.
fn number(line: &str, before: &str, known: &mut Vec<String>) -> String {
    let Some((head, tail)) = line.split_once(before) else { return line.to_owned() };
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    let position = known.iter().position(|pid| *pid == digits).unwrap_or_else(|| {
        known.push(digits.clone());
        known.len() - 1
    });
    format!("{head}{before}{}{}", 100 + position, &tail[digits.len()..])
}

/// `(29 s, otherwise`: how long a question has still waited depends on how fast it was shown.
fn time_left(line: &str) -> String {
    const AFTER: &str = " s, otherwise";
    let Some((head, tail)) = line.split_once(AFTER) else { return line.to_owned() };
    format!("{}29{AFTER}{tail}", head.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// `18:14:32.220` at a line's beginning.
fn time(line: &str) -> String {
    const FIXED: &str = "12:00:00.000";
    let alike = |(found, fixed): (char, char)| {
        if fixed.is_ascii_digit() { found.is_ascii_digit() } else { found == fixed }
    };
    match line.split_once(' ') {
        Some((first, rest)) if first.len() == FIXED.len() && first.chars().zip(FIXED.chars()).all(alike) => {
            format!("{FIXED} {rest}")
        }
        _ => line.to_owned(),
    }
}

/// `6.12.117+deb12-cloud-amd64`: of a kernel its version.
fn release(line: &str) -> String {
    let before = format!(" on Linux {KERNEL}.");
    match line.split_once(&before).and_then(|(head, tail)| Some((head, tail.split_once(';')?.1))) {
        Some((head, rest)) => format!("{head} on Linux {KERNEL};{rest}"),
        None => line.to_owned(),
    }
}
