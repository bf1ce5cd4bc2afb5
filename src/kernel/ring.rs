//! Ring buffer to queue. One task for each attached probe; it never waits for
//! whoever consumes the queue: what does not fit is counted as lost.

use std::sync::{Arc, atomic::Ordering};

use aya::maps::{Map, MapData, RingBuf};
use crossbeam_channel::Sender;
use nix::time::{ClockId, clock_gettime};
use tokio::{
    io::unix::AsyncFd,
    runtime::Runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{KernelError, books::Delivery, load::chain, stacks::KeptStacks};
use crate::{event::Event, template::Template};

/// Where a probe's records go.
pub struct Outlet {
    pub template: Arc<Template>,
    pub probe: Arc<str>,
    pub events: Sender<Event>,
    pub stacks: Option<Arc<KeptStacks>>,
    /// What its events tell, if not everything.
    pub told: Option<Arc<[String]>>,
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
        let ring = unsafe { AsyncFd::register(ring) }.map_err(|e| unreadable(e.to_string()))?;
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
            drain(ring, &self.outlet);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn follow(
    mut ring: AsyncFd<RingBuf<MapData>>,
    outlet: Arc<Outlet>,
    mut asking: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    mut stopped: oneshot::Receiver<()>,
) -> RingBuf<MapData> {
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(answer) = asking.recv() => {
                drain(ring.get_mut(), &outlet);
                let _ = answer.send(());
            }
            ready = ring.readable_mut() => {
                let Ok(mut ready) = ready else { break };
                drain(ready.get_inner_mut(), &outlet);
                ready.clear_ready();
            }
        }
    }
    drain(ring.get_mut(), &outlet);
    ring.into_inner()
}

fn drain(ring: &mut RingBuf<MapData>, outlet: &Outlet) {
    let offset = wall_offset_ns();
    while let Some(record) = ring.next() {
        let delivery = &outlet.delivery;
        let whole = |event: Event| {
            let event = event.telling(outlet.told.clone());
            match &outlet.stacks {
                Some(stacks) => stacks.with(event),
                None => event,
            }
        };
        let counter = match Event::decode(&outlet.template, &outlet.probe, &record, offset) {
            Err(_) => {
                delivery.malformed.fetch_add(1, Ordering::AcqRel);
                &delivery.lost_queue
            }
            Ok(event) => match outlet.events.try_send(whole(event.numbered(delivery.received() + 1))) {
                Ok(()) => &delivery.delivered,
                Err(_) => &delivery.lost_queue,
            },
        };
        counter.fetch_add(1, Ordering::AcqRel);
    }
}

/// `CLOCK_REALTIME - CLOCK_MONOTONIC` now: what turns the kernel's time into the wall's.
fn wall_offset_ns() -> i64 {
    let read = |clock| clock_gettime(clock).map_or(0, |t| t.tv_sec() * 1_000_000_000 + t.tv_nsec());
    read(ClockId::CLOCK_REALTIME) - read(ClockId::CLOCK_MONOTONIC)
}
