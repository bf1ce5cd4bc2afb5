//! How long one decision can take at most, in instructions: the longest way through the code.
//!
//! Every instruction knows how often its loop turns. So a loop counts as one way through its body, as often as
//! it turns, and behind it any place that is left for; no event need take that way.

use crate::filter::assembler::{Code, Instruction};

pub(super) fn way(code: &[Instruction]) -> u64 {
    let targets = targets(code);
    let mut longest = vec![0_u64; code.len() + 1];
    for at in (0..code.len()).rev() {
        let next = if code[at].code == Code::Goto { None } else { Some(at + 1) };
        let behind = match targets[at] {
            Some(to) if to <= at => longest_exit(&targets, code, to, &longest),
            Some(to) => longest[to],
            None => 0,
        };
        longest[at] = u64::from(code[at].turns) + behind.max(next.map_or(0, |next| longest[next]));
    }
    longest[0]
}

/// Where each jump goes, as an index.
fn targets(code: &[Instruction]) -> Vec<Option<usize>> {
    let slots: Vec<usize> = code
        .iter()
        .scan(0, |at, instruction| {
            *at += instruction.slots();
            Some(*at - instruction.slots())
        })
        .collect();
    let end = slots.last().map_or(0, |last| last + 1);
    let target = |(at, instruction): (usize, &Instruction)| {
        let jumps = !matches!(
            instruction.code,
            Code::AluImmediate(_)
                | Code::AluRegister(_)
                | Code::Load64
                | Code::LoadSet
                | Code::LoadTable
                | Code::Call
                | Code::Load(_)
                | Code::Store
        );
        let to = (slots[at] + 1).checked_add_signed(instruction.offset.into())?;
        jumps.then(|| if to >= end { code.len() } else { slots.partition_point(|slot| *slot < to) })
    };
    code.iter().enumerate().map(target).collect()
}

/// Behind the loop that begins at `head`, wherever it is left for.
fn longest_exit(targets: &[Option<usize>], code: &[Instruction], head: usize, longest: &[u64]) -> u64 {
    let last = targets.iter().rposition(|to| *to == Some(head)).unwrap_or(head);
    let falls = if code[last].code == Code::Goto { 0 } else { longest[last + 1] };
    let left = targets[head..=last].iter().flatten().filter(|to| **to > last).map(|to| longest[*to]);
    left.max().unwrap_or(0).max(falls)
}
