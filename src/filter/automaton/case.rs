//! Capital letters and small ones.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

/// What matches a text exactly if the other matches that text with its capital letters made small; ASCII's only.
#[must_use]
pub fn in_capitals_too(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(in_capitals_too).collect();
    let in_class = |contains: &dyn Fn(u8) -> bool| {
        let bytes = (0..=u8::MAX).filter(|byte| contains(byte.to_ascii_lowercase()));
        Hir::class(Class::Bytes(ClassBytes::new(bytes.map(|byte| ClassBytesRange::new(byte, byte)))))
    };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(literal) => {
            Hir::concat(literal.0.iter().map(|byte| in_class(&|other| other == *byte)).collect())
        }
        HirKind::Class(Class::Bytes(class)) => {
            in_class(&|byte| class.iter().any(|range| (range.start()..=range.end()).contains(&byte)))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let has = |c: char| class.iter().any(|range| (range.start()..=range.end()).contains(&c));
            let ascii = in_class(&|byte| byte.is_ascii() && has(char::from(byte)));
            let mut others = class.clone();
            others.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\u{80}', char::MAX)]));
            Hir::alternation(vec![ascii, Hir::class(Class::Unicode(others))])
        }
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(in_capitals_too(&repetition.sub))),
        HirKind::Capture(capture) => in_capitals_too(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}
