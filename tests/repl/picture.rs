//! A whole screen as text, beside what it was the last time: `tests/golden/screens/NAME.txt`.
//!
//! The picture has what somebody sees: the rows of the window, `‸` where the cursor stands, and the colours of each row
//! in words if a test asks for them. What another machine shows otherwise becomes a fixed word in [`settled`], and nowhere
//! else. `KRSI_BLESS=1 cargo test --release --test repl screens` writes the pictures anew.

use std::{fs, path::PathBuf};

use similar::TextDiff;

use crate::terminal::Terminal;

const CURSOR: char = '‸';
/// The colours a terminal has names for, in their order.
const COLOURS: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/// Waits until the screen is the picture of this name.
pub fn shows(terminal: &Terminal, name: &str) {
    compare(terminal, name, plain);
}

/// As [`shows`], and in these colours.
pub fn shows_coloured(terminal: &Terminal, name: &str) {
    compare(terminal, name, |screen| format!("{}\n{}", plain(screen), colours(screen)));
}

pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/screens").join(format!("{name}.txt"))
}

fn compare(terminal: &Terminal, name: &str, draw: impl Fn(&vt100::Screen) -> String) {
    let file = file(name);
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        terminal.settles();
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        fs::write(&file, terminal.look(&draw)).expect("a picture");
        return;
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    if !terminal.comes_to(|screen| draw(screen) == golden) {
        let found = terminal.look(&draw);
        let changes = TextDiff::from_lines(golden.as_str(), found.as_str());
        panic!("{}", changes.unified_diff().header(&file.display().to_string(), "the screen"));
    }
}

/// Rows from the first to the last that is not empty.
fn plain(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let mut text = format!("{columns} columns, {rows} rows");
    text.push_str(if screen.alternate_screen() { ", a screen of its own\n" } else { "\n" });
    let drawn: Vec<String> = (0..rows.get()).map(|row| line(screen, row)).collect();
    let last = drawn.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    for row in settled(&drawn[..last]) {
        text.push_str(&row);
        text.push('\n');
    }
    text
}

fn line(screen: &vt100::Screen, row: u16) -> String {
    let cursor = (!screen.hide_cursor()).then(|| screen.cursor_position());
    let mut text = String::new();
    for column in 0..screen.size().1.get() {
        if cursor == Some((row, column)) {
            text.push(CURSOR);
        }
        match screen.cell(row, column) {
            Some(cell) if cell.is_wide_continuation() => {}
            Some(cell) if cell.has_contents() => text.push_str(cell.contents()),
            _ => text.push(' '),
        }
    }
    text.trim_end().to_owned()
}

/// What differs from machine to machine: the banner's release, and what it says can be done there.
fn settled(rows: &[String]) -> Vec<String> {
    let banner = format!("krsi-sh {} on Linux ", env!("CARGO_PKG_VERSION"));
    let mut settled = Vec::new();
    let mut rows = rows.iter();
    while let Some(row) = rows.next() {
        let Some((_, rest)) = row.strip_prefix(&banner).and_then(|rest| rest.split_once(';')) else {
            settled.push(row.clone());
            continue;
        };
        settled.push(format!("krsi-sh VERSION on Linux RELEASE;{rest}"));
        settled.push("WHAT CAN BE ATTACHED HERE".into());
        settled.extend(rows.by_ref().find(|row| row.starts_with("krsi>")).cloned());
    }
    settled
}

/// Each row's pieces that are not in the terminal's own colour.
fn colours(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let mut text = String::new();
    for row in 0..rows.get() {
        let mut pieces: Vec<(String, String)> = Vec::new();
        for column in 0..columns.get() {
            let Some(cell) = screen.cell(row, column) else { continue };
            let contents = if cell.has_contents() { cell.contents() } else { " " };
            match (pieces.last_mut(), style(cell)) {
                (Some((last, piece)), style) if *last == style => piece.push_str(contents),
                (_, style) => pieces.push((style, contents.to_owned())),
            }
        }
        for (style, piece) in pieces.iter().filter(|(style, _)| !style.is_empty()) {
            text.push_str(&format!("row {}: `{piece}` {style}\n", row + 1));
        }
    }
    text
}

fn style(cell: &vt100::Cell) -> String {
    let colour = match cell.fgcolor() {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(
            COLOURS
                .get(usize::from(index))
                .map_or_else(|| format!("colour {index}"), |name| (*name).to_owned()),
        ),
        vt100::Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    };
    let marks = [
        (cell.bold(), "bold"),
        (cell.dim(), "dim"),
        (cell.italic(), "italic"),
        (cell.underline(), "underlined"),
        (cell.inverse(), "inverse"),
    ];
    let marks = marks.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    colour.into_iter().chain(marks).collect::<Vec<_>>().join(" ")
}
