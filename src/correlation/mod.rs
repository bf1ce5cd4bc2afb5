//! What several events come to together: sequences, thresholds, and keys that were not seen before.
//!
//! In: items with a key and a time, whatever they are. Out: those that belong together. Knows neither probes nor scripts,
//! asks nobody, and calls nothing back: who offers an item decides itself whether it fits. All memory is bounded; what was
//! let go for that is counted.
//!
//! ```text
//! order      items as they arrive ─▶ by their time
//! sequence   one item after the other, of one key, within a time
//! threshold  so many items of one key within a time
//! seen       when each key was seen last
//! store      the same, in a file that outlives the session
//! ```

pub mod order;
pub mod seen;
pub mod sequence;
pub mod store;
pub mod threshold;

use std::rc::Rc;

/// What items have in common, in a form of its own: two keys are the same if their texts are.
pub type Key = Rc<str>;

/// Entries that are kept unless something else is said.
pub const LIMIT: usize = 10_000;
/// What may be asked for instead.
pub const LIMITS: std::ops::RangeInclusive<usize> = 1..=1_000_000;
/// Bytes that the items of one sequence or threshold may hold: paths can be long, and a session's memory is bounded.
const MOST_BYTES: usize = 32 << 20;
