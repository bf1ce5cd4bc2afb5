//! Claims about what another process does to a probe in the kernel, with all privilege for that: it is noticed, said and put back.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    process::Command,
    thread,
    time::{Duration, Instant},
};

use aya::maps::{MapInfo, loaded_maps};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::{
        ptrace,
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    Outcome, ask,
    bpf::{Attributes, MAP_GET_FD_BY_ID, by_id, call, descriptor},
    holds,
    pace::{stretched, until},
    same,
    shell::{Ended, Shell},
    task::{Deed, Identity, ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/tampering";
const OTHER: &str = "/tmp/tampering-other";

const LOOKUP: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;
const NEXT_KEY: u32 = 4;
const LINK_FD_BY_ID: u32 = 30;
const LINK_DETACH: u32 = 34;

/// Where the words of the settings stand, in bytes.
const MODE: usize = 0;
const LEASE: usize = 8;
const QUIET: usize = 16;
const TURN: usize = 32;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A map of this name, opened by another process than the one that has made it.
struct Foreign {
    map: OwnedFd,
    info: MapInfo,
}

impl Foreign {
    fn all(name: &str) -> Result<Vec<Self>, String> {
        let named = loaded_maps().filter_map(Result::ok).filter(|info| info.name() == name.as_bytes());
        let open = |info: MapInfo| {
            let number = call(MAP_GET_FD_BY_ID, &by_id(info.id())).map_err(text)?;
            Ok(Foreign { map: descriptor(number), info })
        };
        named.map(open).collect()
    }

    fn one(name: &str) -> Result<Self, String> {
        // The kernel frees one a moment after its session has ended.
        until(&format!("one map named {name}"), Duration::from_secs(10), || Ok(Self::all(name)?.len() == 1))?;
        Self::all(name)?.pop().ok_or_else(|| "none".into())
    }

    fn element(&self, key: Option<&[u8]>, value: Option<&mut [u8]>) -> Attributes {
        let mut attributes = [0; 128];
        attributes[..4].copy_from_slice(&self.map.as_raw_fd().to_ne_bytes());
        let address = |bytes: *const u8| (bytes as u64).to_ne_bytes();
        if let Some(key) = key {
            attributes[8..16].copy_from_slice(&address(key.as_ptr()));
        }
        if let Some(value) = value {
            attributes[16..24].copy_from_slice(&address(value.as_mut_ptr()));
        }
        attributes
    }

    fn value(&self, key: &[u8]) -> Result<Vec<u8>, String> {
        let mut value = vec![0; self.info.value_size() as usize];
        call(LOOKUP, &self.element(Some(key), Some(&mut value))).map_err(text)?;
        Ok(value)
    }

    fn put(&self, key: &[u8], value: &mut [u8]) -> Result<(), Errno> {
        call(UPDATE, &self.element(Some(key), Some(value))).map(drop)
    }

    fn remove(&self, key: &[u8]) -> Outcome {
        call(DELETE, &self.element(Some(key), None)).map(drop).map_err(text)
    }

    fn keys(&self) -> Result<Vec<Vec<u8>>, String> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; self.info.key_size() as usize];
            match call(NEXT_KEY, &self.element(keys.last().map(Vec::as_slice), Some(&mut next))) {
                Ok(_) => keys.push(next),
                Err(Errno::ENOENT) => return Ok(keys),
                Err(error) => return Err(text(error)),
            }
        }
    }

    /// Writes one word of the settings; gives what was there.
    fn set_word(&self, at: usize, word: u64) -> Result<u64, String> {
        let key = 0_u32.to_ne_bytes();
        let mut value = self.value(&key)?;
        let before = value[at..at + 8].try_into().map(u64::from_ne_bytes).map_err(text)?;
        value[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        self.put(&key, &mut value).map_err(text)?;
        Ok(before)
    }

    fn word(&self, at: usize) -> Result<u64, String> {
        let value = self.value(&0_u32.to_ne_bytes())?;
        value[at..at + 8].try_into().map(u64::from_ne_bytes).map_err(text)
    }
}

