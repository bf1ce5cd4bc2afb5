//! Processes and threads that open files at once, each a known number of times: for claims about exactness.

use std::{
    ffi::{CStr, CString},
    fs, thread,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sched::{CpuSet, sched_setaffinity},
    sys::{
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pipe, read},
};

use super::{
    Outcome, same,
    task::{Deed, ME, perform},
};

pub const FOLDER: &str = "/tmp/workers";
const WORKERS: [&CStr; 4] = [c"w0", c"w1", c"w2", c"w3"];
/// Bytes of the files that are opened.
pub const SIZES: [u64; 4] = [0, 1, 1000, 5000];

/// Files of these sizes, in this order.
pub fn files() -> Result<Vec<CString>, String> {
    fs::create_dir_all(FOLDER).map_err(|e| e.to_string())?;
    let file = |size: &u64| {
        let path = format!("{FOLDER}/{size}");
        fs::write(&path, vec![b'x'; usize::try_from(*size).map_err(|e| e.to_string())?])
            .map_err(|e| format!("{path}: {e}"))?;
        CString::new(path).map_err(|e| e.to_string())
    };
    SIZES.iter().map(file).collect()
}

/// As many paths that nothing else opens.
pub fn many_files(many: usize) -> Result<Vec<CString>, String> {
    let directory = format!("{FOLDER}/many");
    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    let file = |n: usize| {
        let path = format!("{directory}/{n}");
        fs::write(&path, "").map_err(|e| format!("{path}: {e}"))?;
        CString::new(path).map_err(|e| e.to_string())
    };
    (0..many).map(file).collect()
}

/// Four processes that open every file `rounds` times, at once.
pub struct Workers(Vec<Pid>);

/// A worker ends with the number of opens that were not as expected, or with this if there were more.
const MANY: i32 = 100;

impl Workers {
    pub fn start(files: &[CString], rounds: u32, refused: bool) -> Result<Self, String> {
        // They start together: each waits until the last of the ends that write is closed.
        let (gate, key) = pipe().map_err(|e| e.to_string())?;
        let mut pids = Vec::new();
        for name in WORKERS {
            // SAFETY: the child calls nothing that allocates or takes a lock, and ends by _exit.
            match unsafe { fork() }.map_err(|e| e.to_string())? {
                ForkResult::Parent { child } => pids.push(child),
                ForkResult::Child => {
                    // SAFETY: closes the child's copy of the key; it is used no more in this process.
                    unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&key)) };
                    let _ = nix::sys::prctl::set_name(name);
                    // There are two processors, and the shell needs one of them for what the claim is about.
                    // SAFETY: takes a number only.
                    unsafe { libc::nice(10) };
                    let _ = read(&gate, &mut [0; 1]);
                    let as_expected = |file: &CString| match open(&**file, OFlag::O_RDONLY, Mode::empty()) {
                        Ok(_) => !refused,
                        Err(error) => refused && error == Errno::EPERM,
                    };
                    let others = |_| files.iter().filter(|file| !as_expected(file)).count();
                    let others: usize = (0..rounds).map(others).sum();
                    // SAFETY: ends the child at once; no destructor of the parent's may run here.
                    unsafe { libc::_exit(i32::try_from(others).map_or(MANY, |others| others.min(MANY))) }
                }
            }
        }
        Ok(Workers(pids))
    }

    pub fn wait(self) -> Outcome {
        for pid in self.0 {
            let ended = waitpid(pid, None).map_err(|e| e.to_string())?;
            same("a worker, with how many opens that were otherwise", ended, WaitStatus::Exited(pid, 0))?;
        }
        Ok(())
    }
}

/// Lets so many threads of one process, spread over all processors, open a file so often each. Returns how many opens were
/// refused.
pub fn refused_of_crowd(file: &'static str, threads: usize, times: usize) -> Result<usize, String> {
    const TOLD: &str = "/tmp/crowd-told";
    let processors = thread::available_parallelism().map_err(|e| e.to_string())?.get();
    let task = perform(&ME, || {
        let open = move |number: usize| {
            let mut processor = CpuSet::new();
            let pinned = processor
                .set(number % processors)
                .and_then(|()| sched_setaffinity(Pid::from_raw(0), &processor));
            pinned.ok().map(|()| (0..times).filter(|_| fs::File::open(file).is_err()).count())
        };
        let threads: Vec<_> = (0..threads).map(|number| thread::spawn(move || open(number))).collect();
        let refused: Option<usize> = threads.into_iter().map(|thread| thread.join().ok().flatten()).sum();
        i32::from(refused.is_none_or(|refused| fs::write(TOLD, refused.to_string()).is_err()))
    })?;
    same("the crowd", task.deed, Deed::Done)?;
    let told = fs::read_to_string(TOLD).map_err(|e| e.to_string())?;
    told.parse().map_err(|_| format!("{TOLD}: {told}"))
}
