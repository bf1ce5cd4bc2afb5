//! Claims about stacks: where an operation came from, in the kernel and in the program.

use std::{fs, os::unix::fs::FileExt, time::Duration};

use nix::{
    libc,
    sys::{
        mman::{MapFlags, ProtFlags, mmap},
        stat::Mode,
    },
    unistd::mkfifo,
};
use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{self, Shell},
    task,
};

const FOLDER: &str = "/tmp/stacks";

fn directory() -> Outcome {
    fs::create_dir_all(FOLDER).map_err(|e| e.to_string())
}

/// The probe `p` about the directory's files, and what follows once it is attached.
fn script(rest: &str, then: &str) -> String {
    format!(
        "let p = probe(\"file_open\", #{{path_prefix: \"{FOLDER}/\"}}).scope(#{{pid: {}}}).name(\"t\"){rest}.attach(); \
         {then} print(\"ready\");",
        std::process::id()
    )
}

fn frames<'e>(of: &'e Value, name: &str) -> Result<Vec<&'e str>, String> {
    let list = of[name].as_array().ok_or_else(|| format!("no `{name}`: {of}"))?;
    Ok(list.iter().filter_map(Value::as_str).collect())
}

/// In this order, though not one right behind the other.
fn in_order(frames: &[&str], wanted: &[&str]) -> Outcome {
    let mut rest = frames.iter();
    for name in wanted {
        holds(rest.any(|frame| frame.starts_with(name)), format!("no {name} where it belongs: {frames:?}"))?;
    }
    Ok(())
}

/// What calls the hook, down to the system call; and the function of this program that made it.
pub fn on_events() -> Outcome {
    directory()?;
    let mut shell = Shell::ready(&script(".kstack().ustack()", ""))?;
    let path = format!("{FOLDER}/events");
    open_here(&path)?;
    let event = shell.event(std::process::id(), &path)?;
    let kernel = frames(&event, "kstack")?;
    holds(kernel[0].starts_with("security_file_open+"), format!("another hook's caller: {kernel:?}"))?;
    in_order(&kernel, &["security_file_open+", "path_openat+", "entry_SYSCALL_64_after_hwframe+"])?;
    let user = frames(&event, "ustack")?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let own = format!("({})", this.display());
    holds(user.first().is_some_and(|frame| frame.ends_with(&own)), format!("not in {own}: {user:?}"))?;
    let ended = shell.stop()?;
    ended.well()
}

#[inline(never)]
fn open_here(path: &str) -> Outcome {
    fs::write(path, "").map_err(|e| e.to_string())
}

/// An ordinary event has none, and says nothing about them.
pub fn only_if_asked() -> Outcome {
    directory()?;
    let mut shell = Shell::ready(&script("", ""))?;
    let path = format!("{FOLDER}/none");
    open_here(&path)?;
    let event = shell.event(std::process::id(), &path)?;
    same("kstack", event.get("kstack"), None)?;
    same("ustack", event.get("ustack"), None)?;
    shell.stop()?.well()
}

/// As the key of an aggregation: one row, since all opens come the same way, and each is in it. And what has
/// another filter put in its place goes on.
pub fn counted() -> Outcome {
    directory()?;
    open_here(&format!("{FOLDER}/counted"))?;
    let open = format!("for i in 0..5 {{ run([\"cat\", \"{FOLDER}/counted\"]); }}");
    let ended = shell::run(&script(
        ".count_by([\"comm\", \"kstack\"])",
        &format!("{open} p.when(|e| e.comm == \"cat\"); {open} p.detach();"),
    ))?;
    ended.well()?;
    let record = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let rows = record["rows"].as_array().ok_or("no rows")?;
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    same("opens", counted, 10)?;
    same("ways", rows.len(), 1)?;
    same("comm", &rows[0]["comm"], &json!("cat"))?;
    in_order(&frames(&rows[0], "kstack")?, &["security_file_open+", "path_openat+"])
}

/// `open(path, O_RDONLY)` as a function that keeps a frame pointer.
const OPEN: [u8; 15] = [0x55, 0x48, 0x89, 0xe5, 0xb8, 2, 0, 0, 0, 0x31, 0xf6, 0x0f, 0x05, 0x5d, 0xc3];

