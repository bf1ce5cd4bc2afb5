//! From the ring buffer to whoever handles events: how many a second.
//!
//! A program that is run by hand writes records of `file_open` into a ring buffer; our reader takes them, decodes them
//! and hands them over by the queue, and libbpf's consumer takes the same, by turns in one run. All on the host: no LSM
//! program is needed for that.
//!
//! ```text
//! ours        the real reader and queue
//! libbpf      libbpf.c, compiled here
//! offer       who has which core, and how many events are made there
//! callback    the session and a callback
//! bpftrace    bpftrace's JSON, read by reader.py
//! ```

mod bpftrace;
mod callback;
mod libbpf;
mod offer;
mod ours;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use krsi_sh::{
    kernel::bench::producer::{Producer, RING_SIZE},
    template::{Catalogue, Template},
};

use self::libbpf::Consumer;
use crate::{
    figure::{Figure, Outcome},
    filters::cases,
    stopwatch::median,
};

/// As the session's.
const QUEUE: usize = 1 << 16;
/// Records of one run of the producer's program.
const BATCH: u32 = 1000;
const STREAM: u32 = 10_000_000;
const BURST: u32 = 20_000;
/// With room for a burst.
const BURST_RING: u32 = 1 << 24;
const ROUNDS: usize = 5;

const GOAL_RATE: f64 = 3e6;
const GOAL_RATIO: f64 = 0.8;
const GOAL_CALLBACK: f64 = 200e3;
const GOAL_BPFTRACE: f64 = 3.0;

/// A name for the day it fails, and what takes it.
type Row = (&'static str, fn(&Bench) -> Result<Figure, String>);

pub fn figures() -> Vec<Figure> {
    let rows: [Row; 3] = [
        ("pipeline, bursts", Bench::bursts),
        ("pipeline, a stream", Bench::stream),
        ("pipeline, a callback", Bench::callback),
    ];
    let bench = Bench::new();
    let row = |(name, take): Row| {
        let taken = bench.as_ref().map_err(Clone::clone).and_then(take);
        taken.unwrap_or_else(|reason| Figure::failed(name, "", &reason))
    };
    rows.into_iter().map(row).collect()
}

/// One stream.
struct Run {
    counted: u64,
    lost_ring: u64,
    took: Duration,
}

/// What several come to.
struct Stream {
    rate: f64,
    /// Of a hundred.
    lost_ring: f64,
}

impl Stream {
    fn of(runs: &[Run]) -> Self {
        let middle =
            |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>()).unwrap_or_default();
        Stream {
            rate: middle(|run| rate(run.counted, run.took)),
            lost_ring: middle(|run| run.lost_ring as f64 * 100.0 / f64::from(STREAM)),
        }
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events/s, {:.0} % lost in the ring", millions(self.rate), self.lost_ring)
    }
}

