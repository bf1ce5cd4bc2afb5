//! docs/bypasses.md says of each way round a rule what comes of it: what it calls stopped, or a gap, a claim in the lab shows.

use std::{collections::BTreeSet, fs, path::Path};

use krsi_sh::redteam::{
    rows as rows_of_the_program,
    ways::{TABLE, UNTRIED},
};

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

/// What `krsi-sh redteam` tries ways of: the page's sections.
const TRIED: [&str; 3] = ["Files", "Programs", "Connections and sockets"];
/// Rows that say what the ways of other rows come to where a rule is another one.
const OF_OTHER_RULES: [&str; 3] = [
    "another name, where the rule is a prefix or a suffix",
    "the same, with a rule of `file_open` alone",
    "the same, by place",
];

#[test]
fn what_is_tried_is_on_the_page_and_what_is_on_the_page_is_tried() {
    let page: Vec<_> = rows_of_the_program().iter().collect();
    assert_eq!(page.len(), rows().len(), "the program reads other rows of the page than this test");
    let tried = TABLE.iter().map(|way| (way.row, way.name));
    let tried: Vec<_> = tried.chain(UNTRIED.iter().map(|untried| (untried.row, untried.row))).collect();
    for (row, name) in &tried {
        let found = page.iter().find(|known| known.way == *row);
        let found = found.unwrap_or_else(|| panic!("`{name}`: the page has no row `{row}`"));
        assert!(["stopped", "gap"].contains(&found.outcome), "`{name}`: the page calls it {}", found.outcome);
    }
    for row in page.iter().filter(|row| TRIED.contains(&row.section)) {
        let is_shown = ["stopped", "gap"].contains(&row.outcome);
        let is_tried = tried.iter().any(|(known, _)| *known == row.way);
        let is_of_others = OF_OTHER_RULES.contains(&row.way);
        assert!(
            !is_shown || is_tried || is_of_others,
            "`{}` is called {}, and redteam does not try it: a row of TABLE or UNTRIED (src/redteam/ways.rs)",
            row.way,
            row.outcome
        );
        assert!(!(is_tried && is_of_others), "`{}` is tried, and was said to be of another rule", row.way);
    }
}

#[test]
fn what_no_rule_of_a_template_sees_is_stopped_by_another_one_or_by_none() {
    // A way of a row that the page calls stopped, and that no rule of the template sees, names the template that does.
    for way in TABLE.iter().filter(|way| way.beyond) {
        let row = rows_of_the_program().iter().find(|row| row.way == way.row);
        let row = row.unwrap_or_else(|| panic!("`{}` has no row", way.name));
        let names_another = row.outcome != "stopped" || row.why.contains("template");
        assert!(names_another, "`{}`: {}", way.name, row.why);
    }
}
