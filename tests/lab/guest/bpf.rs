//! Claims about the template `bpf`, and calls of bpf(2) for others.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    holds, same,
    shell::{self, Shell},
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

pub const MAP_CREATE: u32 = 0;
pub const PROG_LOAD: u32 = 5;
pub const PROG_GET_NEXT_ID: u32 = 11;
pub const PROG_GET_FD_BY_ID: u32 = 13;
pub const MAP_GET_FD_BY_ID: u32 = 14;
const OBJ_GET_INFO_BY_FD: u32 = 15;

pub const ARRAY: u32 = 2;
pub const QUEUE: u32 = 22;
pub const SOCKET_FILTER: u32 = 1;

/// Its attributes as bytes: enough of them for every command used here.
pub type Attributes = [u8; 128];

fn attributes(words: &[(usize, &[u8])]) -> Attributes {
    let mut attributes = [0; 128];
    for (at, bytes) in words {
        attributes[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    attributes
}

pub fn call(command: u32, attributes: &Attributes) -> Result<i32, Errno> {
    // SAFETY: the kernel reads the attributes, whose pointers are to what lives as long as the program.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), attributes.len()) };
    Errno::result(result).map(|result| i32::try_from(result).unwrap_or_default())
}

pub fn descriptor(number: i32) -> OwnedFd {
    // SAFETY: a descriptor that was just made, and is nobody else's.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Of one element. A queue's have no keys.
pub fn map(kind: u32, name: &str) -> Attributes {
    let key: u32 = if kind == QUEUE { 0 } else { 4 };
    attributes(&[
        (0, &kind.to_ne_bytes()),
        (4, &key.to_ne_bytes()),
        (8, &4_u32.to_ne_bytes()),
        (12, &1_u32.to_ne_bytes()),
        (28, name.as_bytes()),
    ])
}

/// `r0 = 0; exit`.
static INSTRUCTIONS: [u64; 2] = [0xb7, 0x95];

pub fn program(kind: u32, name: &str) -> Attributes {
    attributes(&[
        (0, &kind.to_ne_bytes()),
        (4, &2_u32.to_ne_bytes()),
        (8, &(INSTRUCTIONS.as_ptr() as u64).to_ne_bytes()),
        (16, &(c"GPL".as_ptr() as u64).to_ne_bytes()),
        (48, name.as_bytes()),
    ])
}

/// Loads a program that permits everything, and attaches it to the hook of this BTF id.
pub fn attach_lsm(function: u32) -> Result<OwnedFd, Errno> {
    const LSM: u32 = 29;
    const LSM_MAC: u32 = 27;
    const RAW_TRACEPOINT_OPEN: u32 = 17;
    let mut load = program(LSM, "krsi_other");
    load[68..72].copy_from_slice(&LSM_MAC.to_ne_bytes());
    load[108..112].copy_from_slice(&function.to_ne_bytes());
    let program = descriptor(call(PROG_LOAD, &load)?);
    call(RAW_TRACEPOINT_OPEN, &attributes(&[(8, &program.as_raw_fd().to_ne_bytes())])).map(descriptor)
}

pub fn by_id(id: u32) -> Attributes {
    attributes(&[(0, &id.to_ne_bytes())])
}

/// The id of a map or a program.
pub fn id_of(object: &OwnedFd, is_map: bool) -> Result<u32, String> {
    // struct bpf_map_info and bpf_prog_info: both begin with the type and the id.
    let info = [0_u32; 4];
    let asked = attributes(&[
        (0, &object.as_raw_fd().to_ne_bytes()),
        (4, &(size_of_val(&info) as u32).to_ne_bytes()),
        (8, &(info.as_ptr() as u64).to_ne_bytes()),
    ]);
    call(OBJ_GET_INFO_BY_FD, &asked).map_err(|e| format!("is_map {is_map}: {e}"))?;
    // SAFETY: the kernel has written there.
    Ok(unsafe { std::ptr::read_volatile(&info[1]) })
}

fn made_by(identity: &Identity, command: u32, attributes: Attributes) -> Result<Task, String> {
    task::perform(identity, || exit_code(call(command, &attributes).map(drop)))
}

pub const CASE: Case = Case {
    template: "bpf",
    params: "name: \"krsi_case\"",
    prepare: || Ok(()),
    acts: &[
        Act::new("making a map", "bpf", || {
            let tells = json!({
                "command": "map_create", "map_type": "queue", "prog_type": "none", "attach_type": "none",
                "instructions": 0, "id": 0, "name": "krsi_case",
            });
            Ok(Performed { task: made_by(&ACTOR, MAP_CREATE, map(QUEUE, "krsi_case"))?, tells })
        }),
        Act::new("loading a program", "bpf", || {
            let tells = json!({
                "command": "prog_load", "map_type": "none", "prog_type": "socket_filter", "attach_type": "none",
                "instructions": 2, "id": 0, "name": "krsi_case",
            });
            Ok(Performed { task: made_by(&ACTOR, PROG_LOAD, program(SOCKET_FILTER, "krsi_case"))?, tells })
        }),
    ],
};

fn probe(params: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"bpf\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

pub fn narrowed() -> Outcome {
    let made = |command, attributes| made_by(&ME, command, attributes).map(|task| task.deed);
    let mut shell = probe("command: [\"prog_load\", \"prog_get_next_id\"]")?;
    same("a program", made(PROG_LOAD, program(SOCKET_FILTER, "x"))?, REFUSED)?;
    same("a map", made(MAP_CREATE, map(ARRAY, "x"))?, Deed::Done)?;
    let task = made_by(&ME, PROG_GET_NEXT_ID, by_id(1))?;
    same("the next id", task.deed, REFUSED)?;
    let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
    let told = (&event["command"], &event["id"]);
    same("told", told, (&json!("prog_get_next_id"), &json!(1)))?;
    shell.stop()?.well()?;
    let shell = probe("prog_type: \"xdp\", map_type: \"array\"")?;
    same("another type of program", made(PROG_LOAD, program(SOCKET_FILTER, "x"))?, Deed::Done)?;
    same("this type of map", made(MAP_CREATE, map(ARRAY, "x"))?, REFUSED)?;
    same("another type of map", made(MAP_CREATE, map(QUEUE, "x"))?, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("name_prefix: \"krsi\"")?;
    same("a name that begins so", made(MAP_CREATE, map(ARRAY, "krsi_x"))?, REFUSED)?;
    same("another name", made(MAP_CREATE, map(ARRAY, "x_krsi"))?, Deed::Done)?;
    shell.stop()?.well()
}

/// All that the shell does goes by bpf(2): under a probe that denies it to everybody it attaches others, changes and
/// counts them, and lets go of all.
pub fn shell_is_spared() -> Outcome {
    let script = r#"
        let all = probe("bpf").everywhere().lease("5m").deny("EPERM").name("all").attach();
        let file = probe("file_open", #{path: "/tmp/spared"}).scope(#{uid: 5}).deny("EPERM").name("file").attach();
        file.set("path", "/tmp/spared-too");
        file.when(|e| e.uid == 0);
        file.shadow();
        emit(#{counted: file.stats().matched, seen: all.stats().seen});
        file.detach();
        print("ready");
    "#;
    let mut shell = Shell::ready(script)?;
    let counted = shell.wait_for(|line| line["type"] == "emit")?;
    holds(counted["seen"].as_u64() > Some(10), format!("its own calls are seen: {counted}"))?;
    let made = made_by(&ME, MAP_CREATE, map(ARRAY, "x"))?;
    same("somebody else", made.deed, REFUSED)?;
    let other = shell::run("probe(\"file_open\").attach()")?;
    same("another shell", other.code, Some(3))?;
    let ended = shell.stop()?;
    let books = ended.books("all")?;
    holds(books["guarded"].as_u64() > Some(10), format!("spared, and counted so: {books}"))?;
    holds(books["deny"].as_u64() > Some(0), format!("others are denied: {books}"))?;
    ended.well()?;
    same("afterwards", made_by(&ME, MAP_CREATE, map(ARRAY, "x"))?.deed, Deed::Done)
}
