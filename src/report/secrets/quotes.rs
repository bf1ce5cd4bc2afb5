//! Where a quoted text ends.

/// The quotes of one text, which are sought from its beginning to its end.
#[derive(Debug, Default)]
pub struct Quotes {
    /// Of which kinds there is none any more: whoever asks for each again would walk the text's rest each time.
    none: [bool; 3],
}

impl Quotes {
    /// Returns where the quote stands that closes what is quoted from here on; one behind a backslash does not. `None` if there
    /// is none.
    pub fn closing(&mut self, text: &[u8], from: usize, quote: u8) -> Option<usize> {
        let kind = match quote {
            b'"' => 0,
            b'\'' => 1,
            _ => 2,
        };
        if self.none[kind] {
            return None;
        }
        let mut at = from;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'\\' => at += 1,
                byte if byte == quote => return Some(at),
                _ => {}
            }
            at += 1;
        }
        self.none[kind] = true;
        None
    }
}
