//! What is decided about an operation that a probe holds.

use rhai::{Dynamic, Engine};

use super::{Runtime, calls::Given, questions::Question};
use crate::{
    filter::Answer,
    probe::ask::{Ask, Reply, Ruling, Standing},
    script::{
        docs,
        event::ScriptEvent,
        handle::{Asker, ProbeHandle},
        program::Callback,
        stop::Stop,
    },
};

impl Runtime {
    /// Has it decided, if that is what the event is about. Gives whether somebody at the prompt is told of it, who is to decide.
    ///
    /// # Errors
    /// What ends the script.
    pub(super) fn decide(
        &self,
        engine: &Engine,
        probe: &ProbeHandle,
        event: &ScriptEvent,
    ) -> Result<bool, Stop> {
        let inner = event.inner();
        if !inner.is_question() {
            return Ok(false);
        }
        let (Some(asker), Some(ask)) = (probe.asker(), probe.ask()) else { return Ok(false) };
        let (tid, asked_ns) = (inner.number("tid") as u32, inner.number("mono_ns"));
        // One that is over, or answered already, is not asked for: it would be an answer to nothing, or a second one.
        let Standing::Open(until_ns) = probe.standing(tid, asked_ns) else { return Ok(false) };
        match asker {
            Asker::Function(callback) => {
                if let Some(reply) = self.reply(engine, &callback, probe, ask, event)? {
                    self.answer(probe, tid, asked_ns, reply);
                    return Ok(false);
                }
            }
            // Whoever was asked has answered then.
            Asker::Person if self.backend.recorded().is_some() => return Ok(false),
            Asker::Person => {}
        }
        let question = Question { probe: probe.clone(), event: event.clone(), tid, asked_ns, until_ns };
        Ok(self.put(question))
    }

    /// What the script's function says; what `otherwise` says, once that is reported, if that is no verdict; `None` if it leaves the
    /// decision to the person at the prompt.
    fn reply(
        &self,
        engine: &Engine,
        callback: &Callback,
        probe: &ProbeHandle,
        ask: Ask,
        event: &ScriptEvent,
    ) -> Result<Option<Reply>, Stop> {
        let of = || format!("the function that probe `{}` asks", probe.name());
        let otherwise = Reply::once(ask.otherwise);
        match self.value(engine, callback, Given::Event(event.clone()), &of)? {
            None => Ok(Some(otherwise)),
            Some(value) if value.is_unit() && self.options.interactive => Ok(None),
            Some(value) => match reply_of(&value) {
                Some(reply) => Ok(Some(reply)),
                None => {
                    let text = format!(
                        "the function given to `ask` must return a verdict (`allow()`, `allow(\"1h\")`, `deny(\"EACCES\")`, `kill(\"SIGKILL\")`; at a prompt `()` asks whoever sits there), and returned {}; it is dealt with as `otherwise` says: {}",
                        docs::plain_types(value.type_name()),
                        ask.otherwise
                    );
                    self.complain(&text, &of)?;
                    Ok(Some(otherwise))
                }
            },
        }
    }

    /// Answers, and says what keeps that from being done.
    pub(super) fn answer(&self, probe: &ProbeHandle, tid: u32, asked_ns: u64, reply: Reply) -> bool {
        match probe.answer(tid, asked_ns, reply) {
            Ok(held) => held,
            Err(fault) => {
                let text = format!("error: probe `{}`: {fault}", probe.name());
                self.report(|reporter| reporter.log(&text));
                false
            }
        }
    }
}

fn reply_of(value: &Dynamic) -> Option<Reply> {
    if let Some(reply) = value.clone().try_cast::<Reply>() {
        return Some(reply);
    }
    value.clone().try_cast::<Answer>().and_then(Ruling::of).map(Reply::once)
}
