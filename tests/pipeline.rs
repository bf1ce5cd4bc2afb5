//! The way from a ring buffer to whoever handles events: nothing is lost uncounted, and nothing comes out of turn.
//! The records are written by a program that is run by hand; a host that runs none skips these, and says so, or fails
//! with `KRSI_REQUIRE_HOST` set.

use std::sync::Arc;

use krsi_sh::{
    event::queue::queue,
    kernel::bench::{
        producer::{Produced, Producer, RING_SIZE, Waking},
        test_run::TestRunError,
    },
    template::{Catalogue, Template},
};

const QUEUE: usize = 1 << 16;

fn template() -> Arc<Template> {
    Arc::clone(Catalogue::builtin().unwrap().get("file_open").unwrap())
}

/// The shortest record there is but for a path of some bytes.
fn producer(template: &Template) -> Option<Producer> {
    let path = template.field("path").unwrap();
    let mut record = vec![0; path.offset - template.layout.origin_size];
    record.extend(b"/srv/data/file\0");
    match Producer::new(template, &record, RING_SIZE) {
        Ok(producer) => Some(producer),
        Err(TestRunError::Host(reason)) => {
            assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "{reason}");
            eprintln!("skipped: this host runs no such program: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn with_a_stalled_receiver_a_million_events_are_all_in_the_books() {
    const RUN: u32 = 1000;
    const RUNS: u32 = 1000;
    let template = template();
    let Some(producer) = producer(&template) else { return };
    let (sender, receiver) = queue(QUEUE);
    let following = producer.follow(&template, "stalled", sender).unwrap();
    let mut produced = Produced::default();
    for _ in 0..RUNS {
        let run = producer.produce(RUN, Waking::Adaptive).unwrap();
        produced.emitted += run.emitted;
        produced.lost_ring += run.lost_ring;
        // Until it is full; from there on the ring buffer may be, too.
        if following.books().0 < QUEUE as u64 {
            following.flush();
        }
    }
    following.flush();
    let (delivered, lost_queue) = following.books();
    assert_eq!(produced.emitted + produced.lost_ring, u64::from(RUN * RUNS));
    assert_eq!(produced.emitted, delivered + lost_queue);
    // It was full, and everything behind was lost.
    assert_eq!(delivered, QUEUE as u64);
    drop(following);
    let numbers: Vec<u64> = std::iter::from_fn(|| receiver.wait()).map(|event| event.number("seq")).collect();
    assert_eq!(numbers.len(), QUEUE);
    assert!(numbers.is_sorted_by(|a, b| a < b));
}

#[test]
fn with_a_receiver_that_keeps_up_every_event_arrives_in_its_turn() {
    const RUN: u32 = 500;
    const RUNS: u32 = 100;
    let template = template();
    let Some(producer) = producer(&template) else { return };
    let (sender, receiver) = queue(QUEUE);
    let following = producer.follow(&template, "steady", sender).unwrap();
    for run in 0..RUNS {
        let produced = producer.produce(RUN, Waking::Adaptive).unwrap();
        assert_eq!(produced, Produced { emitted: RUN.into(), lost_ring: 0 });
        following.flush();
        let numbers: Vec<u64> =
            std::iter::from_fn(|| receiver.try_next()).map(|event| event.number("seq")).collect();
        let first = u64::from(run * RUN) + 1;
        assert_eq!(numbers, (first..first + u64::from(RUN)).collect::<Vec<_>>());
    }
    assert_eq!(following.books(), (u64::from(RUN * RUNS), 0));
}