fn denying(words: &str) -> Result<Shell, String> {
    for file in [FILE, OTHER] {
        fs::write(file, "content").map_err(text)?;
    }
    Shell::ready(&format!(
        "let p = probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).deny().name(\"t\"){words}.attach(); print(\"ready\");",
        std::process::id()
    ))
}

fn read(file: &str) -> Result<Deed, String> {
    open_file(&ME, file, OFlag::O_RDONLY).map(|task| task.deed)
}

/// That an alert says this, within a second.
fn said(shell: &mut Shell, what: &str) -> Outcome {
    let begun = Instant::now();
    let is_it = |line: &Value| {
        line["type"] == "alert"
            && line["severity"] == "high"
            && line["text"].as_str().is_some_and(|text| text.starts_with("probe `t` ") && text.contains(what))
    };
    shell.wait_for(is_it).map_err(|why| format!("nobody said `{what}`: {why}"))?;
    // A moment for the alert's own way.
    let limit = stretched(Duration::from_millis(1200));
    holds(begun.elapsed() < limit, format!("`{what}` was said only after {:?}", begun.elapsed()))
}

fn ended(shell: Shell, altered: usize) -> Result<Ended, String> {
    let ended = shell.stop()?;
    same("altered", &ended.books("t")?["altered"], &json!(altered))?;
    let alerts = ended.lines.iter().filter(|line| line["type"] == "alert").count();
    same("alerts", alerts, altered)?;
    ended.well()?;
    Ok(ended)
}

pub fn words() -> Outcome {
    let mut shell = denying(".lease(\"10m\")")?;
    let settings = Foreign::one("krsi_settings")?;
    let control = 7 * 8;
    let acts = [
        (MODE, 1, "mode changed by another process, from deny (errno 1) to shadow; that was put back"),
        (MODE, 3 | 9 << 8 | 1 << 16, "to kill (signal 9)"),
        (LEASE, 0, "the end of its enforcement changed by another process"),
        (LEASE, 1, "to 1 ns on the monotonic clock"),
        (QUIET, 1, "its events turned on or off"),
        (TURN, 7, "another generation of its programs"),
        // Without it the probe would be about every file.
        (control, 0, "its param `path` changed"),
    ];
    for (at, word, what) in acts {
        let before = settings.set_word(at, word)?;
        said(&mut shell, what)?;
        same(what, settings.word(at)?, before)?;
        same(what, read(FILE)?, REFUSED)?;
        same(what, read(OTHER)?, Deed::Done)?;
    }
    let ended = ended(shell, acts.len())?;
    holds(ended.stderr.contains("changed by another process"), ended.stderr)
}

/// As `krsi-sh panic` does it.
pub fn observes() -> Outcome {
    let mut shell = denying("")?;
    let settings = Foreign::one("krsi_settings")?;
    settings.set_word(MODE, 0)?;
    said(&mut shell, "only observes since now: another process (`krsi-sh panic`?) has made it")?;
    thread::sleep(stretched(Duration::from_millis(1200)));
    same("afterwards", read(FILE)?, Deed::Done)?;
    same("the mode", settings.word(MODE)?, 0)?;
    // Nobody else makes it enforce again, either.
    settings.set_word(MODE, 2 | 1 << 16)?;
    said(&mut shell, "from observe to deny (errno 1); that was put back")?;
    same("after that", read(FILE)?, Deed::Done)?;
    same("its mode", &ended(shell, 2)?.books("t")?["mode"], &json!("observe"))
}

