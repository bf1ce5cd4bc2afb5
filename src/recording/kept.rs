//! The events of the last time, in memory: a recording that is written only when somebody says so, and then has what was before.
//!
//! In: events, as they are handled, of probes that have a recorder. Out: a file of the form of every recording, that says that it is a part of a
//! session, of when, and what it lacks. Memory is bounded: where there is more than it has room for, the oldest is let go
//! before its time, and counted.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::Path,
    time::Duration,
};

use super::{
    line::{Attach, EventLine, Line, Part},
    recorder::{About, begin},
    writer::{Trouble, Writer},
};
use crate::{
    backend::Door,
    event::Event,
    probe::Spec,
    report::{event_line, masked_record},
};

/// Bytes that are kept, of all probes together.
pub const MOST: usize = 64 << 20;
/// What an event takes besides its record.
const OVERHEAD: usize = 160;

/// What is kept of a session.
#[derive(Debug)]
pub struct Kept {
    events: VecDeque<One>,
    bytes: usize,
    most: usize,
    /// What has been attached, each with how long its events are kept.
    attached: Vec<(Attach, Duration)>,
    /// The last attachment of each probe, and which revision of it that is.
    by: HashMap<String, (u32, u64)>,
    /// Let go before their time.
    dropped: u64,
}

#[derive(Debug)]
struct One {
    by: u32,
    /// When it happened, and when it was handled, on the kernel's monotonic clock.
    happened: u64,
    at: u64,
    event: Event,
}

/// An event that waits for its turn.
#[derive(Debug)]
pub struct Ahead {
    event: Event,
    /// Its attachment.
    of: u32,
}

/// What has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub events: u64,
    pub part: Part,
}

/// A probe as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Now<'s> {
    pub spec: &'s Spec,
    pub door: Door,
    /// Another one whenever it selects or does something else.
    pub revision: u64,
    pub window: Duration,
}

impl Default for Kept {
    fn default() -> Self {
        Kept::with_room(MOST)
    }
}

impl Kept {
    fn with_room(most: usize) -> Self {
        Kept { events: VecDeque::new(), bytes: 0, most, attached: Vec::new(), by: HashMap::new(), dropped: 0 }
    }

    /// Keeps an event that is handled now.
    pub fn add(&mut self, event: &Event, now: Now<'_>, at: u64) {
        let (by, happened) = (self.number_of(event.probe(), now, at), happened(event));
        self.bytes += weight(event);
        self.events.push_back(One { by, happened, at, event: event.clone() });
        self.forget(at);
    }

    /// Takes note of an event that has come and is not handled yet.
    pub fn ahead(&mut self, event: &Event, now: Now<'_>, at: u64) -> Ahead {
        Ahead { of: self.number_of(event.probe(), now, at), event: event.clone() }
    }

    fn number_of(&mut self, probe: &str, now: Now<'_>, at: u64) -> u32 {
        if let Some((by, revision)) = self.by.get(probe)
            && *revision == now.revision
        {
            if let Some((_, window)) = self.attached.iter_mut().find(|(attach, _)| attach.by == *by) {
                *window = now.window;
            }
            return *by;
        }
        let by = self.attached.last().map_or(1, |(last, _)| last.by + 1);
        self.attached.push((Attach::of(by, at, now.spec, now.door), now.window));
        self.by.insert(probe.to_owned(), (by, now.revision));
        by
    }

    fn window(&self, by: u32) -> Duration {
        self.attached.iter().find(|(attach, _)| attach.by == by).map_or(Duration::ZERO, |(_, window)| *window)
    }

    fn is_over(&self, one: &One, now: u64) -> bool {
        let window = u64::try_from(self.window(one.by).as_nanos()).unwrap_or(u64::MAX);
        one.happened < now.saturating_sub(window)
    }

    /// Lets go what is too old, and what there is no room for.
    fn forget(&mut self, now: u64) {
        while let Some(oldest) = self.events.front() {
            let is_over = self.is_over(oldest, now);
            if !is_over && self.bytes <= self.most {
                break;
            }
            self.dropped += u64::from(!is_over);
            self.bytes -= weight(&oldest.event);
            self.events.pop_front();
        }
        // Of a probe that has changed again and again, what no event is of any more is not kept either.
        let oldest = self.events.front().map(|one| one.by);
        let current: Vec<u32> = self.by.values().map(|(by, _)| *by).collect();
        self.attached.retain(|(attach, _)| {
            current.contains(&attach.by) || oldest.is_some_and(|oldest| attach.by >= oldest)
        });
    }

    /// Returns how many events are kept.
    pub fn count(&mut self, now: u64) -> usize {
        self.forget(now);
        self.events.iter().filter(|one| !self.is_over(one, now)).count()
    }

