//! Filters from trivial to heavy: each as a closure, and under the same name by hand in `hand.bpf.c`.

use krsi_sh::template::{FieldKind, Template};

pub struct Case {
    /// Of the section in `hand.bpf.c`.
    pub hand: &'static str,
    pub name: &'static str,
    /// In front of the closure.
    pub before: &'static str,
    pub closure: &'static str,
}

const fn case(hand: &'static str, name: &'static str, before: &'static str, closure: &'static str) -> Case {
    Case { hand, name, before, closure }
}

pub const TEMPLATE: &str = "file_open";

pub const CASES: [Case; 7] = [
    case("one_number", "filter, one number", "", "|e| e.uid == 1000"),
    case(
        "numbers",
        "filter, some numbers",
        "",
        "|e| e.uid >= 1000 && e.uid < 60000 && (e.file_mode & 0o111) != 0 && \"write\" in e.access",
    ),
    case(
        "arithmetic",
        "filter, 64-bit arithmetic",
        "",
        "|e| (e.size + 4095) / 4096 > 256 && e.size % 512 != 0",
    ),
    case(
        "set",
        "filter, a set of 32",
        "let ids = [0, 7, 33, 101, 109, 250, 404, 998, 1000, 1004, 1010, 1050, 1100, 1203, 1500, 1999, 2001, 2500, 3000, \
         3100, 4000, 4242, 5000, 6001, 7000, 8080, 9000, 10000, 20000, 30000, 60000, 65534];",
        "|e| e.uid in ids",
    ),
    case(
        "texts",
        "filter, whole texts and a prefix",
        "let shells = [\"bash\", \"zsh\", \"dash\", \"sh\"];",
        "|e| e.path.starts_with(\"/etc/\") || e.comm in shells",
    ),
    case("search", "filter, one search", "", "|e| e.exe.contains(\"memfd:\")"),
    case(
        "searches",
        "filter, two searches, one in any case",
        "",
        "|e| e.exe.to_ascii_lower().contains(\"/.ssh/\") || e.exe.contains(\"memfd:\")",
    ),
];

/// What is asked about: an open as there are thousands, of which none of the searches finds anything.
pub const EVENT: [(&str, Value); 8] = [
    ("uid", Value::Number(1011)),
    ("size", Value::Number((2 << 20) + 77)),
    ("file_mode", Value::Number(0o10_0755)),
    ("access", Value::Number(3)),
    ("comm", Value::Text("cc1plus")),
    ("exe", Value::Text("/usr/libexec/gcc/x86_64-linux-gnu/14/cc1plus")),
    ("path_length", Value::Number(PATH.len() as u64)),
    ("path", Value::Text(PATH)),
];
pub const PATH: &str = "/home/operator/projects/service/include/boost/asio/detail/socket_ops.hpp";

#[derive(Debug, Clone, Copy)]
pub enum Value {
    Number(u64),
    Text(&'static str),
}

/// # Errors
/// If the template lacks a field, or has one that is no text where there should be one.
pub fn event(template: &Template) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; template.event_size];
    for (name, value) in EVENT {
        let field = template.field(name).ok_or_else(|| format!("no field `{name}`"))?;
        let value = match value {
            Value::Number(number) => number.to_le_bytes()[..field.size].to_vec(),
            Value::Text(text) if field.kind == FieldKind::Text => text.as_bytes().to_vec(),
            Value::Text(_) => return Err(format!("`{name}` is no text")),
        };
        bytes[field.offset..field.offset + value.len()].copy_from_slice(&value);
    }
    Ok(bytes)
}
