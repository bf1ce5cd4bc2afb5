//! Ring buffer to queue. One task for each attached probe; it never waits for
//! what consumes the queue: what does not fit is counted as lost.
//!
//! Being woken costs both sides more than an event does, so what comes soon after other events is read a moment later, together
//! with all that come meanwhile: the kernel wakes a reader for the first record that is not read, and not for those behind it.

use std::{sync::Arc, time::Duration};

use aya::maps::{Map, MapData, RingBuf};
use tokio::{
    io::unix::AsyncFd,
    runtime::Runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{
    event::{
        Event, Source,
        queue::{Sender, Spare},
    },
    kernel::{
        KernelError,
        errno::chain,
        maps::{counters::Delivery, stacks::KeptStacks},
    },
    system::clock,
};

/// Where a probe's records go.
pub struct Outlet {
    pub source: Arc<Source>,
    pub events: Sender,
    pub stacks: Option<Arc<KeptStacks>>,
    pub delivery: Arc<Delivery>,
}

/// A ring buffer being read.
pub struct Reader {
    stop: Option<oneshot::Sender<()>>,
    /// Each is answered once everything emitted before the asking is in the queue.
    asked: mpsc::UnboundedSender<oneshot::Sender<()>>,
    task: Option<JoinHandle<RingBuf<MapData>>>,
    /// Back in our hands after [`Reader::stop`]: what comes late is still read.
    ring: Option<RingBuf<MapData>>,
    outlet: Arc<Outlet>,
    runtime: tokio::runtime::Handle,
}

impl Reader {
    pub fn start(map: Map, outlet: Outlet, runtime: &Runtime) -> Result<Self, KernelError> {
        let unreadable = |reason: String| KernelError::Table { table: "krsi_events", reason };
        let ring = RingBuf::try_from(map).map_err(|e| unreadable(chain(&e)))?;
        let outlet = Arc::new(outlet);
        let (stop, stopped) = oneshot::channel();
        let (asked, asking) = mpsc::unbounded_channel();
        // Registering with epoll needs the runtime's context.
        let _context = runtime.enter();
        // SAFETY: the ring buffer owns its map's descriptor, gives the same one every time,
        // and closes it only when it is dropped, which is after the AsyncFd has let go.
        let ring = unsafe { AsyncFd::register(ring) }.map_err(|e| unreadable(chain(&e)))?;
        let task = runtime.spawn(follow(ring, Arc::clone(&outlet), asking, stopped));
        Ok(Reader {
            stop: Some(stop),
            asked,
            task: Some(task),
            ring: None,
            outlet,
            runtime: runtime.handle().clone(),
        })
    }

    /// Waits until everything the kernel has emitted until now is in the queue, or counted as lost.
    pub fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        if self.asked.send(answer).is_ok() {
            // A reader that has ended has nothing left to bring.
            let _ = answered.blocking_recv();
        }
    }

    /// Ends the following. Afterwards [`Reader::drain`] reads what is left.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(task) = self.task.take() {
            self.ring = self.runtime.block_on(task).ok();
        }
    }

    /// Reads everything that is there now.
    pub fn drain(&mut self) {
        if let Some(ring) = &mut self.ring {
            drain(ring, &self.outlet, &mut Spare::default());
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The least time between two readings, unless the kernel's side says that one is urgent (`krsi_waking` of
/// `krsi_event.bpf.h`) or somebody asks for what is there. Nobody sees it, and at most so much is lost of it when all ends at once.
const PAUSE: Duration = Duration::from_millis(2);

async fn follow(
    mut ring: AsyncFd<RingBuf<MapData>>,
    outlet: Arc<Outlet>,
    mut asking: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    mut stopped: oneshot::Receiver<()>,
) -> RingBuf<MapData> {
    let mut spare = Spare::default();
    // From when on it may be read again, and whether there is something to read then.
    let mut due = Instant::now();
    let mut waiting = false;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(answer) = asking.recv() => {
                drain(ring.get_mut(), &outlet, &mut spare);
                let _ = answer.send(());
            }
            ready = ring.readable_mut() => {
                let Ok(mut ready) = ready else { break };
                // Before it is read: what comes while it is read wakes again.
                ready.clear_ready();
                // Woken while something waits already: that is urgent.
                if !waiting && Instant::now() < due {
                    waiting = true;
                    continue;
                }
                drain(ready.get_inner_mut(), &outlet, &mut spare);
                (due, waiting) = (Instant::now() + PAUSE, false);
            }
            () = sleep_until(due), if waiting => {
                drain(ring.get_mut(), &outlet, &mut spare);
                (due, waiting) = (Instant::now() + PAUSE, false);
            }
        }
    }
    drain(ring.get_mut(), &outlet, &mut spare);
    ring.into_inner()
}

/// Records that are handed over together, and bytes of them from which on there will be no more.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 256 << 10;

fn drain(ring: &mut RingBuf<MapData>, outlet: &Outlet, spare: &mut Spare) {
    let offset = clock::wall_offset_ns();
    while drain_some(ring, outlet, offset, spare) {}
}

/// Hands over as many as go together; false if no more were there.
fn drain_some(ring: &mut RingBuf<MapData>, outlet: &Outlet, offset: i64, spare: &mut Spare) -> bool {
    let Outlet { source, events, stacks, delivery } = outlet;
    let room = events.reserve(BATCH);
    let mut batch = events.batch(source, offset, spare);
    let before = delivery.received();
    let (mut taken, mut malformed) = (0, 0);
    let mut more = true;
    while taken < BATCH && batch.size() < BATCH_BYTES {
        let Some(record) = ring.next() else {
            more = false;
            break;
        };
        taken += 1;
        // Without room it is lost, and only counted.
        if batch.len() < room {
            let stacks = stacks.as_ref().map(|stacks| |event: &Event| stacks.of(event));
            malformed += usize::from(batch.push(&record, before + taken as u64, stacks).is_err());
        }
    }
    let delivered = events.send(batch, room, spare);
    delivery.count(delivered, taken - delivered, malformed);
    more
}
