//! `docs/performance.md`: its table is written here and nowhere by hand.

use std::{fs, path::PathBuf};

use krsi_sh::{kernel, lab::kernels};

use crate::{
    figure::{self, Figure},
    peers, visit,
};

/// The variable that is set to have the figures written.
pub const BLESS: &str = "KRSI_BLESS";
const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- /figures -->";

/// When and on what the figures were taken, in one line.
pub fn circumstances() -> String {
    let guest = fs::read_to_string(kernels::cache().join(visit::KERNEL).join("version")).unwrap_or_default();
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        line.map(|(_, name)| name.to_owned())
    });
    let peer = |name| format!("{name} {}", peers::version(name).unwrap_or_else(|_| "(none)".into()));
    format!(
        "{}; guest: Linux {}; host: Linux {}, {} × {}; {}, {}",
        jiff::ZonedDateTime::now().strftime("%F"),
        guest.trim(),
        kernel::facts().release,
        std::thread::available_parallelism().map_or(1, usize::from),
        processor.as_deref().unwrap_or("unknown processor"),
        peer("bpftrace"),
        peer("auditd"),
    )
}

/// Puts fresh figures into the document, in the place of all that were there.
///
/// # Errors
/// If it cannot be read or written, or has no place for them.
pub fn renew(circumstances: &str, figures: &[Figure]) -> Result<(), String> {
    rewrite(|_| format!("{circumstances}.\n\n{}", figure::markdown(figures)))
}

/// Puts the figures of some groups into the document, in the place of rows of the same names or behind the
/// last one; the line above the table tells when.
///
/// # Errors
/// As [`renew`].
pub fn renew_rows(groups: &str, figures: &[Figure]) -> Result<(), String> {
    let today = jiff::ZonedDateTime::now().strftime("%F");
    let markdown = figure::markdown(figures);
    rewrite(|former| {
        let (line, table) = former.split_once('\n').unwrap_or((former, ""));
        let groups_before = line.trim_end_matches('.').split("; ");
        let kept: Vec<_> = groups_before.filter(|part| !part.starts_with(&format!("{groups}: "))).collect();
        let mut rows: Vec<&str> = table.trim_end().lines().collect();
        for fresh in markdown.lines().skip(2) {
            match rows.iter_mut().find(|row| row.split('|').nth(1) == fresh.split('|').nth(1)) {
                Some(row) => *row = fresh,
                None => rows.push(fresh),
            }
        }
        format!("{}; {groups}: {today}.\n{}\n", kept.join("; "), rows.join("\n"))
    })
}

/// Gives what stands between the marks for what stood there.
fn rewrite(fresh: impl FnOnce(&str) -> String) -> Result<(), String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&path).map_err(|e| format!("reading {}: {e}", path.display()))?;
    let place = || {
        let (before, rest) = text.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some((before, rest.split_once(END)?.0, after))
    };
    let (before, former, after) =
        place().ok_or_else(|| format!("{} has no place for figures", path.display()))?;
    let fresh = format!("{before}{BEGIN}{}{END}{after}", fresh(former));
    fs::write(&path, fresh).map_err(|e| format!("writing {}: {e}", path.display()))
}
