//! How long a pattern that is too large takes until it is refused: somebody waits for that at a prompt.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use krsi_sh::exit;

use crate::figure::{Figure, Outcome};

/// The least counts: what this is about is the work, and not what else the machine does.
const RUNS: usize = 5;
const GOAL_MS: f64 = 200.0;
const NAME: &str = "a hostile pattern is refused";

fn hostile() -> [String; 7] {
    [
        "(a|b)*a(a|b){24}".into(),
        "(?:a{1000}){1000}".into(),
        r"\b(?:.{0,400}a){8}$".into(),
        format!("{}a{}", "(?:".repeat(30), "){9}".repeat(30)),
        r"(}dev/(tcp|udp)/|\b(nc|ncat)\ b.* -[ec]){1,50}(b|c)^_d".into(),
        "(?i)(x.{1,60}y|[a-z]+[0-9]{2,40}){1,30}(q|r).*[^a]{9}z".into(),
        "(a.*b.*c.*d|e.*f.*g|h.*i.*j.*k.*l|m.*n.*o|p.*q.*r.*s)".into(),
    ]
}

pub fn figures() -> Vec<Figure> {
    let (goal, patterns) = (format!("≤ {GOAL_MS} ms"), hostile());
    let method = format!(
        "start to end of `krsi-sh explain` with a filter `e.cmdline.matches(PATTERN)`: the slowest of {}, the least of {RUNS} runs of each",
        patterns.len()
    );
    let slowest = patterns
        .iter()
        .map(|pattern| least(pattern))
        .try_fold(0.0, |slowest: f64, taken| taken.map(|milliseconds| slowest.max(milliseconds)));
    vec![match slowest {
        Ok(slowest) => {
            let outcome = Outcome::of(slowest <= GOAL_MS);
            Figure::new(NAME, &goal, format!("{slowest:.0} ms"), outcome, &method)
        }
        Err(reason) => Figure::failed(NAME, &goal, &reason),
    }]
}

/// The least time in milliseconds until it is refused.
///
/// # Errors
/// If it is not refused, or for another reason than its size.
fn least(pattern: &str) -> Result<f64, String> {
    let script = format!("probe(\"exec\").when(|e| e.cmdline.matches(`{pattern}`)).attach();");
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_krsi-sh"))
            .args(["-q", "explain", "-e", &script])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot start the shell: {e}"))?;
        least = least.min(started.elapsed().as_secs_f64() * 1e3);
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(exit::FAILED) || !told.contains("this pattern is too large") {
            return Err(format!("`{pattern}` is not refused: {told}"));
        }
    }
    Ok(least)
}
