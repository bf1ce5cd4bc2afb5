//! From the ring buffers' reader to whoever handles events.
//!
//! Records travel in batches, as they were read, and become [`Event`]s where they are received: handing over costs once
//! a batch, and nothing that is made on one side is given back on the other. What bounds the queue is the number of
//! records in it, whatever they came in. Who sends never waits: it asks for room first, and what has none is its to
//! count as lost.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam_channel::{Receiver as Channel, Sender as Into, bounded, unbounded};

use super::{DecodeError, Event, Source, Stacks};

/// A queue for so many records.
#[must_use]
pub fn queue(most: usize) -> (Sender, Receiver) {
    let room = Arc::new(AtomicUsize::new(most));
    // Its bound is the room: there is no batch without a record.
    let (into, channel) = unbounded();
    let (spent, blank) = bounded(SPARE);
    let (open, ahead) = Default::default();
    let receiver = Receiver { channel, spent, most, room: Arc::clone(&room), open, ahead };
    (Sender { into, blank, room }, receiver)
}

/// Buffers that are on their way back: who fills one needs the memory that the other has just emptied.
const SPARE: usize = 8;

/// Records of one probe, as the kernel wrote them, that were read together.
#[derive(Debug)]
pub struct Batch {
    source: Arc<Source>,
    wall_offset_ns: i64,
    records: Records,
    /// As many, if the probe wants any.
    stacks: Vec<Stacks>,
}

#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Records {
    fn of_size(size: usize) -> Self {
        Records { bytes: Vec::with_capacity(size), ends: Vec::new() }
    }

    fn emptied(mut self) -> Self {
        self.bytes.clear();
        self.ends.clear();
        self
    }

    /// In memory of just their size, unless they fill most of what they have.
    fn fitted(self) -> (Self, Option<Self>) {
        if self.bytes.len() > self.bytes.capacity() / 2 {
            return (self, None);
        }
        (Records { bytes: self.bytes.as_slice().into(), ends: self.ends.as_slice().into() }, Some(self))
    }
}

impl Batch {
    fn new(source: &Arc<Source>, wall_offset_ns: i64, records: Records) -> Self {
        Batch { source: Arc::clone(source), wall_offset_ns, records, stacks: Vec::new() }
    }

    /// Takes a record. It is given that number if the kernel could not give it one (before Linux 6.1); `stacks` finds
    /// those it names.
    ///
    /// # Errors
    /// If it cannot be what the template says it is.
    pub fn push(
        &mut self,
        record: &[u8],
        number: u64,
        stacks: Option<impl FnOnce(&Event) -> Stacks>,
    ) -> Result<(), DecodeError> {
        self.source.check(record)?;
        let Records { bytes, ends } = &mut self.records;
        let at = bytes.len();
        bytes.extend_from_slice(record);
        self.source.number(&mut bytes[at..], number);
        ends.push(bytes.len());
        if let Some(stacks) = stacks {
            self.stacks.push(stacks(&Event::new(&self.source, record, self.wall_offset_ns)));
        }
        Ok(())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.records.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.ends.is_empty()
    }

    /// Bytes of all records.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records.bytes.len()
    }

    fn event(&mut self, index: usize) -> Option<Event> {
        let Records { bytes, ends } = &self.records;
        let end = *ends.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |before| ends[before]);
        let event = Event::new(&self.source, &bytes[begin..end], self.wall_offset_ns);
        Some(match self.stacks.get_mut(index) {
            Some(stacks) => event.with_stacks(std::mem::take(stacks)),
            None => event,
        })
    }
}

/// Where records go in. Clones go into the same queue.
#[derive(Debug, Clone)]
pub struct Sender {
    into: Into<Batch>,
    blank: Channel<Records>,
    room: Arc<AtomicUsize>,
}