pub fn tables() -> Outcome {
    let mut shell = denying("")?;
    let inodes = Foreign::one("krsi_inodes")?;
    let prefixes = Foreign::one("krsi_prefixes_t")?;
    for table in [&inodes, &prefixes] {
        let before = table.keys()?;
        holds(!before.is_empty(), "the table is empty")?;
        before.iter().try_for_each(|key| table.remove(key))?;
        said(&mut shell, "changed by another process (0 put there, ")?;
        let mut after = table.keys()?;
        after.sort();
        let mut wanted = before.clone();
        wanted.sort();
        same("entries", after, wanted)?;
        same("with these", read(FILE)?, REFUSED)?;
        shell.seen.clear();
    }
    // Another file is added.
    let mut key = prefixes.keys()?.remove(0);
    let path = [OTHER.as_bytes(), &[0]].concat();
    key.fill(0);
    key[..4].copy_from_slice(&u32::try_from(path.len() * 8).unwrap_or(0).to_ne_bytes());
    key[4..4 + path.len()].copy_from_slice(&path);
    prefixes.put(&key, &mut [1]).map_err(text)?;
    said(&mut shell, "changed by another process (1 put there, 0 taken out)")?;
    same("the other", read(OTHER)?, Deed::Done)?;
    let ended = shell.stop()?;
    same("altered", &ended.books("t")?["altered"], &json!(3))?;
    ended.well()?;

    let mut scoped = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{comm: [\"tampered\"]}}).deny().name(\"t\").attach(); print(\"ready\");"
    ))?;
    let members = Foreign::one("krsi_scope_memb")?;
    let before = members.keys()?;
    before.iter().try_for_each(|key| members.remove(key))?;
    said(&mut scoped, "had its scope changed by another process (0 put there, 1 taken out)")?;
    same("members", members.keys()?, before)?;
    ended_well(scoped, 1)?;
    drop(members);
    until("the former table is gone", Duration::from_secs(5), || {
        Ok(Foreign::all("krsi_scope_memb")?.is_empty())
    })?;
    cgroups_in_scope()
}

/// The kernel's side writes to this table as well, so what it puts there is told from what another process does.
fn cgroups_in_scope() -> Outcome {
    let [left_out, other] = ["/sys/fs/cgroup/left-out", "/sys/fs/cgroup/other"];
    for cgroup in [left_out, other] {
        fs::create_dir_all(cgroup).map_err(text)?;
    }
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{not_cgroup: \"{left_out}\", pid: {}}}).lease(\"1h\").deny().name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let (members, nodes) = (Foreign::one("krsi_scope_memb")?, Foreign::one("krsi_scope_node")?);
    let before = members.keys()?;
    let entry = before.first().ok_or("the scope has no entry")?;
    members.remove(entry)?;
    said(&mut shell, "had its scope changed by another process (0 put there, 1 taken out)")?;
    same("members", members.keys()?, before.clone())?;
    let id = fs::metadata(other).map_err(text)?.ino().to_ne_bytes();
    let mut foreign = entry.clone();
    foreign[8..16].copy_from_slice(&id);
    // As the kernel's side would do it, of a cgroup that nobody named.
    nodes.put(&id, &mut [0; 4]).map_err(text)?;
    members.put(&foreign, &mut [1]).map_err(text)?;
    said(&mut shell, "had its scope changed by another process (1 put there, 0 taken out)")?;
    same("members", members.keys()?, before)?;
    ended_well(shell, 2)?;
    [left_out, other].iter().try_for_each(|cgroup| fs::remove_dir(cgroup).map_err(text))
}

/// By what a scope is followed, and what it names of paths.
pub fn scope() -> Outcome {
    let cgroup = "/sys/fs/cgroup/followed";
    fs::create_dir_all(cgroup).map_err(text)?;
    ways_to_cgroups(cgroup)?;
    fs::remove_dir(cgroup).map_err(text)?;
    parts_of_paths()
}

/// By what a cgroup is followed to: which one is at its place, at which node it is, and which steps lead there.
fn ways_to_cgroups(cgroup: &str) -> Outcome {
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{cgroup: \"{cgroup}\"}}).lease(\"1h\").deny().name(\"t\").attach(); print(\"ready\");"
    ))?;
    let inside = Identity { cgroup: Some(cgroup), ..ME };
    let reads = || open_file(&inside, FILE, OFlag::O_RDONLY).map(|task| task.deed);
    same("in the cgroup", reads()?, REFUSED)?;
    let id = fs::metadata(cgroup).map_err(text)?.ino().to_ne_bytes();
    let place = 0_u32.to_ne_bytes();
    let places = Foreign::one("krsi_scope_plac")?;
    places.put(&place, &mut [0; 8]).map_err(text)?;
    said(&mut shell, "had its scope changed by another process (0 put there, 1 taken out)")?;
    same("its place", places.value(&place)?, id.to_vec())?;
    same("in the cgroup again", reads()?, REFUSED)?;
    for (table, key) in [("krsi_scope_node", Some(id.to_vec())), ("krsi_scope_step", None)] {
        shell.seen.clear();
        let table = Foreign::one(table)?;
        let key = key.or(table.keys()?.pop()).ok_or("no step leads to it")?;
        let before = table.value(&key)?;
        table.remove(&key)?;
        said(&mut shell, "had its scope changed by another process (0 put there, 1 taken out)")?;
        same("what was taken out", table.value(&key)?, before)?;
    }
    // So it is followed as before.
    fs::remove_dir(cgroup).map_err(text)?;
    fs::create_dir(cgroup).map_err(text)?;
    same("in the cgroup made anew", reads()?, REFUSED)?;
    let ended = shell.stop()?;
    same("altered", &ended.books("t")?["altered"], &json!(3))?;
    ended.well()
}

