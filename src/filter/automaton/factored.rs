//! Alternatives that begin alike, told once.

use regex_syntax::hir::{Hir, HirKind};

/// A tree that matches the same, in which alternatives share what they begin with. Of hundreds of words determinisation then
/// follows the few that go on, and not all of them at each byte. Only for all matches there are: which alternative
/// comes first is lost.
#[must_use]
pub fn factored(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
        HirKind::Capture(capture) => factored(&capture.sub),
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(factored(&repetition.sub))),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(factored).collect()),
        // Of plain words the compiler of patterns makes a tree itself, whose states are described by fewer bytes.
        HirKind::Alternation(parts)
            if parts.iter().all(|part| matches!(part.kind(), HirKind::Literal(_))) =>
        {
            hir.clone()
        }
        HirKind::Alternation(parts) => sharing(parts.iter().map(sequence).collect()),
    }
}

/// What an alternative is made of, one byte or part after the other.
fn sequence(hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Empty => vec![],
        HirKind::Literal(literal) => literal.0.iter().map(|byte| Hir::literal([*byte])).collect(),
        HirKind::Concat(parts) => parts.iter().flat_map(sequence).collect(),
        HirKind::Capture(capture) => sequence(&capture.sub),
        _ => vec![factored(hir)],
    }
}

fn sharing(mut alternatives: Vec<Vec<Hir>>) -> Hir {
    let mut groups: Vec<Vec<Vec<Hir>>> = Vec::new();
    let mut ways = Vec::new();
    for alternative in alternatives.drain(..) {
        match alternative.first() {
            None => ways.push(Hir::empty()),
            Some(first) => match groups.iter_mut().find(|group| group[0].first() == Some(first)) {
                Some(group) => group.push(alternative),
                None => groups.push(vec![alternative]),
            },
        }
    }
    ways.dedup();
    for mut group in groups {
        let shared = group.iter().skip(1).fold(group[0].len(), |shared, other| {
            group[0].iter().zip(other).take(shared).take_while(|(a, b)| a == b).count()
        });
        let mut parts: Vec<Hir> = group[0][..shared].to_vec();
        if group.len() > 1 {
            group.iter_mut().for_each(|alternative| drop(alternative.drain(..shared)));
            parts.push(sharing(group));
        }
        ways.push(Hir::concat(parts));
    }
    Hir::alternation(ways)
}
