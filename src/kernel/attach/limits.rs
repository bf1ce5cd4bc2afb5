//! Limits of what is sent (`krsi_limit.bpf.h` of the templates): their constants, their room, and who forgets processes that are gone.

use std::time::Duration;

use crate::{
    kernel::{
        KernelError,
        attach::trackers::track,
        load::{constants::LimitConstants, kernel_types::KernelTypes, object::Object},
    },
    probe::Limits,
};

/// The map of the probe's own limit.
pub const PLACES: &str = "krsi_limit_places";

/// Returns what the programs are told of them.
pub fn constants(limits: &Limits) -> LimitConstants {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    LimitConstants {
        sample: limits.sample.unwrap_or_default(),
        events: limits.probe.map_or(0, |rate| rate.events),
        within_ns: limits.probe.map_or(0, |rate| nanoseconds(rate.within)),
        process_events: limits.process.map_or(0, |rate| rate.events),
        process_within_ns: limits.process.map_or(0, |rate| nanoseconds(rate.within)),
    }
}

/// Returns how many entries the map has: one for each event of the limit, and one behind them.
pub fn places(limits: &Limits) -> u32 {
    limits.probe.map_or(1, |rate| rate.events.saturating_add(1))
}

/// Has the kernel forget what processes have sent once they are gone, if that is kept.
///
/// # Errors
/// If the kernel refuses that: the table would become full.
pub fn start(object: &mut Object, types: &KernelTypes, limits: &Limits) -> Result<(), KernelError> {
    match limits.process {
        Some(_) => track(object, types, "sched_process_free", "krsi_limit_freed"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{probe::limits::MOST_OF_A_PROCESS, template::shapes::Shapes};

    #[test]
    fn a_process_has_as_many_places_as_its_limit_may_say() {
        let shapes = Shapes::of("file_open");
        assert_eq!(shapes.size("krsi_places"), MOST_OF_A_PROCESS as usize * size_of::<u64>());
    }
}
