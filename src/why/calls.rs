//! System calls by their numbers: what each is called, and which of its arguments say what it is about. x86-64.

use std::sync::LazyLock;

use crate::kernel::denials::Subject;

/// One system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub number: u32,
    pub name: &'static str,
    pub subject: Subject,
    /// The argument that is a process's id, from 1 on; 0: none.
    pub process: u8,
}

/// A number, a name, and arguments from 1 on.
static TEXT: &str = include_str!("calls.txt");

static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| TEXT.lines().filter_map(call).collect());

fn call(line: &'static str) -> Option<Call> {
    let mut words = line.split(' ');
    let (number, name) = (words.next()?.parse().ok()?, words.next()?);
    let mut call = Call { number, name, subject: Subject::default(), process: 0 };
    for word in words {
        let (what, argument) = word.split_once('=')?;
        let argument = argument.parse().ok()?;
        let subject = &mut call.subject;
        match what {
            "path" if subject.texts[0] == 0 => subject.texts[0] = argument,
            "path" => subject.texts[1] = argument,
            "dir" => subject.directory = argument,
            "file" => subject.descriptor = argument,
            "address" => subject.address = argument,
            "process" => call.process = argument,
            _ => return None,
        }
    }
    Some(call)
}

/// All of them.
pub fn all() -> &'static [Call] {
    &CALLS
}

/// The one of this number.
pub fn of(number: u32) -> Option<&'static Call> {
    let at = CALLS.binary_search_by_key(&number, |call| call.number).ok()?;
    CALLS.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_call() {
        assert_eq!(CALLS.len(), TEXT.lines().count());
        assert!(CALLS.is_sorted_by_key(|call| call.number));
        let openat = of(257).unwrap();
        let subject = Subject { texts: [2, 0], directory: 1, ..Subject::default() };
        assert_eq!((openat.name, openat.subject), ("openat", subject));
        assert_eq!((of(62).unwrap().process, of(100_000)), (1, None));
    }
}