    /// Writes what is kept to a new file, and behind it `ahead`: events that have come and were not handled yet. `lost` is how many never came.
    ///
    /// # Errors
    /// If it cannot be made, is there already, or cannot be written to the end.
    pub fn write(
        &mut self,
        path: &Path,
        about: About,
        ahead: Vec<Ahead>,
        now: u64,
        lost: u64,
    ) -> io::Result<Written> {
        self.forget(now);
        let ahead: Vec<One> = ahead
            .into_iter()
            .map(|Ahead { event, of }| One { by: of, happened: happened(&event), at: now, event })
            .collect();
        let kept = self.events.iter().chain(&ahead).filter(|one| !self.is_over(one, now));
        let kept: Vec<&One> = kept.collect();
        let mut begin = begin(about);
        let longest = self.attached.iter().map(|(_, window)| *window).max().unwrap_or_default();
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        // What was let go for want of room was older than what is there.
        let from_ns = match kept.first() {
            Some(oldest) if self.dropped > 0 => oldest.happened,
            _ => now.saturating_sub(longest),
        };
        let part = Part {
            from_ns,
            to_ns: now,
            from: in_words(from_ns, begin.wall_offset_ns),
            to: in_words(now, begin.wall_offset_ns),
            dropped: self.dropped,
            lost,
        };
        begin.at = kept.first().map_or(now, |oldest| oldest.at);
        begin.part = Some(part.clone());
        let (mut file, at) = (Writer::create(path)?, begin.at);
        write_line(&file, &Line::Recording(begin));
        for (attach, _) in &self.attached {
            write_line(&file, &Line::Attach(Attach { at, ..attach.clone() }));
        }
        let mut redacted = 0;
        for One { by, at, event, .. } in &kept {
            let masked = masked_record(event);
            redacted += u64::from(masked.is_some());
            let line = EventLine {
                by: *by,
                at: *at,
                wall_offset_ns: event.wall_offset_ns(),
                record: &super::base64(masked.as_deref().unwrap_or(event.record())),
            };
            file.line(line.written(&event_line(event)));
        }
        let events = kept.len() as u64;
        write_line(&file, &Line::End { at: now, events, redacted });
        match file.finish() {
            Trouble { why: Some(why), .. } => Err(io::Error::other(why)),
            Trouble { why: None, .. } => Ok(Written { events, part }),
        }
    }
}

/// When it happened, on the kernel's monotonic clock.
fn happened(event: &Event) -> u64 {
    event.number("wall_ns").wrapping_sub(event.wall_offset_ns().cast_unsigned())
}

fn weight(event: &Event) -> usize {
    event.record().len() + OVERHEAD
}

fn write_line(file: &Writer, line: &Line) {
    // A struct of numbers and texts.
    if let Ok(line) = serde_json::to_string(line) {
        file.line(line);
    }
}

fn in_words(ns: u64, wall_offset_ns: i64) -> String {
    let wall = i128::from(ns) + i128::from(wall_offset_ns);
    jiff::Timestamp::from_nanosecond(wall).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        event::Source,
        recording::{Replay, is_recording},
        template::Catalogue,
    };

    const SECOND: u64 = 1_000_000_000;

    fn spec() -> Spec {
        let catalogue = Catalogue::builtin().unwrap();
        Spec::new(Arc::clone(catalogue.get("exec").unwrap()), "watch".into())
    }

    fn event_at(spec: &Spec, ns: u64) -> Event {
        let (template, told) = (&spec.template, spec.told());
        let skipped = told.skipped(template);
        let mut record = vec![0; template.event_size - skipped];
        let at = template.field("wall_ns").unwrap().offset - skipped;
        record[at..at + 8].copy_from_slice(&ns.to_ne_bytes());
        let source = Arc::new(Source::new(Arc::clone(template), "watch".into(), told));
        Event::of_source(&source, &record, 0).unwrap()
    }

    fn now(spec: &Spec, revision: u64) -> Now<'_> {
        Now { spec, door: Door::Lsm, revision, window: Duration::from_secs(10) }
    }

    #[test]
    fn what_is_older_than_its_time_is_not_there_and_the_rest_is_read_again() {
        let (spec, directory) = (spec(), tempfile::tempdir().unwrap());
        let path = directory.path().join("part.ndjson.zst");
        let mut kept = Kept::default();
        for second in 1..=30 {
            kept.add(&event_at(&spec, second * SECOND), now(&spec, second / 25), second * SECOND);
        }
        let written = kept.write(&path, About::default(), vec![], 32 * SECOND, 3).unwrap();
        assert_eq!((written.events, written.part.dropped, written.part.lost), (9, 0, 3));
        assert_eq!((written.part.from_ns, written.part.to_ns), (22 * SECOND, 32 * SECOND));
        assert!(is_recording(&path));
        assert!(
            kept.write(&path, About::default(), vec![], 32 * SECOND, 0).is_err(),
            "none that is there is touched"
        );
        let replay = Replay::open(&path, false).unwrap();
        assert_eq!(replay.part().unwrap(), written.part);
        let mut seconds = Vec::new();
        let each = |event: &Event| {
            seconds.push(event.number("wall_ns") / SECOND);
            std::ops::ControlFlow::Continue(())
        };
        assert_eq!(replay.each(&Catalogue::builtin().unwrap(), each).unwrap(), 0);
        assert_eq!(seconds, (22..=30).collect::<Vec<_>>());
        assert!(replay.missing().iter().any(|doubt| doubt.contains("3 events had been lost")));
    }

    #[test]
    fn room_is_bounded_and_what_goes_before_its_time_is_counted() {
        let spec = spec();
        let one = weight(&event_at(&spec, SECOND));
        let mut kept = Kept::with_room(10 * one);
        for n in 0..25 {
            kept.add(&event_at(&spec, SECOND + n), now(&spec, n), SECOND + n);
        }
        assert_eq!((kept.events.len(), kept.bytes, kept.dropped), (10, 10 * one, 15));
        assert!(kept.attached.len() <= 11, "{}", kept.attached.len());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("part");
        let written = kept.write(&path, About::default(), vec![], SECOND + 30, 0).unwrap();
        assert_eq!((written.events, written.part.dropped, written.part.from_ns), (10, 15, SECOND + 15));
        let replay = Replay::open(&path, false).unwrap();
        assert!(replay.missing().iter().any(|doubt| doubt.contains("no room for 15")));
    }
}