struct Bench {
    template: Arc<Template>,
    record: Vec<u8>,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let catalogue = Catalogue::builtin().map_err(|e| e.to_string())?;
        let template = catalogue.get(cases::TEMPLATE).ok_or("no such template")?;
        let mut record = cases::event(template)?;
        // As the template sends it: up to the path's NUL.
        let path = template.field("path").ok_or("no path")?;
        let length = record[path.offset..].iter().position(|byte| *byte == 0).unwrap_or_default();
        record.truncate(path.offset + length + 1);
        // Nothing of the origin is told.
        record.drain(..template.layout.origin_size);
        let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
        Ok(Bench { template: Arc::clone(template), record, directory })
    }

    fn producer(&self, ring: u32) -> Result<(Producer, Consumer), String> {
        let producer = Producer::new(&self.template, &self.record, ring).map_err(|e| e.to_string())?;
        let consumer = Consumer::start(self.directory.path(), producer.ring(), self.record.len())?;
        Ok((producer, consumer))
    }

    fn bursts(&self) -> Result<Figure, String> {
        let (producer, mut consumer) = self.producer(BURST_RING)?;
        let for_ours = Producer::new(&self.template, &self.record, BURST_RING).map_err(|e| e.to_string())?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // The first of each is for the memory to be there.
        ours::bursts(&for_ours, &self.template, BURST, ROUNDS + 1, |took| {
            ours.push(rate(BURST.into(), took));
            ours::whole(&producer, BURST)?;
            let (count, took) = consumer.once()?;
            if count != u64::from(BURST) {
                return Err(format!("libbpf saw {count} of {BURST} records"));
            }
            theirs.push(rate(count, took));
            Ok(())
        })?;
        let (ours, theirs) = (&ours[1..], &theirs[1..]);
        let (ours, theirs) = (median(ours).unwrap_or_default(), median(theirs).unwrap_or_default());
        let measured = format!(
            "{} events/s; libbpf's consumer, which leaves the records where they are: {}",
            millions(ours),
            millions(theirs)
        );
        let method = format!(
            "{BURST} events of {} bytes in a ring buffer of 16 MiB, taken, decoded, queued, received and counted; median of {ROUNDS}",
            self.record.len()
        );
        Ok(Figure::new("pipeline, bursts", "≥ 3 M/s", measured, Outcome::of(ours >= GOAL_RATE), &method))
    }

    fn stream(&self) -> Result<Figure, String> {
        let (producer, mut consumer) = self.producer(RING_SIZE)?;
        let for_ours = Producer::new(&self.template, &self.record, RING_SIZE).map_err(|e| e.to_string())?;
        let mut runs: [Vec<Run>; 3] = Default::default();
        for _ in 0..ROUNDS {
            let (produced, counted, took) = ours::stream(&for_ours, &self.template, STREAM)?;
            runs[0].push(Run { counted, lost_ring: produced.lost_ring, took });
            for (order, runs) in ["follow", "copy"].into_iter().zip(&mut runs[1..]) {
                consumer.begin(order)?;
                let begun = Instant::now();
                let produced = ours::produce(&producer, STREAM)?;
                let counted = consumer.stop()?;
                if counted != produced.emitted {
                    return Err(format!("libbpf saw {counted} of {} records", produced.emitted));
                }
                runs.push(Run { counted, lost_ring: produced.lost_ring, took: begun.elapsed() });
            }
        }
        let [ours, theirs, copying] = runs.each_ref().map(|runs| Stream::of(runs));
        let ratio = ours.rate / theirs.rate;
        let measured = format!(
            "{ratio:.2}× ({ours}; libbpf {theirs}); {:.2}× of libbpf that copies records out ({copying})",
            ours.rate / copying.rate
        );
        let method = format!(
            "{STREAM} events of {} bytes written as fast as the kernel can into a ring buffer of 1 MiB, read, decoded \
             and counted meanwhile; by turns with a libbpf consumer that only counts, and one that copies; medians of \
             {ROUNDS}",
            self.record.len()
        );
        Ok(Figure::new(
            "pipeline, a stream",
            "≥ 0.8× libbpf",
            measured,
            Outcome::of(ratio >= GOAL_RATIO),
            &method,
        ))
    }

    fn callback(&self) -> Result<Figure, String> {
        let producer = Producer::new(&self.template, &self.record, RING_SIZE).map_err(|e| e.to_string())?;
        let ours = callback::rate(&producer, &self.template)?;
        let goal = "≥ 200000 /s, ≥ 3× bpftrace and Python";
        // Half of the goal that was not looked at is not met.
        let theirs = match bpftrace::rate() {
            Ok(theirs) => theirs,
            Err(reason) => {
                let reason = format!("{ours:.0} events/s; not compared: {reason}");
                return Ok(Figure::failed("pipeline, a callback", goal, &reason));
            }
        };
        let ratio = ours / theirs;
        let measured = format!("{ours:.0} events/s; {ratio:.2}× bpftrace and Python, {theirs:.0}");
        let method = "a callback of five expressions, reader and session on one core, while another makes about a \
                      million events a second, by the clock; beside, on the same cores and at the same pace, \
                      bpftrace's JSON of openat piped into a Python script that asks the same";
        Ok(Figure::new(
            "pipeline, a callback",
            goal,
            measured,
            Outcome::of(ratio >= GOAL_BPFTRACE && ours >= GOAL_CALLBACK),
            method,
        ))
    }
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn millions(rate: f64) -> String {
    format!("{:.2} M", rate / 1e6)
}
