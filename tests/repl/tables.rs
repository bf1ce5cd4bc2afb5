//! An array of maps at the prompt, as somebody sees it.

use crate::terminal::*;

const LET: &str = "let found = [#{ comm: \"日本語\", pid: 7 }, #{ comm: \"cafe\u{301}\", pid: 1234 }];";

#[test]
fn an_array_of_maps_is_a_table_and_raw_in_json() {
    let home = home();
    let mut terminal = Setup { columns: 120, ..Setup::new(&home) }.prompted();
    terminal.keys(&format!("{LET}\r"));
    terminal.enter("found", " cafe\u{301}    1234");
    let rows = terminal.rows();
    let title = rows.iter().position(|row| row == " comm     pid").expect("titles");
    assert_eq!(rows[title + 1..][..2], [" 日本語     7", " cafe\u{301}    1234"]);
    // What is printed is the script's own affair.
    terminal.enter_with("print([#{ a: 1 }])", "[#{\"a\": 1}]");
    terminal.keys(":format json\r");
    terminal.enter_with("[#{ a: 1 }]", "\"value\":[{\"a\":1}]}");
}

#[test]
fn a_long_value_goes_on_below_in_its_own_column() {
    let home = home();
    let mut terminal = Setup { columns: 40, ..Setup::new(&home) }.prompted();
    terminal.enter("[#{ a: \"x\".to_upper() + \" word\".len(), b: 1 }]", " X5  1");
    terminal.keys("let s = \"\"; s.pad(60, '語');\r");
    terminal.enter_for("[#{ a: s, b: 1 }]", |row| row.starts_with(" 語") && row.ends_with("語   1"));
    let wide = terminal.rows().iter().map(|row| row.matches('語').count()).sum::<usize>();
    assert_eq!(wide, 61, "nothing is cut off");
}

#[test]
fn a_scripts_error_and_its_help_fit_a_narrow_terminal_too() {
    let home = home();
    let code = "let probes = [probe(\"exec\"), probe(\"file_open\")]; prob(\"exec\").attach();";
    let terminal = Setup { columns: 40, arguments: &["-e", code], ..Setup::new(&home) }.start();
    terminal.row_with("did you mean `probe`?");
    let rows = terminal.rows();
    let line = rows.iter().position(|row| row.contains("prob(")).expect("the line");
    let place = rows[line].find("prob(").map(|at| rows[line][..at].chars().count());
    assert_eq!(place, rows[line + 1].chars().position(|c| c == '─'), "{rows:?}");
    let code = "help(\"exec\")";
    let terminal = Setup { columns: 40, arguments: &["-e", code], ..Setup::new(&home) }.start();
    terminal.row("kill by path, file, credentials or");
}
