//! The shell, as its users have it, with a ring buffer that is written to all the time.
//!
//! Its records are read, decoded and handed over as a probe's are, and reported as those of a probe without a callback: a
//! line each. How many have come out of the ring buffer is written down for the test, every 50 ms.

use std::{
    ffi::OsStr,
    fs::File,
    io::Write,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use krsi_sh::{
    kernel::bench::{
        producer::{Following, Producer, RING_SIZE, Waking},
        test_run::TestRunError,
    },
    script::{Options, Session},
    shell,
    template::{Catalogue, Template},
};
use nix::time::{ClockId, clock_gettime};

pub const ROLE: &str = "--shell";
const TEMPLATE: &str = "file_open";
const PATH: &[u8] = b"/home/operator/projects/service/include/boost/asio/detail/socket_ops.hpp\0";
/// Events a second, somewhat more than is asked for.
const PACE: f64 = 330_000.0;
/// Between two portions.
const PAUSE: Duration = Duration::from_micros(500);
/// Somebody who was late makes up for no more than this: else a pause becomes a burst that the ring buffer has no room for.
const PORTION: u32 = 1_000;
const EVERY: Duration = Duration::from_millis(50);

/// When it was, how many records had come out of the ring buffer by then, and for how many of them there was no room in
/// the queue to the engine.
pub struct Sample {
    pub at: Duration,
    pub arrived: u64,
    pub lost: u64,
}

impl Sample {
    pub fn read(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').map(|number| number.parse().ok());
        let mut number = || numbers.next().flatten();
        Some(Sample { at: Duration::from_nanos(number()?), arrived: number()?, lost: number()? })
    }
}

/// A clock that this process and its shell have in common.
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock").into()
}

fn template() -> Arc<Template> {
    let catalogue = Catalogue::builtin().expect("the templates");
    Arc::clone(catalogue.get(TEMPLATE).expect("the template"))
}

pub fn producer() -> Result<Producer, TestRunError> {
    let template = template();
    let path = template.field("path").expect("a path");
    let mut record = vec![0; path.offset - template.layout.origin_size];
    record.extend(PATH);
    Producer::new(&template, &record, RING_SIZE)
}

pub fn shell(samples: &OsStr) -> ExitCode {
    let catalogue = Catalogue::builtin().expect("the templates");
    let options = Options { quiet: true, color: true, ..Options::default() };
    let samples = File::create(samples).expect("a file");
    let code = shell::interactive_with(catalogue, options, shell::Begin::default(), |session| {
        let following = follow(session);
        thread::spawn(move || pour(&following.0, &following.1, samples));
    });
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn follow(session: &Session) -> (Producer, Following) {
    let producer = producer().expect("a producer");
    let events = session.events().expect("a session");
    let following = producer.follow(&template(), "flood", events).expect("a reader");
    (producer, following)
}

/// As many as are due, again and again, for as long as the shell lives.
fn pour(producer: &Producer, following: &Following, mut samples: File) {
    let begun = Instant::now();
    let (mut emitted, mut written) = (0, Instant::now());
    loop {
        let due = (begun.elapsed().as_secs_f64() * PACE) as u64;
        let portion = u32::try_from(due.saturating_sub(emitted)).unwrap_or(PORTION).min(PORTION);
        emitted += producer.produce(portion, Waking::Adaptive).expect("events").emitted;
        if written.elapsed() >= EVERY {
            let (delivered, lost) = following.books();
            writeln!(samples, "{} {} {lost}", now().as_nanos(), delivered + lost).expect("a sample");
            written = Instant::now();
        }
        thread::sleep(PAUSE);
    }
}