impl Sender {
    /// An empty batch. `wall_offset_ns` is `CLOCK_REALTIME - CLOCK_MONOTONIC` now.
    #[must_use]
    pub fn batch(&self, source: &Arc<Source>, wall_offset_ns: i64, spare: &mut Spare) -> Batch {
        let records = spare.records.take().or_else(|| self.blank.try_recv().ok());
        let records = records.unwrap_or_else(|| Records::of_size(spare.size));
        Batch::new(source, wall_offset_ns, records)
    }

    /// Takes room for up to so many records: for as many as there is.
    #[must_use]
    pub fn reserve(&self, wanted: usize) -> usize {
        let take = |room: usize| Some(room - room.min(wanted));
        let before = self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        before.unwrap_or_else(|room| room).min(wanted)
    }

    /// Sends a batch for which `reserved` was taken, and gives back what it did not need. How many records have gone
    /// into the queue: none, if nobody will ever receive them.
    pub fn send(&self, batch: Batch, reserved: usize, spare: &mut Spare) -> usize {
        let count = batch.len();
        self.room.fetch_add(reserved.saturating_sub(count), Ordering::AcqRel);
        // What waits in the queue has no more memory than it needs.
        let (records, left) = batch.records.fitted();
        *spare = Spare { size: records.bytes.len(), records: left.map(Records::emptied) };
        let batch = Batch { records, ..batch };
        if count == 0 || self.into.send(batch).is_err() { 0 } else { count }
    }
}

/// Memory that the sending side keeps for its next batch.
#[derive(Debug, Default)]
pub struct Spare {
    records: Option<Records>,
    /// Bytes of the last batch, which the next one is likely to need as well.
    size: usize,
}

/// Where events come out.
#[derive(Debug)]
pub struct Receiver {
    channel: Channel<Batch>,
    spent: Into<Records>,
    most: usize,
    room: Arc<AtomicUsize>,
    /// The batch that is being received, and what is left of it.
    open: RefCell<Option<(Batch, Range<usize>)>>,
    /// What was looked at before its turn.
    ahead: RefCell<VecDeque<Event>>,
}

impl Receiver {
    /// The next event, if there is one.
    pub fn try_next(&self) -> Option<Event> {
        let ahead = self.ahead.borrow_mut().pop_front();
        ahead.or_else(|| self.take())
    }

    /// All events that are there, in their order, which stay there.
    pub fn look_ahead(&self) -> Vec<Event> {
        let mut ahead = self.ahead.borrow_mut();
        while ahead.len() < self.most
            && let Some(event) = self.take()
        {
            ahead.push_back(event);
        }
        ahead.iter().cloned().collect()
    }

    fn take(&self) -> Option<Event> {
        loop {
            if let Some((batch, left)) = &mut *self.open.borrow_mut()
                && let Some(event) = left.next().and_then(|index| batch.event(index))
            {
                return Some(event);
            }
            self.close();
            self.accept(self.channel.try_recv().ok()?);
        }
    }

    /// Its memory is there until now, and so its room is taken.
    fn close(&self) {
        if let Some((batch, _)) = self.open.take() {
            self.room.fetch_add(batch.len(), Ordering::AcqRel);
            // If nobody needs it, it goes.
            let _ = self.spent.try_send(batch.records.emptied());
        }
    }

    /// Whether an event is there without waiting for the channel.
    #[must_use]
    pub fn opened(&self) -> bool {
        !self.ahead.borrow().is_empty()
            || self.open.borrow().as_ref().is_some_and(|(_, left)| !left.is_empty())
    }

