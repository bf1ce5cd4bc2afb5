//! An allow-list, learned from what processes do.
//!
//! In: events, live or of a recording. Out: a profile, a script that lets happen what was seen and refuses or tells all else. What is
//! different at each run (ids of processes, random parts of names) and what there is much of (files of one directory, addresses of
//! one network) is said once.
//!
//! ```text
//! deed      an event ─▶ what was done, in the words of a profile
//! name      a path ─▶ what stays of it at the next run
//! directories   many names of a directory ─▶ the directory
//! networks  many addresses ─▶ their network
//! learner   deeds, each once, and how often and by whom
//! profile   the script that is made of them
//! known     what a profile allows already, read from its lines
//! ```

mod deed;
mod directories;
mod known;
mod learner;
mod lines;
mod name;
mod networks;
mod profile;
mod seen;

pub use self::{
    deed::{Kind, KindError},
    known::{Known, KnownError},
    learner::{Learned, Learner},
    profile::{Profile, Whom},
};
