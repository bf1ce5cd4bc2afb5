//! A script that is only explained: evaluated with nothing attached, nothing done and nothing waited for.

use super::{Failure, Session, Started, guarded, unusable};
use crate::{
    backend::DryRun,
    exit,
    report::Sink,
    script::{
        Options, Param, Source,
        explanation::{Explained, Explanation},
        handle::ProbeHandle,
        stop::Stop,
    },
    template::Catalogue,
};

impl Session {
    /// Makes a session that only explains: nothing is attached, and no other effect is allowed.
    #[must_use]
    pub fn explaining(catalogue: Catalogue, options: Options, sink: Box<dyn Sink>) -> Self {
        let options = Options { policy: options.policy.explained(), ..options };
        Session::new(catalogue, options, Box::new(DryRun), sink)
    }

    /// Returns the parameters that a script declares, by evaluating it up to there. Errors are reported through the sink; the
    /// exit code of such a one.
    ///
    /// # Errors
    /// If the script fails before.
    pub fn declared(&mut self, source: &Source) -> Result<Vec<Param>, i32> {
        let started = self.started.as_mut().map_err(|error| unusable(error).code)?;
        started.runtime.hunt.declare_only();
        let code = guarded(started, |started| started.explanations(source).code, |outcome| outcome.code);
        if code == exit::FINE { Ok(started.runtime.hunt.take_declared()) } else { Err(code) }
    }

    /// Explains every probe that the script makes, as far as it comes without doing anything. Errors are reported through
    /// the sink.
    pub fn explanations(&mut self, source: &Source) -> Explained {
        match &mut self.started {
            Ok(started) => guarded(
                started,
                |started| started.explanations(source),
                |outcome| Explained { probes: vec![], ended: None, code: outcome.code },
            ),
            Err(error) => Explained { probes: vec![], ended: None, code: unusable(error).code },
        }
    }
}

impl Started {
    fn explanations(&mut self, source: &Source) -> Explained {
        if let Err(code) = self.begin_hunt(source) {
            return Explained { probes: vec![], ended: None, code };
        }
        self.runtime.probes.keep_made();
        let (ended, code) = match self.evaluate(source) {
            Ok(_) => (None, exit::FINE),
            Err(Failure::Reported(code)) => (None, code),
            Err(Failure::Stopped(stop, at)) => {
                let line = at.line().map_or_else(String::new, |line| format!(":{line}"));
                let why = match stop {
                    Stop::OnlyExplained(what) => Some(what.to_owned()),
                    Stop::Limit(text) => Some(text.to_owned()),
                    Stop::Exit(code) => Some(format!("the script ends itself with exit code {code}")),
                    _ => None,
                };
                let ended = why.map(|why| format!("explained up to {}{line}: {why}", source.name));
                let code = if ended.is_some() { exit::FINE } else { self.stopped(&stop) };
                (ended, code)
            }
        };
        let probes = self.runtime.probes.take_made();
        let explained: Vec<Explanation> = probes.iter().map(ProbeHandle::explanation).collect();
        // A callback may hold its own probe.
        for probe in &probes {
            let _ = probe.set_callback(None);
            probe.set_condition(None);
        }
        Explained { probes: explained, ended, code }
    }
}
