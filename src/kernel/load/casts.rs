//! Fields behind addresses: what stands in a template for the kernel's own function that says of what type they are.
//!
//! `bpf_rdonly_cast` (from Linux 6.2 on) is no helper with a number in the ABI: a program names it, and the type,
//! by numbers of the running kernel's types. A template has a number of its own for each type and for the function
//! (ebpf-templates/include/krsi_kernel.bpf.h), which are replaced here.

use super::instruction::{Instruction, class, operation, pseudo};

/// The kernel's function.
pub const FUNCTION: &str = "bpf_rdonly_cast";

/// `KRSI_CAST_BASE` of the templates, which is also the helper's number.
const BASE: i32 = 0x4b52_5300;

/// `KRSI_CAST_TYPES` of the templates, in the order of their numbers.
pub const TYPES: [&str; 27] = [
    "cgroup",
    "cgroup_root",
    "cred",
    "css_set",
    "dentry",
    "file",
    "fs_struct",
    "inode",
    "kernfs_node",
    "linux_binprm",
    "mm_struct",
    "mnt_namespace",
    "mount",
    "msghdr",
    "net",
    "ns_common",
    "nsproxy",
    "pid",
    "pid_namespace",
    "proc_ns_operations",
    "signal_struct",
    "sock",
    "socket",
    "super_block",
    "task_struct",
    "user_namespace",
    "vfsmount",
];

/// The running kernel's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Casts {
    pub function: i32,
    /// As in [`TYPES`].
    pub types: [i32; TYPES.len()],
}

/// Puts the kernel's numbers in the place of the templates' own.
pub fn resolve(code: &mut [Instruction], casts: &Casts) {
    let mut wide = false;
    for one in code {
        // The upper half of a wide load is no instruction.
        if std::mem::replace(&mut wide, one.is_wide()) {
            continue;
        }
        if one.is_call() && one.src == 0 && one.immediate == BASE {
            (one.src, one.immediate) = (pseudo::KERNEL_CALL, casts.function);
        } else if matches!(one.class(), class::ALU | class::ALU64)
            && one.operation() == operation::MOV
            && !one.by_register()
            && let Some(number) = one.immediate.checked_sub(BASE).and_then(|n| usize::try_from(n).ok())
            && let Some(known) = casts.types.get(number)
        {
            one.immediate = *known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn numbers_are_the_templates_own() {
        let shapes = Shapes::of("file_open");
        for (number, name) in (u64::from(BASE.cast_unsigned())..).zip(TYPES) {
            assert_eq!(shapes.number("krsi_cast_type", &format!("krsi_cast_type_{name}")), number, "{name}");
        }
    }

    #[test]
    fn only_what_stands_for_a_number_of_the_kernels_is_replaced() {
        let put = |code, src, immediate| Instruction { code, dst: 2, src, offset: 0, immediate };
        let casts = Casts { function: 77, types: std::array::from_fn(|n| 100 + n as i32) };
        let mut code = [
            put(0xb7, 0, BASE + 5),
            put(0x85, 0, BASE),
            put(0x18, 0, BASE),
            put(0, 0, BASE),
            put(0xb7, 0, BASE + 27),
            put(0x85, 1, BASE),
        ];
        resolve(&mut code, &casts);
        let (kernel, end) = (pseudo::KERNEL_CALL, put(0x85, 1, BASE));
        let expected = [
            put(0xb7, 0, 105),
            put(0x85, kernel, 77),
            put(0x18, 0, BASE),
            put(0, 0, BASE),
            put(0xb7, 0, BASE + 27),
            end,
        ];
        assert_eq!(code, expected);
    }
}