/// A file with a symbol table of that many bytes, and the function behind its headers.
fn library(path: &str, symbols: u64) -> std::io::Result<fs::File> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let mut page = vec![0_u8; 4096];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[3, 0, 62, 0, 1, 0, 0, 0]);
    put(32, &64_u64.to_le_bytes());
    put(40, &512_u64.to_le_bytes());
    for (at, number) in [(52, 64_u16), (54, 56), (56, 1), (58, 64), (60, 3), (62, 2)] {
        put(at, &number.to_le_bytes());
    }
    // One segment: the first page, to be executed.
    put(64, &[1, 0, 0, 0, 7, 0, 0, 0]);
    put(64 + 32, &4096_u64.to_le_bytes());
    put(64 + 40, &4096_u64.to_le_bytes());
    // Two sections: the symbols behind the page, and their names.
    put(512 + 64 + 4, &2_u32.to_le_bytes());
    for (at, number) in [(24, 4096), (32, symbols / 24 * 24), (40, 2), (48, 8), (56, 24_u64)] {
        put(512 + 64 + at, &number.to_le_bytes());
    }
    put(512 + 128 + 4, &3_u32.to_le_bytes());
    put(512 + 128 + 24, &1024_u64.to_le_bytes());
    put(512 + 128 + 32, &16_u64.to_le_bytes());
    put(2048, &OPEN);
    file.write_all_at(&page, 0)?;
    file.set_len(4096 + symbols)?;
    Ok(file)
}

/// Maps the file and opens `path` by the function in it, so that it leads the stack. Stays until the shell has looked
/// what is mapped there.
fn open_from(library: &fs::File, path: &str, stay: Duration) -> i32 {
    let path = std::ffi::CString::new(path).unwrap();
    let length = std::num::NonZeroUsize::new(4096).unwrap();
    let all = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: a fresh mapping; what is called there are the bytes of OPEN, a function of this signature.
    unsafe {
        let start = mmap(None, length, all, MapFlags::MAP_PRIVATE, library, 0).unwrap();
        let open: extern "C" fn(*const libc::c_char) -> libc::c_long =
            std::mem::transmute(start.as_ptr().cast::<u8>().add(2048));
        let failed = i32::from(open(path.as_ptr()) < 0);
        std::thread::sleep(stay);
        failed
    }
}

/// Whose stack is read may cut the file meanwhile, and put a pipe in its place: the shell goes on, and does not wait.
pub fn hostile_files() -> Outcome {
    const SYMBOLS: u64 = 2 << 20;
    directory()?;
    let target = format!("{FOLDER}/target");
    open_here(&target)?;
    let mut shell = Shell::ready(&script(".ustack()", ""))?;
    let path = format!("{FOLDER}/lib");
    let lib = library(&path, SYMBOLS).map_err(|e| e.to_string())?;
    let begun = std::time::Instant::now();
    let mut opened = 0;
    while begun.elapsed().as_secs() < 3 {
        let task = task::perform(&task::Identity::default(), || {
            open_from(&lib, &target, Duration::from_millis(50))
        })?;
        same("its open", task.deed, task::Deed::Done)?;
        opened += 1;
        for _ in 0..20 {
            lib.set_len(4096).map_err(|e| e.to_string())?;
            std::thread::sleep(std::time::Duration::from_millis(1));
            lib.set_len(4096 + SYMBOLS).map_err(|e| e.to_string())?;
            std::thread::sleep(std::time::Duration::from_millis(4));
        }
    }
    // The name that /proc shows once it is unlinked, as a pipe that nobody writes to.
    fs::remove_file(&path).map_err(|e| e.to_string())?;
    mkfifo(&*format!("{path} (deleted)"), Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| e.to_string())?;
    task::perform(&task::Identity::default(), || open_from(&lib, &target, Duration::from_secs(1)))?;
    shell.wait_for(|line| line["ustack"][0].as_str().is_some_and(|frame| frame.contains("(deleted)")))?;
    let ended = shell.stop()?;
    holds(ended.events().count() > opened, format!("{opened} opens, {} events", ended.events().count()))?;
    ended.well()
}
