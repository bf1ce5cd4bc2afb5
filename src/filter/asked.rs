//! What params ask of an event: said as a filter would, and joined with the filter that the script says.
//!
//! So the automaton of one walk answers both, however many texts there are, and a param that changes while the probe is attached
//! changes as the filter does: with no moment without one.

use crate::template::Question;

/// A question, and the texts of which one is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    pub question: &'a Question,
    pub texts: &'a [String],
}
