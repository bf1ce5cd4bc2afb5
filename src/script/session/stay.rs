//! A script that is evaluated and then stays, for somebody who does something with what it has attached.

use super::{End, Failure, Session, Started, guarded, unusable};
use crate::script::{Outcome, Source};

impl Session {
    /// Evaluates a whole script. What it has attached then stays, and is served by [`Session::serve_until`] until [`Session::finish`].
    ///
    /// # Errors
    /// How the session has ended, if the script failed or ended it.
    pub fn stay(&mut self, source: &Source) -> Result<(), Outcome> {
        match &mut self.started {
            Ok(started) => guarded(started, |started| started.stay(source), Err),
            Err(error) => Err(unusable(error)),
        }
    }
}

impl Started {
    fn stay(&mut self, source: &Source) -> Result<(), Outcome> {
        if let Err(code) = self.begin_hunt(source) {
            return Err(self.finish(code, End::Own));
        }
        match self.evaluate_beside().and_then(|()| self.evaluate(source)) {
            Ok(_) => {
                self.note_forgotten();
                Ok(())
            }
            Err(Failure::Stopped(stop, _)) => {
                let code = self.stopped(&stop);
                Err(self.finish(code, End::by(&stop)))
            }
            Err(Failure::Reported(code)) => Err(self.finish(code, End::Own)),
        }
    }
}
