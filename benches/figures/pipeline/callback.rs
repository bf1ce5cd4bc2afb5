//! Up to a script: the session, and a callback of five expressions, each of which holds.

use std::{cell::RefCell, io, rc::Rc, sync::Arc, time::Duration};

use krsi_sh::{
    kernel::producer::{Producer, Waking},
    report::{Sink, Stream},
    script::{Options, Session},
    template::{Catalogue, Template},
};

use nix::time::{ClockId, clock_gettime};

use super::BATCH;

/// As many as fit into the queue.
const EVENTS: u32 = 60_000;
/// There has to be a probe of that name; nobody is in its scope.
const SCRIPT: &str = r#"
    let hits = 0;
    let p = probe("exec").name("bench").scope(#{ uid: 4242 }).attach();
    p.on_event(|e| if e.uid >= 1000 && e.path.starts_with("/home/") && e.comm != "sshd" && e.size > 4096
        && "write" in e.access { hits += 1; });
"#;

/// What the session says.
#[derive(Clone, Default)]
struct Said(Rc<RefCell<Vec<String>>>);

impl Sink for Said {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        self.0.borrow_mut().push(line.to_owned());
        Ok(())
    }
}

/// What this thread has had of a processor: others may want it too, and a core is what there is a goal for.
fn thread_time() -> Result<Duration, String> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).map_err(|e| e.to_string())
}

/// How much of a processor the session's thread takes for so many events that are in its queue.
///
/// # Errors
/// If not each of them was seen, and hit.
pub fn rounds(
    producer: &Producer,
    template: &Arc<Template>,
    rounds: usize,
) -> Result<Vec<(u32, Duration)>, String> {
    let said = Said::default();
    let catalogue = Catalogue::builtin().map_err(|e| e.to_string())?;
    let options = Options { quiet: true, ..Options::default() };
    let mut session = Session::new(catalogue, options, Box::new(said.clone()));
    session.line(SCRIPT);
    let events = session.events().ok_or("no session")?;
    let following = producer.follow(template, "bench", events).map_err(|e| e.to_string())?;
    let mut taken = Vec::new();
    for _ in 0..rounds {
        for _ in 0..EVENTS / BATCH {
            producer.produce(BATCH, Waking::Adaptive).map_err(|e| e.to_string())?;
            following.flush();
        }
        let begun = thread_time()?;
        session.line("run_for(\"1ms\")");
        taken.push((EVENTS, thread_time()? - begun));
    }
    session.line("print(hits)");
    let expected = (EVENTS as usize * rounds).to_string();
    let lines = said.0.borrow();
    if lines.last() != Some(&expected) {
        return Err(format!("{expected} events, and the callback says: {}", lines.join("; ")));
    }
    Ok(taken)
}
