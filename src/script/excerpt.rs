//! A text of which a place is shown, each line no longer than a terminal has room for.
//!
//! A line that went on in the next row would leave the caret under some other word. So of a long line the part around its
//! place is shown, with `…` for what is left out; the line and column that are told are those of the whole text.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use unicode_width::UnicodeWidthChar;

const LEFT_OUT: char = '…';
/// What stands beside each line, without the digits of its number.
const GUTTER: usize = 4;
/// As miette shows one, or wider.
const TAB: usize = 4;
/// A narrower terminal is not helped.
const LEAST: usize = 16;

#[derive(Debug)]
pub struct Excerpt {
    name: String,
    whole: String,
    shown: String,
    /// Each place in the whole, and in what is shown of it.
    places: Vec<(Range<usize>, Range<usize>)>,
}

/// What is shown of one line.
struct Part {
    /// Where its line begins.
    line: usize,
    whole: Range<usize>,
    /// Where it begins in what is shown.
    at: usize,
}

impl Excerpt {
    /// Without columns nothing is left out; else the first place of each line is kept in sight.
    pub fn new(name: &str, whole: String, places: &[Range<usize>], columns: Option<u16>) -> Self {
        let digits = whole.lines().count().max(1).to_string().len();
        let room = columns.map_or(usize::MAX, |columns| usize::from(columns).saturating_sub(GUTTER + digits));
        let (shown, parts) = cut(&whole, places, room.max(LEAST));
        let moved = |at: usize| {
            let part = &parts[parts.partition_point(|part| part.line <= at).saturating_sub(1)];
            part.at + at.clamp(part.whole.start, part.whole.end) - part.whole.start
        };
        let places =
            places.iter().map(|place| (place.clone(), moved(place.start)..moved(place.end))).collect();
        Excerpt { name: name.to_owned(), whole, shown, places }
    }

    /// The places, in their order, where they are shown.
    pub fn places(&self) -> impl Iterator<Item = &Range<usize>> {
        self.places.iter().map(|(_, shown)| shown)
    }
}

/// Shortens each line that is too long; there is one part at least.
fn cut(whole: &str, places: &[Range<usize>], room: usize) -> (String, Vec<Part>) {
    let (mut shown, mut parts, mut start) = (String::new(), Vec::new(), 0);
    for line in whole.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        // The end of the text belongs to its last line.
        let end = start + line.len() + usize::from(body.len() == line.len());
        let here = places.iter().find(|p| (start..end).contains(&p.start));
        let place = here.map(|p| p.start - start..p.end.max(p.start) - start);
        let kept = kept(body, place.unwrap_or(0..0), room);
        if kept.start > 0 {
            shown.push(LEFT_OUT);
        }
        parts.push(Part { line: start, whole: start + kept.start..start + kept.end, at: shown.len() });
        shown.push_str(&body[kept.clone()]);
        if kept.end < body.len() {
            shown.push(LEFT_OUT);
        }
        shown.push_str(&line[body.len()..]);
        start += line.len();
    }
    // An end behind a newline is a line of its own.
    if !whole.ends_with(|c| c != '\n') {
        parts.push(Part { line: start, whole: start..start, at: shown.len() });
    }
    (shown, parts)
}

/// What of a line is kept, so that its place is seen: its beginning if that will do.
fn kept(line: &str, place: Range<usize>, room: usize) -> Range<usize> {
    if width(line) <= room {
        return 0..line.len();
    }
    let place = place.start.min(line.len())..place.end.min(line.len());
    let beginning = reaching(line, 0, room - 1);
    if place.end <= beginning {
        return 0..beginning;
    }
    let end = reaching(line, place.end, room / 4);
    let start = since(&line[..end], room - 1 - usize::from(end < line.len()));
    if start <= place.start {
        return start..end;
    }
    place.start..reaching(line, place.start, room - 2)
}

/// How far so many columns reach from here.
fn reaching(line: &str, from: usize, columns: usize) -> usize {
    let mut left = columns;
    let mut end = from;
    for c in line[from..].chars() {
        let Some(rest) = left.checked_sub(columns_of(c)) else { break };
        left = rest;
        end += c.len_utf8();
    }
    end
}

