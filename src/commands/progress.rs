//! What a terminal shows while scripts run.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{check::Finished, commands::complain, globals::Globals, report::printable, runner::Watch};

pub struct Progress {
    bar: ProgressBar,
    checks: usize,
    trouble: usize,
    verbose: bool,
}

impl Progress {
    /// Of so many scripts; shown where a person sees it.
    pub fn new(scripts: usize, globals: &Globals, hidden: bool) -> Self {
        let shown = io::stderr().is_terminal() && !globals.quiet && !hidden;
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(u64::try_from(scripts).ok(), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} scripts, {msg}") {
            bar.set_style(style);
        }
        Progress { bar, checks: 0, trouble: 0, verbose: globals.verbose > 0 }
    }

    /// Takes it from the terminal.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Progress {
    fn finished(&mut self, finished: &Finished) {
        self.checks += 1;
        self.trouble += usize::from(finished.is_trouble());
    }

    fn progress(&mut self, done: usize, running: &[&Path]) {
        self.bar.set_position(u64::try_from(done).unwrap_or_default());
        let name = running.first().and_then(|script| script.file_name()).unwrap_or_default();
        let name = name.to_string_lossy();
        self.bar.set_message(format!(
            "{} checks, {} to look at: {}",
            self.checks,
            self.trouble,
            printable(&name)
        ));
    }

    fn said(&mut self, script: &Path, line: &str) {
        if self.verbose {
            self.bar.suspend(|| complain(format_args!("{}: {}", script.display(), printable(line))));
        }
    }
}
