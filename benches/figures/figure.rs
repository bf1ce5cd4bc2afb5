//! A row: what there is a goal for, the goal, what was found, and how.

use std::fmt::Write as _;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Met,
    Missed,
    /// There to be seen: nothing was promised.
    NoGoal,
    /// This machine refuses what would have to be measured, and the row says so.
    Refused,
    /// It should have been measured, and was not.
    Failed,
}

impl Outcome {
    pub fn of(met: bool) -> Self {
        if met { Outcome::Met } else { Outcome::Missed }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Met => "met",
            Outcome::Missed => "missed",
            Outcome::NoGoal => "",
            Outcome::Refused => "refused here",
            Outcome::Failed => "not measured",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub goal: String,
    pub measured: String,
    pub outcome: Outcome,
    pub method: String,
}

const HEADER: [&str; 5] = ["figure", "goal", "measured", "", "method"];

impl Figure {
    pub fn new(name: &str, goal: &str, measured: String, outcome: Outcome, method: &str) -> Self {
        Figure { name: name.into(), goal: goal.into(), measured, outcome, method: method.into() }
    }

    /// One for the reader to see.
    pub fn shown(name: &str, measured: String, method: &str) -> Self {
        Figure::new(name, "", measured, Outcome::NoGoal, method)
    }

    /// One that could not be measured, and why.
    pub fn failed(name: &str, goal: &str, reason: &str) -> Self {
        Figure::new(name, goal, one_line(reason), Outcome::Failed, "")
    }

    /// Whether `make bench` fails for it.
    pub fn spoils(&self) -> bool {
        matches!(self.outcome, Outcome::Missed | Outcome::Failed)
    }

    fn cells(&self) -> [&str; 5] {
        [&self.name, &self.goal, &self.measured, self.outcome.word(), &self.method]
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For a terminal.
pub fn table(figures: &[Figure]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(HEADER);
    for figure in figures {
        table.add_row(figure.cells());
    }
    table.trim_fmt()
}

/// For the document.
pub fn markdown(figures: &[Figure]) -> String {
    let row = |cells: [&str; 5]| {
        cells.iter().fold("|".to_owned(), |mut line, cell| {
            let _ = write!(line, " {} |", cell.replace('|', "\\|"));
            line
        })
    };
    let mut text = format!("{}\n|---|---|---|---|---|\n", row(HEADER));
    for figure in figures {
        text.push_str(&row(figure.cells()));
        text.push('\n');
    }
    text
}