/// Where the last so many columns begin.
fn since(line: &str, columns: usize) -> usize {
    let mut left = columns;
    let mut start = line.len();
    for c in line.chars().rev() {
        let Some(rest) = left.checked_sub(columns_of(c)) else { break };
        left = rest;
        start -= c.len_utf8();
    }
    start
}

fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    if c == '\t' { TAB } else { c.width().unwrap_or(0) }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let shown = self.shown.read_span(span, before, after)?;
        let (mut line, mut column) = (shown.line(), shown.column());
        // Asked without context is where a place is, to tell it.
        let here = |(_, place): &&(_, Range<usize>)| *span == SourceSpan::from(place.clone());
        if before == 0
            && after == 0
            && let Some((whole, _)) = self.places.iter().find(here)
        {
            let whole = self.whole.read_span(&whole.clone().into(), 0, 0)?;
            (line, column) = (whole.line(), whole.column());
        }
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            shown.data(),
            *shown.span(),
            line,
            column,
            shown.line_count(),
        );
        Ok(Box::new(contents))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, word: &str, columns: u16) -> (String, String) {
        let start = text.find(word).expect("the word");
        let excerpt = Excerpt::new("line", text.to_owned(), &[start..start + word.len()], Some(columns));
        let place = excerpt.places().next().expect("its place").clone();
        (excerpt.shown.clone(), excerpt.shown[place].to_owned())
    }

    #[test]
    fn the_part_around_the_place_is_kept() {
        let line = "let found = probe(\"exec\", #{ path: \"/tmp/a\" }).attach();";
        let whole = |text: &str, word: &str| (text.to_owned(), word.to_owned());
        assert_eq!(shown(line, "found", 80), whole(line, "found"));
        assert_eq!(shown(line, "found", 25), whole("let found = probe(\"…", "found"));
        assert_eq!(shown(line, "path", 25), whole("…xec\", #{ path: \"/t…", "path"));
        assert_eq!(shown(line, "attach", 25), whole("…tmp/a\" }).attach();", "attach"));
    }

    #[test]
    fn other_lines_and_the_end_of_the_text_are_places_too() {
        let excerpt = Excerpt::new("line", "a\nb".into(), &[3..3, 1..1], Some(40));
        assert_eq!(excerpt.places().cloned().collect::<Vec<_>>(), [3..3, 1..1]);
        let long = format!("{}\nb", "a ".repeat(40));
        let excerpt = Excerpt::new("line", long.clone(), &[70..79, 0..1, 82..82], Some(25));
        let places: Vec<_> = excerpt.places().map(|place| &excerpt.shown[place.clone()]).collect();
        assert_eq!(places, [&long[70..79], "", ""]);
        assert_eq!(excerpt.places().last(), Some(&(excerpt.shown.len()..excerpt.shown.len())));
        let excerpt = Excerpt::new("line", String::new(), &[0..0], Some(40));
        assert_eq!(excerpt.places().cloned().collect::<Vec<_>>(), [0..0]);
    }

    proptest! {
        #[test]
        fn each_line_fits_and_a_place_shows_what_it_showed(
            words in prop::collection::vec("[a-z日é\t]{1,9}", 1..30),
            word in any::<prop::sample::Index>(),
            lines in any::<bool>(),
            columns in 25_u16..90,
        ) {
            let text = words.join(if lines { "\n" } else { " " });
            let at = words.iter().take(word.index(words.len())).map(|word| word.len() + 1).sum::<usize>();
            let place = at..at + words[word.index(words.len())].len();
            let excerpt = Excerpt::new("line", text.clone(), std::slice::from_ref(&place), Some(columns));
            for line in excerpt.shown.lines() {
                prop_assert!(width(line) <= usize::from(columns) - GUTTER, "{line:?} in {columns}");
            }
            let shown = &excerpt.shown[excerpt.places().next().unwrap().clone()];
            let whole = &text[place];
            prop_assert!(shown == whole || whole.starts_with(shown) && width(whole) > usize::from(columns) / 2);
        }
    }
}
