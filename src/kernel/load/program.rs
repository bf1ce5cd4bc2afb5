//! One program of a template, from instructions to a link in the kernel.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_cmd, bpf_func_info, bpf_link_info, bpf_prog_info, bpf_prog_type,
};

use crate::kernel::{
    call::{bpf, descriptor, inform},
    load::{
        fold::Code,
        instruction::{Instruction, class, operation},
    },
};

/// What sort of program the kernel is told that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Lsm,
    /// Of a function whose return value it may set.
    ModifyReturn,
    Tracepoint,
    /// Of a function's entry.
    Function,
    /// Of a function's exit, or that of another program.
    Exit,
    Iterator,
}

impl Sort {
    fn kernel(self) -> (bpf_prog_type, bpf_attach_type) {
        use bpf_attach_type::{
            BPF_LSM_MAC, BPF_MODIFY_RETURN, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_TRACE_ITER,
            BPF_TRACE_RAW_TP,
        };
        use bpf_prog_type::{BPF_PROG_TYPE_LSM, BPF_PROG_TYPE_TRACING};
        match self {
            Sort::Lsm => (BPF_PROG_TYPE_LSM, BPF_LSM_MAC),
            Sort::ModifyReturn => (BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN),
            Sort::Tracepoint => (BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP),
            Sort::Function => (BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY),
            Sort::Exit => (BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT),
            Sort::Iterator => (BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER),
        }
    }
}

/// What is to be loaded.
pub struct Request<'r> {
    pub name: &'r str,
    pub sort: Sort,
    /// Whether it may wait for memory that is not there.
    pub sleepable: bool,
    /// The number of the kernel's type that it is attached to.
    pub target: u32,
    /// The program whose type it is, if it is not the kernel's.
    pub of_program: Option<BorrowedFd<'r>>,
    pub license: &'r CStr,
    /// The object's types, if it has any.
    pub types: Option<&'r OwnedFd>,
}

/// Why the kernel takes a program no more, and what the verifier says to it; nothing if it was never asked.
#[derive(Debug)]
pub struct Refused {
    pub error: io::Error,
    pub log: String,
}

/// Has the kernel verify it.
///
/// # Errors
/// If the kernel refuses it.
pub fn load(request: &Request<'_>, code: &Code) -> Result<OwnedFd, Refused> {
    const FIRST_LOG: usize = 1 << 20;
    // The log is limited to this by the kernel itself (UINT_MAX >> 2, and >> 8 before 5.19).
    const LONGEST_LOG: usize = u32::MAX as usize >> 8;
    let first = match load_once(request, code, &mut []) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    // Once more for its reasons: a log makes verification slow.
    let mut size = FIRST_LOG;
    loop {
        let mut log = vec![0; size];
        match load_once(request, code, &mut log) {
            Ok(program) => return Ok(program),
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOSPC) && size < LONGEST_LOG => {
                size = (size * 8).min(LONGEST_LOG);
            }
            Err(_) => {
                let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
                let log = String::from_utf8_lossy(&log[..end]).into_owned();
                return Err(Refused { error: first, log });
            }
        }
    }
}

/// Whether this host refuses each program of this sort, whatever is in it: one that does nothing is tried.
pub fn is_refused(sort: Sort, target: u32) -> bool {
    let set_to_0 = Instruction { code: class::ALU64 | operation::MOV, ..Instruction::default() };
    let exit = Instruction { code: class::JMP | operation::EXIT, ..Instruction::default() };
    let code = Code { instructions: vec![set_to_0, exit], functions: Vec::new() };
    let request = Request {
        name: "krsi_tried",
        sort,
        sleepable: false,
        target,
        of_program: None,
        license: c"Dual MIT/GPL",
        types: None,
    };
    let refusal = load_once(&request, &code, &mut []).err();
    refusal.is_some_and(|error| error.raw_os_error() == Some(nix::libc::EPERM))
}

