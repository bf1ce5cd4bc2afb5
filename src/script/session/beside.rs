//! What a session about a command has besides its script: other scripts, as the profile of a jail or what is learned in one, and where the
//! command reads what it was refused.

use std::rc::Rc;

use rhai::Dynamic;

use super::{Failure, Session, Started};
use crate::{
    exit,
    script::{Denials, Header, Source, diagnostics::Diagnostic},
};

/// A script that is run beside the session's own: its probes, and what it finds, are its own.
pub(super) struct Beside {
    source: Source,
    /// Its own words.
    args: Vec<String>,
}

impl Session {
    /// Has the command read there what it was refused.
    pub fn tell_denials(&mut self, denials: Rc<Denials>) {
        if let Ok(started) = &mut self.started {
            let _ = started.runtime.denials.set(denials);
        }
    }

    /// Has another script run beside the session's own, with these words, before it: with the same `target`, and nothing else in common
    /// but the session. (Of what is attached to one hook, the kernel asks the latest first: what the session's own script refuses it
    /// tells of, and the other one has not seen it.)
    pub fn beside(&mut self, source: Source, args: Vec<String>) {
        if let Ok(started) = &mut self.started {
            started.beside.push(Beside { source, args });
        }
    }
}

impl Started {
    /// Evaluates what is run beside the session's script, each in a scope of its own.
    pub(super) fn evaluate_beside(&mut self) -> Result<(), Failure> {
        for Beside { source, args } in std::mem::take(&mut self.beside) {
            match Header::of(&source.text) {
                Ok(Some(header)) => self.runtime.hunt.begin_beside(&source, header),
                Ok(None) => {}
                Err(error) => {
                    self.runtime.diagnose(&Diagnostic::sentence(&format!("{}: {error}", source.name)));
                    return Err(Failure::Reported(exit::FAILED));
                }
            }
            let mut scope = self.scope.clone();
            let words: Vec<Dynamic> = args.iter().map(|arg| arg.clone().into()).collect();
            scope.push_constant("args", words);
            std::mem::swap(&mut self.scope, &mut scope);
            let own = self.runtime.args.replace(args);
            let evaluated = self.evaluate(&source);
            self.scope = scope;
            self.runtime.args.replace(own);
            let _value = evaluated?;
        }
        Ok(())
    }
}
