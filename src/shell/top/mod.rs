//! `:top`: the attached probes, live, on a screen of its own.
//!
//! Two threads: the *view* has keys and screen, and asks each second; the *engine* (the caller's) goes on
//! delivering events, timers and heartbeats, and answers with what it sees ([`Watch`]). So a terminal that
//! stalls holds no engine up, and an engine that is busy with a callback does not keep anybody from leaving.
//! What callbacks print meanwhile waits, as it does for a pager, and appears when the screen is given back.

mod page;
mod screen;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use self::{
    page::Page,
    screen::{Pressed, Screen},
};
use super::{Flow, Shell};
use crate::script::{Glance, Served, Watch};

/// How often the counts are read.
const SECOND: Duration = Duration::from_secs(1);
/// How soon a change of the window's size, or the session's end, is noticed.
const LOOK: Duration = Duration::from_millis(100);
/// How long the session's end waits for the screen to be given back.
const PATIENCE: Duration = Duration::from_millis(300);
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// Runs until somebody leaves it, or the session ends.
pub fn run(shell: &mut Shell) -> Flow {
    if !shell.full_screen {
        shell.complain(
            "`:top` needs a terminal to draw on, and here TERM is one that cannot, or standard output is elsewhere; `:stats` tells the same as lines",
        );
        return Flow::Stay;
    }
    let (ask, asked) = bounded(1);
    let (answer, answers) = bounded(1);
    shell.session.written();
    let color = shell.color;
    let view = move || {
        let outcome = view(&ask, &answers, color);
        drop(ask);
        outcome
    };
    let view = match thread::Builder::new().name("krsi-top".into()).spawn(view) {
        Ok(view) => view,
        Err(error) => {
            shell.complain(&format!("cannot start a thread: {error}"));
            return Flow::Stay;
        }
    };
    shell.printer.prompt_time();
    let ended = serve(shell, &asked, answer);
    if let Some(outcome) = ended {
        // The session's last lines are for the terminal as it was.
        let _ = asked.recv_timeout(PATIENCE).and_then(|()| asked.recv_timeout(PATIENCE));
        return Flow::Over(Some(outcome));
    }
    let outcome = view.join();
    shell.printer.own_time();
    if let Ok(Err(error)) = outcome {
        shell.complain(&format!("cannot draw on this terminal: {error}"));
    }
    Flow::Stay
}

/// Answers until nobody asks any more; gives how the session ended, if it did.
fn serve(
    shell: &mut Shell,
    asked: &Receiver<()>,
    answer: Sender<Vec<Glance>>,
) -> Option<crate::script::Outcome> {
    let mut watch = Watch::default();
    loop {
        match shell.session.serve_until(asked) {
            Served::Received(()) => {
                let seen = watch.look(&shell.session, page::GROUPS);
                // The view has the former one still: it will ask again.
                let _ = answer.try_send(seen);
            }
            Served::Disconnected => return None,
            Served::Ended(outcome) => return Some(outcome),
        }
    }
}

/// The view's thread.
fn view(ask: &Sender<()>, answers: &Receiver<Vec<Glance>>, color: bool) -> io::Result<()> {
    let screen = Screen::enter()?;
    let mut page = Page::new(color);
    let mut due = Instant::now();
    let mut size = Screen::size();
    screen.show(&page.lines(size))?;
    loop {
        let now = Instant::now();
        if due <= now {
            // One question is enough while the engine is busy.
            let _ = ask.try_send(());
            due = now + SECOND;
        }
        let mut changed = Screen::size() != size;
        match answers.try_recv() {
            Ok(seen) => {
                page.add(seen, Instant::now());
                changed = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if changed {
            size = Screen::size();
            screen.show(&page.lines(size))?;
        }
        match screen.key(LOOK) {
            Pressed::Key(b'q' | b'Q' | CTRL_C | CTRL_D) | Pressed::Gone => return Ok(()),
            Pressed::Key(_) | Pressed::Nothing => {}
        }
    }
}
