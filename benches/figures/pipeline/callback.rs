//! Up to a script: the session, and a callback of five expressions, each of which holds.

use std::{cell::RefCell, io, rc::Rc, sync::Arc, thread, time::Instant};

use krsi_sh::{
    kernel::{
        Live,
        bench::producer::{Producer, Waking},
    },
    report::{Lines, Record, Renderer, Sink, Stream},
    script::{Echo, Options, Session},
    template::{Catalogue, Template},
};

use super::offer::{Cores, LONG, PORTION, portions};

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
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Said {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        self.0.borrow_mut().push(line.to_owned());
        Ok(())
    }
}

/// Events a second that the callback was called for, the ring buffers' reader on the same core.
///
/// # Errors
/// If not each of them was a hit.
pub fn rate(producer: &Producer, template: &Arc<Template>) -> Result<f64, String> {
    let cores = Cores::two()?;
    cores.read()?;
    let said = Said::default();
    let catalogue = Catalogue::builtin().map_err(|e| e.to_string())?;
    let options = Options { quiet: true, ..Options::default() };
    let backend = Box::new(Live::new(catalogue.clone(), None));
    let mut session = Session::new(catalogue, options, backend, Box::new(said.clone()));
    session.line(SCRIPT, Echo::Shown);
    let events = session.events().ok_or("no session")?;
    let following = producer.follow(template, "bench", events).map_err(|e| e.to_string())?;
    let took = thread::scope(|scope| {
        let making = scope.spawn(|| {
            cores.make()?;
            portions(|| producer.produce(PORTION, Waking::Adaptive).map(drop).map_err(|e| e.to_string()))
        });
        let begun = Instant::now();
        // What is in the queue at the end is handled, too.
        session.line(&format!("run_for(\"{}s\")", LONG.as_secs()), Echo::Shown);
        let took = begun.elapsed();
        making.join().map_err(|_| "making events failed".to_owned()).flatten().map(|()| took)
    })?;
    following.flush();
    session.line("run_for(\"1ms\"); print(hits)", Echo::Shown);
    let (delivered, _) = following.books();
    match said.0.borrow().last().and_then(|hits| hits.parse::<u64>().ok()) {
        Some(hits) if hits == delivered => Ok(hits as f64 / took.as_secs_f64()),
        _ => Err(format!("{delivered} events, and the callback says: {}", said.0.borrow().join("; "))),
    }
}
