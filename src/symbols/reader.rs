//! A thread that reads files which another user may have put there. Where it does not come back in time it is left
//! behind, and another takes its place.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use super::copy::{self, Copy, Identity};

/// Far more than reading the largest symbol tables takes from a disk.
const PATIENCE: Duration = Duration::from_secs(2);
/// Threads that may be left behind; beyond that nothing is read any more.
const MOST_STUCK: usize = 8;

/// What is wanted: the file's names, unless it is the one that is known.
struct Question {
    path: PathBuf,
    known: Option<Identity>,
}

/// What became of it.
pub enum Answer {
    /// It is the file that is known.
    Same,
    New(Identity, Copy),
    /// It is there no more, or nothing to read names from.
    Nothing,
    /// It did not come in time.
    TooLate,
}

#[derive(Default)]
pub struct Reader {
    thread: Option<(Sender<Question>, Receiver<Answer>)>,
    stuck: usize,
}

impl Reader {
    /// Reads a file's symbols, for no longer than is reasonable.
    pub fn read(&mut self, path: &Path, known: Option<Identity>) -> Answer {
        if self.stuck >= MOST_STUCK {
            return Answer::TooLate;
        }
        let Some((questions, answers)) = self.thread.take().or_else(start) else { return Answer::Nothing };
        if questions.send(Question { path: path.to_owned(), known }).is_err() {
            return Answer::Nothing;
        }
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => {
                self.thread = Some((questions, answers));
                answer
            }
            Err(RecvTimeoutError::Timeout) => {
                self.stuck += 1;
                Answer::TooLate
            }
            Err(RecvTimeoutError::Disconnected) => Answer::Nothing,
        }
    }
}

fn start() -> Option<(Sender<Question>, Receiver<Answer>)> {
    let (questions, asked) = channel::<Question>();
    let (answer, answers) = channel();
    let serve = move || {
        for question in asked {
            if answer.send(read(&question)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("krsi-symbols".into()).spawn(serve).ok()?;
    Some((questions, answers))
}

fn read(question: &Question) -> Answer {
    let Ok(opened) = copy::open(&question.path) else { return Answer::Nothing };
    let identity = opened.identity;
    if question.known == Some(identity) {
        return Answer::Same;
    }
    opened.copy().map_or(Answer::Nothing, |copy| Answer::New(identity, copy))
}