    /// How many events are there at the most: what is received of an open batch, or about to be sent, is among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.most.saturating_sub(self.room.load(Ordering::Acquire)) + self.ahead.borrow().len()
    }

    /// Whether no event is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.opened() && self.channel.is_empty()
    }

    /// What to wait for while none is there; what comes is for [`Self::accept`].
    #[must_use]
    pub fn channel(&self) -> &Channel<Batch> {
        &self.channel
    }

    /// Takes a batch that has come, when the one before is received whole.
    pub fn accept(&self, batch: Batch) {
        let all = 0..batch.len();
        *self.open.borrow_mut() = Some((batch, all));
    }

    /// The next event, waiting for it; `None` if nobody can send any more.
    pub fn wait(&self) -> Option<Event> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            self.accept(self.channel.recv().ok()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Catalogue, Template};

    fn template() -> Arc<Template> {
        Arc::clone(Catalogue::builtin().unwrap().get("file_open").unwrap())
    }

    fn source() -> Arc<Source> {
        Arc::new(Source::of_whole(template(), "p".into()))
    }

    /// So many records, numbered from there on.
    fn batch(records: usize, from: u64) -> Batch {
        let mut batch = Batch::new(&source(), 0, Records::default());
        let record = vec![0; template().event_size];
        let none = || None::<fn(&Event) -> Stacks>;
        (from..).take(records).for_each(|number| batch.push(&record, number, none()).unwrap());
        batch
    }

    fn send(sender: &Sender, batch: Batch, reserved: usize) -> usize {
        sender.send(batch, reserved, &mut Spare::default())
    }

    fn numbers(receiver: &Receiver) -> Vec<u64> {
        std::iter::from_fn(|| receiver.try_next()).map(|event| event.number("seq")).collect()
    }

    #[test]
    fn records_come_out_one_by_one_in_the_order_they_went_in() {
        let (sender, receiver) = queue(10);
        assert_eq!(send(&sender, batch(2, 1), sender.reserve(2)), 2);
        assert_eq!(send(&sender, batch(3, 3), sender.reserve(3)), 3);
        assert_eq!(numbers(&receiver), [1, 2, 3, 4, 5]);
        assert!(receiver.try_next().is_none());
    }

    #[test]
    fn there_is_room_for_so_many_records_whatever_they_come_in() {
        let (sender, receiver) = queue(5);
        assert_eq!(sender.reserve(4), 4);
        send(&sender, batch(3, 1), 4);
        assert_eq!(sender.reserve(4), 2);
        send(&sender, batch(1, 4), 2);
        assert_eq!(sender.reserve(4), 1);
        assert_eq!(sender.reserve(4), 0);
        send(&sender, batch(1, 5), 1);
        assert_eq!(numbers(&receiver), [1, 2, 3, 4, 5]);
        assert_eq!(sender.reserve(9), 5);
    }

    #[test]
    fn what_was_looked_at_comes_in_its_turn() {
        let (sender, receiver) = queue(5);
        send(&sender, batch(2, 1), sender.reserve(2));
        assert_eq!(receiver.try_next().unwrap().number("seq"), 1);
        send(&sender, batch(3, 3), sender.reserve(3));
        let seen: Vec<_> = receiver.look_ahead().iter().map(|event| event.number("seq")).collect();
        assert_eq!(seen, [2, 3, 4, 5]);
        assert!(receiver.opened() && !receiver.is_empty());
        // What waits is bounded however often it is looked at.
        let mut last = 5;
        for _ in 0..20 {
            let room = sender.reserve(1);
            send(&sender, batch(room, last + 1), room);
            last += room as u64;
            assert!(receiver.look_ahead().len() <= 5 && receiver.len() <= 10);
        }
        assert_eq!(numbers(&receiver), (2..=last).collect::<Vec<_>>());
        assert!(receiver.is_empty() && !receiver.opened());
    }

    #[test]
    fn nothing_has_gone_in_where_nobody_will_receive_it() {
        let (sender, receiver) = queue(5);
        drop(receiver);
        assert_eq!(send(&sender, batch(3, 1), sender.reserve(3)), 0);
    }

    #[test]
    fn a_number_of_the_kernels_own_stays() {
        let mut batch = Batch::new(&source(), 0, Records::default());
        let mut record = vec![0; template().event_size];
        record[template().field("seq").unwrap().offset] = 7;
        batch.push(&record, 1, None::<fn(&Event) -> Stacks>).unwrap();
        assert_eq!(batch.event(0).unwrap().number("seq"), 7);
        assert!(batch.push(&[0; 8], 2, None::<fn(&Event) -> Stacks>).is_err());
        assert_eq!(batch.len(), 1);
    }
}
