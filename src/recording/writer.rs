//! Writes a recording: lines, as they come, to a file that is readable up to its last whole line whatever happens to the process.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// What is lost at most when the process is killed: lines of this long.
const FLUSH: Duration = Duration::from_secs(1);
/// Lines on their way to the file. If the disk is slower than that, whoever records waits.
const WAITING: usize = 1 << 14;
/// What a file's name ends with if it is to be compressed.
const PACKED: &str = "zst";

/// A file that is being written, by a thread of its own.
pub struct Writer {
    lines: Option<Sender<String>>,
    thread: Option<JoinHandle<()>>,
    trouble: Arc<Mutex<Trouble>>,
    size: Arc<AtomicU64>,
}

/// What has become of lines that could not be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The first error, in words.
    pub why: Option<String>,
    pub unwritten: u64,
}

/// A file, and how many bytes it has got.
struct Counted {
    file: File,
    size: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Out {
    Plain(BufWriter<Counted>),
    Packed(Box<zstd::Encoder<'static, BufWriter<Counted>>>),
}

impl Out {
    fn to(&mut self) -> &mut dyn Write {
        match self {
            Out::Plain(file) => file,
            Out::Packed(encoder) => encoder,
        }
    }

    fn finish(self) -> io::Result<()> {
        let file = match self {
            Out::Plain(file) => file,
            Out::Packed(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.file.sync_all()
    }
}

impl Writer {
    /// Makes a file, readable by its owner alone, and compressed if its name ends with `.zst`. None that is there is touched.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let size = Arc::new(AtomicU64::new(0));
        let file = BufWriter::new(Counted { file, size: Arc::clone(&size) });
        let out = if path.extension().is_some_and(|suffix| suffix == PACKED) {
            Out::Packed(Box::new(zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?))
        } else {
            Out::Plain(file)
        };
        let (lines, waiting) = bounded(WAITING);
        let trouble = Arc::new(Mutex::new(Trouble::default()));
        let shared = Arc::clone(&trouble);
        let thread = std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || write_all(out, &waiting, &shared))?;
        Ok(Writer { lines: Some(lines), thread: Some(thread), trouble, size })
    }

    /// Writes a line, and waits if the disk is slower than the lines come.
    pub fn line(&self, line: String) {
        if self.lines.as_ref().is_none_or(|lines| lines.send(line).is_err()) {
            lock(&self.trouble).unwritten += 1;
        }
    }

    /// Returns how many bytes the file has by now; what is under way is not among them.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Returns what could not be written so far.
    pub fn trouble(&self) -> Trouble {
        lock(&self.trouble).clone()
    }

    /// Writes what is under way, and closes the file; returns what could not be written.
    pub fn finish(&mut self) -> Trouble {
        self.lines = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            lock(&self.trouble).why.get_or_insert_with(|| "the thread that writes it has ended".to_owned());
        }
        self.trouble()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock(trouble: &Mutex<Trouble>) -> std::sync::MutexGuard<'_, Trouble> {
    trouble.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes what comes, until nothing can come any more. Behind the first error nothing is written: a file without a line in its midst
/// would be another session.
fn write_all(mut out: Out, lines: &Receiver<String>, trouble: &Mutex<Trouble>) {
    let mut flushed = Instant::now();
    let mut has_unflushed = false;
    loop {
        let due = flushed + FLUSH;
        let line = match has_unflushed {
            true => lines.recv_deadline(due),
            false => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let is_broken = lock(trouble).why.is_some();
        let written = match line {
            Ok(_) if is_broken => {
                lock(trouble).unwritten += 1;
                continue;
            }
            Ok(line) => {
                if !has_unflushed {
                    flushed = Instant::now();
                }
                let all = out.to().write_all(line.as_bytes()).and_then(|()| out.to().write_all(b"\n"));
                let is_due = flushed.elapsed() >= FLUSH;
                let flushing = |out: &mut Out| if is_due { out.to().flush() } else { Ok(()) };
                let done = all.and_then(|()| flushing(&mut out));
                has_unflushed = !is_due;
                done.map_err(|error| (error, 1))
            }
            Err(RecvTimeoutError::Timeout) => {
                has_unflushed = false;
                out.to().flush().map_err(|error| (error, 0))
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Err((error, unwritten)) = written {
            let mut trouble = lock(trouble);
            trouble.why = Some(error.to_string());
            trouble.unwritten += unwritten;
            has_unflushed = false;
        }
    }
    let finished = out.finish();
    if let Err(error) = finished {
        lock(trouble).why.get_or_insert_with(|| error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_was_written_is_read_back_plain_and_packed() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.ndjson", "a.ndjson.zst"] {
            let path = directory.path().join(name);
            let mut writer = Writer::create(&path).unwrap();
            (0..1000).for_each(|n| writer.line(format!("{{\"n\":{n}}}")));
            assert_eq!(writer.finish(), Trouble::default());
            let mut text = String::new();
            let mut file = File::open(&path).unwrap();
            match name.ends_with("zst") {
                true => zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap(),
                false => file.read_to_string(&mut text).unwrap(),
            };
            assert_eq!(text.lines().count(), 1000, "{name}");
            assert_eq!(text.lines().last(), Some("{\"n\":999}"));
            assert!(Writer::create(&path).is_err(), "none that is there is touched");
        }
    }

    #[test]
    fn a_line_is_in_the_file_soon_and_not_only_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let writer = Writer::create(&path).unwrap();
        writer.line("one".to_owned());
        let begun = Instant::now();
        while std::fs::read_to_string(&path).unwrap() != "one\n" {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_full_disk_is_told_with_what_it_took() {
        let mut writer = Writer::create(Path::new("/dev/full")).err().map(|error| error.kind());
        assert_eq!(writer.take(), Some(io::ErrorKind::AlreadyExists));
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = Out::Plain(BufWriter::new(Counted { file, size: Arc::default() }));
        let (lines, waiting) = bounded(10);
        let trouble = Mutex::default();
        std::thread::scope(|scope| {
            scope.spawn(|| write_all(out, &waiting, &trouble));
            lines.send("x".repeat(1 << 16)).unwrap();
            lines.send("y".to_owned()).unwrap();
            drop(lines);
        });
        let Trouble { why, unwritten } = trouble.into_inner().unwrap();
        assert!(why.unwrap().contains("No space left") && unwritten == 2);
    }
}
