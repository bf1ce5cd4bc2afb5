//! Our way: ring buffer, reader, decoding, queue, and the receiver's side of it, which here counts.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use krsi_sh::{
    event::queue::{Receiver, queue},
    kernel::bench::producer::{Produced, Producer, Waking},
    template::Template,
};

use super::{BATCH, QUEUE};

/// A burst: everything is there when the reader is asked to take it. Gives how long that takes it and the receiver.
///
/// # Errors
/// If an event is lost.
pub fn bursts(
    producer: &Producer,
    template: &Arc<Template>,
    size: u32,
    rounds: usize,
    mut each: impl FnMut(Duration) -> Result<(), String>,
) -> Result<(), String> {
    let (send, receive) = queue(QUEUE);
    let following = producer.follow(template, "bench", send).map_err(|e| e.to_string())?;
    let (ask, asked) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let following = &following;
        scope.spawn(move || asked.iter().for_each(|()| following.flush()));
        for _ in 0..rounds {
            whole(producer, size)?;
            let begun = Instant::now();
            ask.send(()).map_err(|e| e.to_string())?;
            for _ in 0..size {
                receive.wait().ok_or("the queue has ended")?;
            }
            each(begun.elapsed())?;
        }
        drop(ask);
        Ok(())
    })
}

/// Fills the ring buffer with so many.
pub fn whole(producer: &Producer, size: u32) -> Result<(), String> {
    let produced = producer.produce(size, Waking::Never).map_err(|e| e.to_string())?;
    if produced.lost_ring > 0 { Err("the ring buffer has no room for a burst".into()) } else { Ok(()) }
}

/// A stream: written as fast as the kernel can, and read meanwhile. Gives what was produced, what was counted, and
/// how long it took.
///
/// # Errors
/// If the books do not balance.
pub fn stream(
    producer: &Producer,
    template: &Arc<Template>,
    times: u32,
) -> Result<(Produced, u64, Duration), String> {
    let (send, receive) = queue(QUEUE);
    let following = producer.follow(template, "bench", send).map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let (produced, counted) = std::thread::scope(|scope| {
        let produced = scope.spawn(move || {
            let produced = produce(producer, times)?;
            following.flush();
            Ok::<_, String>((produced, following.books()))
        });
        let counted = count(&receive);
        (produced.join(), counted)
    });
    let took = begun.elapsed();
    let (produced, (delivered, lost_queue)) = produced.map_err(|_| "the producer panicked")??;
    if produced.emitted != delivered + lost_queue || counted != delivered {
        return Err(format!(
            "{produced:?}, delivered {delivered}, lost in the queue {lost_queue}, counted {counted}"
        ));
    }
    Ok((produced, counted, took))
}

/// Until nobody can send any more.
fn count(receive: &Receiver) -> u64 {
    std::iter::from_fn(|| receive.wait()).map(|event| u64::from(!event.probe().is_empty())).sum()
}

/// So many records, a batch a run.
///
/// # Errors
/// If the kernel does not run it.
pub fn produce(producer: &Producer, times: u32) -> Result<Produced, String> {
    let mut all = Produced::default();
    for _ in 0..times / BATCH {
        let batch = producer.produce(BATCH, Waking::Adaptive).map_err(|e| e.to_string())?;
        all.emitted += batch.emitted;
        all.lost_ring += batch.lost_ring;
    }
    Ok(all)
}
