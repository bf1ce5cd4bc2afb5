//! libbpf's own consumer (`libbpf.c`), compiled here and run beside: it has the same ring buffer by its descriptor.

use std::{
    io::{BufRead, BufReader, Write},
    os::fd::{AsRawFd, BorrowedFd},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

pub struct Consumer {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Consumer {
    /// # Errors
    /// If it cannot be compiled, or does not get at the ring buffer.
    pub fn start(directory: &Path, ring: BorrowedFd, record: usize) -> Result<Self, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/pipeline/libbpf.c");
        let program = directory.join("consumer");
        let output = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-pthread", "-o"])
            .arg(&program)
            .arg(source)
            .arg("-lbpf")
            .output()
            .map_err(|e| format!("cc: {e}; run: scripts/setup bench"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{reason}; run: scripts/setup bench"));
        }
        // The child has it under the same number.
        let ring = ring.try_clone_to_owned().map_err(|e| e.to_string())?;
        fcntl(&ring, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|e| e.to_string())?;
        let mut child = Command::new(program)
            .arg(ring.as_raw_fd().to_string())
            .arg(record.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("the consumer does not start: {e}"))?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut consumer = Consumer { child, orders, answers };
        consumer.answer()?;
        Ok(consumer)
    }

    /// Takes what is there: how many, and how long it took.
    ///
    /// # Errors
    /// If it has ended.
    pub fn once(&mut self) -> Result<(u64, Duration), String> {
        self.order("once")
    }

    /// Begins to follow: `follow` counts, `copy` takes each record out as well.
    ///
    /// # Errors
    /// If it has ended.
    pub fn begin(&mut self, order: &str) -> Result<(), String> {
        self.order(order).map(drop)
    }

    /// Ends the following: how many it has seen.
    ///
    /// # Errors
    /// If it has ended.
    pub fn stop(&mut self) -> Result<u64, String> {
        self.order("stop").map(|(count, _)| count)
    }

    fn order(&mut self, word: &str) -> Result<(u64, Duration), String> {
        let orders = self.orders.as_mut().ok_or("no standard input")?;
        writeln!(orders, "{word}").map_err(|e| format!("the consumer has ended: {e}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<(u64, Duration), String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|e| e.to_string())?;
        let numbers = line.trim().split_once(' ');
        let numbers = numbers.and_then(|(count, took)| Some((count.parse().ok()?, took.parse().ok()?)));
        let (count, took) = numbers.ok_or_else(|| format!("the consumer says `{}`", line.trim()))?;
        Ok((count, Duration::from_nanos(took)))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // The end of its input is its end.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
