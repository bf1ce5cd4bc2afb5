//! docs/bypasses.md says of each way round a rule what comes of it: what it calls stopped, or a gap, a claim in the lab shows.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Between the first two quotes.
fn quoted(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('"')?.split('"').next()
}

/// Every claim of the lab, as `group: claim`.
fn claims() -> BTreeSet<String> {
    let source = read("tests/lab/guest/mod.rs");
    let mut group = "";
    let mut claims = BTreeSet::new();
    for line in source.lines() {
        let Some(text) = quoted(line) else { continue };
        if line.trim_end().ends_with("\" {") {
            group = text;
        } else if line.contains("\" => ") {
            claims.insert(format!("{group}: {text}"));
        }
    }
    claims
}

/// The cells of every row of the page's tables, but for their heads.
fn rows() -> Vec<Vec<String>> {
    let page = read("docs/bypasses.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    rows.map(cells).filter(|row| row[0] != "way").collect()
}

/// The texts in backquotes that a cell consists of.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn what_is_called_stopped_or_a_gap_is_shown_by_a_claim_and_the_rest_has_a_reason() {
    let claims = claims();
    assert!(claims.len() > 200, "the lab's claims were not read: {}", claims.len());
    let rows = rows();
    assert!(rows.len() > 35, "the page's rows were not read: {}", rows.len());
    for row in rows {
        let [way, outcome, why, seen] = &row[..] else { panic!("a row has four cells: {row:?}") };
        assert!(why.len() > 3, "`{way}`: no reason, and no rule");
        let seen = named(seen);
        match outcome.as_str() {
            "stopped" | "gap" => {
                assert!(!seen.is_empty(), "`{way}` is called {outcome}, and no claim is named")
            }
            "out of reach" | "not tried" => {
                assert!(seen.is_empty(), "`{way}` is called {outcome}, and a claim is named")
            }
            other => panic!("`{way}`: `{other}` is none of stopped, gap, out of reach, not tried"),
        }
        for claim in seen {
            assert!(claims.contains(claim), "`{way}`: the lab has no claim `{claim}`");
        }
    }
}

#[test]
fn every_claim_about_bypasses_is_named_on_the_page() {
    let page = read("docs/bypasses.md");
    for claim in claims().iter().filter(|claim| claim.starts_with("bypasses: ")) {
        assert!(page.contains(&format!("`{claim}`")), "`{claim}` is not named in docs/bypasses.md");
    }
}