/// Parts of executables' paths.
fn parts_of_paths() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{exe_prefix: \"/lab/\", not_exe_suffix: \"/nobody\"}}).lease(\"1h\").deny().name(\"t\").attach(); print(\"ready\");"
    ))?;
    same("by its executable", read(FILE)?, REFUSED)?;
    for table in ["krsi_exe_prefix", "krsi_exe_suffix"] {
        shell.seen.clear();
        let table = Foreign::one(table)?;
        let before = table.keys()?;
        before.iter().try_for_each(|key| table.remove(key))?;
        said(&mut shell, "had its scope changed by another process (0 put there, 1 taken out)")?;
        same("parts", table.keys()?, before)?;
        same("by its executable again", read(FILE)?, REFUSED)?;
    }
    let ended = shell.stop()?;
    same("altered", &ended.books("t")?["altered"], &json!(2))?;
    ended.well()
}

fn ended_well(shell: Shell, altered: usize) -> Outcome {
    ended(shell, altered).map(drop)
}

pub fn spared() -> Outcome {
    let mut shell = denying("")?;
    let mut child = Command::new("/bin/sleep").arg("86397").spawn().map_err(text)?;
    let outcome = (|| {
        let guard = Foreign::one("krsi_guard")?;
        let key = child.id().to_ne_bytes();
        guard.put(&key, &mut 12345_u64.to_ne_bytes()).map_err(text)?;
        said(&mut shell, &format!("was made by another process to spare process {}", child.id()))?;
        holds(!guard.keys()?.contains(&key.to_vec()), "it is still spared")?;
        // Process 1, which it does spare.
        guard.remove(&1_u32.to_ne_bytes())?;
        said(&mut shell, "was made by another process to spare no more process 1")?;
        holds(guard.keys()?.contains(&1_u32.to_ne_bytes().to_vec()), "process 1 is not spared")
    })();
    let _ = child.kill();
    let _ = child.wait();
    outcome?;
    ended_well(shell, 2)
}

/// The descriptors of links that a process has, and the kernel's numbers of these.
fn links_of(pid: u32) -> Result<Vec<(i32, u32)>, String> {
    let mut links = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).map_err(text)? {
        let entry = entry.map_err(text)?;
        let told = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = told.lines().find_map(|line| line.strip_prefix("link_id:")?.trim().parse().ok());
        if let (Some(id), Some(fd)) = (id, entry.file_name().to_str().and_then(|name| name.parse().ok())) {
            links.push((fd, id));
        }
    }
    Ok(links)
}

