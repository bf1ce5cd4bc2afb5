//! From the ring buffer to whoever handles events: how many a second.
//!
//! A program that is run by hand writes records of `file_open` into a ring buffer; our reader takes them, decodes them
//! and hands them over by the queue, and libbpf's consumer takes the same, by turns in one run. All on the host: no LSM
//! program is needed for that.
//!
//! ```text
//! ours        the real reader and queue
//! libbpf      libbpf.c, compiled here
//! ```

mod libbpf;
mod ours;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use krsi_sh::{
    kernel::producer::{Producer, RING_SIZE},
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
const STREAM: u32 = 1_000_000;
const BURST: u32 = 20_000;
/// With room for a burst.
const BURST_RING: u32 = 1 << 24;
const ROUNDS: usize = 9;

const GOAL_RATE: f64 = 3e6;
const GOAL_RATIO: f64 = 0.8;

pub fn figures() -> Vec<Figure> {
    let rows: [(&str, fn(&Bench) -> Result<Figure, String>); 2] =
        [("pipeline, bursts", Bench::bursts), ("pipeline, a stream", Bench::stream)];
    let bench = Bench::new();
    let row = |(name, take): (&str, fn(&Bench) -> Result<Figure, String>)| {
        let taken = bench.as_ref().map_err(Clone::clone).and_then(take);
        taken.unwrap_or_else(|reason| Figure::failed(name, "", &reason))
    };
    rows.into_iter().map(row).collect()
}

struct Bench {
    template: Arc<Template>,
    record: Vec<u8>,
    folder: tempfile::TempDir,
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
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        Ok(Bench { template: Arc::clone(template), record, folder })
    }

    fn producer(&self, ring: u32) -> Result<(Producer, Consumer), String> {
        let producer = Producer::new(&self.template, &self.record, ring).map_err(|e| e.to_string())?;
        let consumer = Consumer::start(self.folder.path(), producer.ring(), self.record.len())?;
        Ok((producer, consumer))
    }

    fn bursts(&self) -> Result<Figure, String> {
        let (producer, mut consumer) = self.producer(BURST_RING)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours::bursts(
                &producer,
                &self.template,
                BURST,
                |took| {
                    ours.push(rate(BURST.into(), took));
                    Ok(())
                },
                1,
            )?;
            ours::whole(&producer, BURST)?;
            let (count, took) = consumer.once()?;
            if count != u64::from(BURST) {
                return Err(format!("libbpf saw {count} of {BURST} records"));
            }
            theirs.push(rate(count, took));
        }
        let (ours, theirs) = (median(&ours).unwrap_or_default(), median(&theirs).unwrap_or_default());
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
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut lost_ours, mut lost_theirs, mut lost_queue) = (0, 0, 0);
        for _ in 0..ROUNDS {
            let (produced, counted, took) = ours::stream(&producer, &self.template, STREAM)?;
            ours.push(rate(counted, took));
            lost_ours += produced.lost_ring;
            lost_queue += produced.emitted - counted;
            consumer.follow()?;
            let begun = Instant::now();
            let produced = ours::produce(&producer, STREAM)?;
            let count = consumer.stop()?;
            if count != produced.emitted {
                return Err(format!("libbpf saw {count} of {} records", produced.emitted));
            }
            theirs.push(rate(count, begun.elapsed()));
            lost_theirs += produced.lost_ring;
        }
        let (ours, theirs) = (median(&ours).unwrap_or_default(), median(&theirs).unwrap_or_default());
        let ratio = ours / theirs;
        let share = |lost: u64| lost as f64 * 100.0 / (ROUNDS as f64 * f64::from(STREAM));
        let measured = format!(
            "{ratio:.2}× ({} events/s, {:.0} % lost in the ring, {:.1} % in the queue; libbpf {}, {:.0} % lost)",
            millions(ours),
            share(lost_ours),
            share(lost_queue),
            millions(theirs),
            share(lost_theirs)
        );
        let method = format!(
            "{STREAM} events of {} bytes written as fast as the kernel can into a ring buffer of 1 MiB, and read meanwhile by turns; median of {ROUNDS}",
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
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn millions(rate: f64) -> String {
    format!("{:.2} M", rate / 1e6)
}
