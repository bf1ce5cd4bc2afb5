//! A probe's maps: what is put into them before and while it is attached, and what is read from them.

pub mod counters;
pub mod grace;
pub mod params;
pub mod ring;
pub mod settings;
pub mod stacks;
pub mod summaries;