pub fn links() -> Outcome {
    let mut shell = denying("")?;
    let links = links_of(shell.pid())?;
    holds(!links.is_empty(), "the shell has no link")?;
    for (_, id) in &links {
        let link = descriptor(call(LINK_FD_BY_ID, &by_id(*id)).map_err(text)?);
        let mut attributes = [0; 128];
        attributes[..4].copy_from_slice(&link.as_raw_fd().to_ne_bytes());
        let refused = call(LINK_DETACH, &attributes);
        holds(refused.is_err(), "the kernel lets another process detach a link of a hook")?;
    }
    same("with all links", read(FILE)?, REFUSED)?;
    // By a debugger it goes.
    close_in(shell.pid(), links.iter().map(|(fd, _)| *fd))?;
    // Before 5.13 a program is attached once.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(text)?;
    if release.starts_with("5.10.") {
        said(
            &mut shell,
            "was detached by another process from hook `file_open`, and cannot be attached again",
        )?;
        said(&mut shell, "nothing is seen or refused there")?;
    } else {
        said(&mut shell, "was detached by another process from hook `file_open`; it was attached again")?;
        same("attached again", read(FILE)?, REFUSED)?;
    }
    // That of the hook, and those that follow the processes in scope.
    ended_well(shell, links.len())?;
    until("nothing is refused afterwards", Duration::from_secs(2), || Ok(read(FILE)? == Deed::Done))
}

/// Has another process close some of its descriptors, as a debugger would.
fn close_in(pid: u32, descriptors: impl Iterator<Item = i32>) -> Outcome {
    let process = Pid::from_raw(pid.cast_signed());
    let call = syscall_instruction(pid)?;
    ptrace::attach(process).map_err(text)?;
    let outcome = (|| {
        waitpid(process, Some(WaitPidFlag::__WALL)).map_err(text)?;
        let before = ptrace::getregs(process).map_err(text)?;
        for descriptor in descriptors {
            let mut registers = before;
            registers.rip = call;
            registers.rax = libc::SYS_close.cast_unsigned();
            registers.orig_rax = u64::MAX;
            registers.rdi = u64::try_from(descriptor).map_err(text)?;
            ptrace::setregs(process, registers).map_err(text)?;
            ptrace::step(process, None).map_err(text)?;
            waitpid(process, Some(WaitPidFlag::__WALL)).map_err(text)?;
            let result = ptrace::getregs(process).map_err(text)?.rax;
            same(&format!("close({descriptor})"), result, 0)?;
        }
        ptrace::setregs(process, before).map_err(text)
    })();
    ptrace::detach(process, None).map_err(text)?;
    outcome
}

/// Where one stands in the program of a process.
fn syscall_instruction(pid: u32) -> Result<u64, String> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(text)?;
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).map_err(text)?;
    for line in maps.lines().filter(|line| line.contains(" r-xp ") && line.contains("krsi-sh")) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).ok_or("no range")?;
        let [from, to] = [range.0, range.1].map(|number| u64::from_str_radix(number, 16));
        let (from, to) = (from.map_err(text)?, to.map_err(text)?);
        let mut bytes = vec![0; usize::try_from(to - from).map_err(text)?];
        memory.seek(SeekFrom::Start(from)).map_err(text)?;
        memory.read_exact(&mut bytes).map_err(text)?;
        if let Some(at) = bytes.windows(2).position(|two| two == SYSCALL) {
            return Ok(from + at as u64);
        }
    }
    Err("the shell makes no system call".into())
}

/// Constants, and what a filter has: not even the one who made them.
pub fn frozen() -> Outcome {
    let shell = denying(
        ".when(|e| [10, 20, 30, 40, 50, 60, 70, 80, 90, 0].contains(e.uid) && e.path.contains(\"tamp\"))",
    )?;
    let mut looked = 0;
    for info in loaded_maps().filter_map(Result::ok) {
        let name = String::from_utf8_lossy(info.name()).into_owned();
        if !(name.contains("rodata") || name == "krsi_set" || name == "krsi_table") {
            continue;
        }
        let map = Foreign { map: descriptor(call(MAP_GET_FD_BY_ID, &by_id(info.id())).map_err(text)?), info };
        let Some(key) = map.keys()?.into_iter().next() else { continue };
        let mut value = map.value(&key)?;
        same(&name, map.put(&key, &mut value), Err(Errno::EPERM))?;
        looked += 1;
    }
    holds(looked > 0, "nothing was there to be frozen")?;
    same("the filter", read(FILE)?, REFUSED)?;
    ended_well(shell, 0)
}