fn load_once(request: &Request<'_>, code: &Code, log: &mut [u8]) -> io::Result<OwnedFd> {
    const SLEEPABLE: u32 = 1 << 4;
    let instructions: Vec<u8> = code.instructions.iter().flat_map(|one| one.bytes()).collect();
    let functions = code.functions.iter().map(|function| {
        let insn_off = u32::try_from(function.start).map_err(io::Error::other)?;
        Ok(bpf_func_info { insn_off, type_id: function.type_id })
    });
    let functions = functions.collect::<io::Result<Vec<_>>>()?;
    let (kind, attach) = request.sort.kernel();
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_PROG_LOAD reads this variant.
    let load = unsafe { &mut attributes.__bindgen_anon_3 };
    load.prog_type = kind as u32;
    load.expected_attach_type = attach as u32;
    load.prog_flags = if request.sleepable { SLEEPABLE } else { 0 };
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = u32::try_from(code.instructions.len()).map_err(io::Error::other)?;
    load.license = request.license.as_ptr() as u64;
    load.attach_btf_id = request.target;
    if let Some(program) = request.of_program {
        load.__bindgen_anon_1.attach_prog_fd = program.as_raw_fd().cast_unsigned();
    }
    if let Some(types) = request.types {
        load.prog_btf_fd = types.as_raw_fd().cast_unsigned();
        load.func_info = functions.as_ptr() as u64;
        load.func_info_cnt = u32::try_from(functions.len()).map_err(io::Error::other)?;
        load.func_info_rec_size = size_of::<bpf_func_info>() as u32;
    }
    let room = load.prog_name.len() - 1;
    for (to, from) in load.prog_name[..room].iter_mut().zip(request.name.bytes()) {
        *to = from.cast_signed();
    }
    if !log.is_empty() {
        load.log_level = 1;
        load.log_size = u32::try_from(log.len()).map_err(io::Error::other)?;
        load.log_buf = log.as_mut_ptr() as u64;
    }
    descriptor(bpf(bpf_cmd::BPF_PROG_LOAD, &mut attributes))
}

/// Attaches a program to what it was loaded for, until the descriptor that this gives is closed.
///
/// # Errors
/// If the kernel has no room for it there.
pub fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this union of plain numbers; without a name the target is that of the load.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
    descriptor(bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attributes))
}

/// Which link a descriptor stands for, by the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub id: u32,
    /// To which program it is.
    pub program: u32,
}

impl Link {
    /// # Errors
    /// If it stands for none, or the kernel does not tell.
    pub fn of(link: &OwnedFd) -> io::Result<Self> {
        // SAFETY: all zero is a valid value of this struct of plain numbers.
        let mut info = unsafe { std::mem::zeroed::<bpf_link_info>() };
        inform(link.as_fd(), &mut info)?;
        Ok(Link { id: info.id, program: info.prog_id })
    }
}

/// How often the kernel has passed the program over, since another task was in it on the same processor. It counts so from
/// Linux 5.12 on, when it began to do so.
///
/// # Errors
/// If the kernel does not tell.
pub fn missed(program: &OwnedFd) -> io::Result<u64> {
    // SAFETY: all zero is a valid value of this struct of plain numbers.
    let mut info = unsafe { std::mem::zeroed::<bpf_prog_info>() };
    inform(program.as_fd(), &mut info)?;
    Ok(info.recursion_misses)
}

/// Makes an iterator's output a file to be read. The iterator runs while it is read.
///
/// # Errors
/// If the kernel makes none.
pub fn open_iterator(program: &OwnedFd) -> io::Result<File> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    attributes.link_create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    let link = descriptor(bpf(bpf_cmd::BPF_LINK_CREATE, &mut attributes))?;
    // SAFETY: as above.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.iter_create.link_fd = link.as_raw_fd().cast_unsigned();
    descriptor(bpf(bpf_cmd::BPF_ITER_CREATE, &mut attributes)).map(File::from)
}