/// And what it can notice without such calls it does.
pub fn unseen() -> Outcome {
    fs::write(FILE, "content").map_err(text)?;
    let me = std::process::id();
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {me}}}).deny().name(\"t\").attach();
         let all = probe(\"bpf\").name(\"all\").attach(); print(\"ready\");"
    ))?;
    shell.drain();
    shell.seen.clear();
    thread::sleep(stretched(Duration::from_secs(2)));
    shell.drain();
    let own: Vec<_> =
        shell.seen.iter().filter(|line| line["type"] == "event" && line["pid"] == shell.pid()).collect();
    holds(own.is_empty(), format!("{own:?}"))?;
    let settings = Foreign::all("krsi_settings")?;
    let of_file_open = |map: &&Foreign| map.word(MODE).is_ok_and(|word| word & 0xff == 2);
    settings.iter().find(of_file_open).ok_or("no settings that deny")?.set_word(MODE, 1)?;
    said(&mut shell, "to shadow; that was put back")?;
    shell.stop().map(drop)
}

/// Everything that a session changes of its own probes, for as long as it takes to be seen.
pub fn own_changes() -> Outcome {
    for file in [FILE, OTHER] {
        fs::write(file, "content").map_err(text)?;
    }
    let me = std::process::id();
    let mut shell = Shell::ready(&format!(
        r#"
        let p = probe("file_open", #{{path: "{FILE}"}}).scope(#{{pid: {me}}}).deny().name("t").trip(5, "1m").count_by("comm").attach();
        let n = 0;
        every("100ms", || {{
            n += 1;
            switch n % 8 {{
                0 => p.deny("EACCES"), 1 => p.lease(`${{n + 100}}s`), 2 => p.set("path", ["{FILE}", "{OTHER}"]),
                3 => p.when(|e| e.uid == 0), 4 => p.set("path", ["{FILE}"]), 5 => p.shadow(),
                6 => p.rearm(), _ => p.when(()),
            }};
            p.take();
        }});
        let q = probe("exec", #{{path: "{OTHER}"}}).scope(#{{uid: 54321}}).ask(|e| allow()).name("q").attach();
        print("ready");
        "#
    ))?;
    let begun = Instant::now();
    let mut round = 0;
    while begun.elapsed() < stretched(Duration::from_secs(5)) {
        round += 1;
        // Another file of the same name, which is followed.
        fs::rename(OTHER, format!("{OTHER}-{round}")).map_err(text)?;
        fs::write(OTHER, "content").map_err(text)?;
        fs::rename(FILE, format!("{FILE}-{round}")).map_err(text)?;
        fs::write(FILE, "content").map_err(text)?;
        read(FILE)?;
        // A waker is replaced.
        if let Some(waker) = ask::wakers_of(shell.pid()).into_iter().next() {
            let _ = kill(Pid::from_raw(waker.cast_signed()), Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(400));
    }
    shell.drain();
    let ended = shell.stop()?;
    let alerts: Vec<_> = ended.lines.iter().filter(|line| line["type"] == "alert").collect();
    let of_somebody = alerts.iter().filter(|line| line.to_string().contains("somebody")).count();
    holds(of_somebody == 0, format!("{alerts:?}"))?;
    for probe in ["t", "q"] {
        same(probe, &ended.books(probe)?["altered"], &json!(0))?;
    }
    for number in 1..=round {
        for file in [FILE, OTHER] {
            let _ = fs::remove_file(format!("{file}-{number}"));
        }
    }
    ended.well()
}
