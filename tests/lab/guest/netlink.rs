//! Claims about the template `netlink`.

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, joined, made, probe, tells},
    same,
    task::Deed,
};

const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// The family of `generic` that tells of the others, and its command for that.
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;

pub const CASE: Case = Case {
    template: "netlink",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("route", "netlink_send", || {
            let told = json!({
                "netlink_protocol": "route", "route": "RTM_GETLINK", "command": 0, "types": [GETLINK], "messages": 1,
                "flags": ["NLM_F_REQUEST", "NLM_F_ROOT/REPLACE", "NLM_F_MATCH/EXCL"],
            });
            sent(libc::NETLINK_ROUTE, message(GETLINK, REQUEST | DUMP, &[0; 16]), told)
        }),
        Act::new("generic", "netlink_send", || {
            let told = json!({
                "netlink_protocol": "generic", "route": "none", "command": GET_FAMILY, "types": [CONTROL], "messages": 1,
                "flags": ["NLM_F_REQUEST", "NLM_F_ROOT/REPLACE", "NLM_F_MATCH/EXCL"],
            });
            sent(libc::NETLINK_GENERIC, message(CONTROL, REQUEST | DUMP, &[GET_FAMILY, 1, 0, 0]), told)
        }),
    ],
};

/// With its header, padded to whole words.
fn message(of: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let head = [&length.to_ne_bytes()[..], &of.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
    let mut whole = [head, body.to_vec()].concat();
    whole.resize(whole.len().next_multiple_of(4), 0);
    whole
}

fn sent(protocol: i32, data: Vec<u8>, told: Value) -> Result<Performed, String> {
    let size = json!({"size": data.len(), "more": false, "subsystem": "none"});
    net::acted(&[net::here()?, size, told], || go(protocol, &data))
}

fn go(protocol: i32, data: &[u8]) -> Result<(), Errno> {
    net::send(net::socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?, data)
}

/// Every message of a call is told, in its order, up to sixteen; and what is cut off, or no message, is none.
pub fn many() -> Outcome {
    let mut shell = probe("netlink", "", "")?;
    let get = || message(GETLINK, REQUEST, &[0; 16]);
    let several =
        |count: usize| [vec![message(GETADDR, 0, &[0; 5])], vec![get(); count - 1]].concat().concat();
    let mut cut = [get(), get()].concat();
    cut.truncate(cut.len() - 1);
    for (what, data, types, more) in [
        ("two", several(2), vec![GETADDR, GETLINK], false),
        ("sixteen", several(16), [&[GETADDR][..], &[GETLINK; 15]].concat(), false),
        ("seventeen", several(17), [&[GETADDR][..], &[GETLINK; 15]].concat(), true),
        ("cut off", cut, vec![GETLINK], false),
        ("a length of nothing", [vec![0; 16], get()].concat(), vec![0], false),
        ("no message", vec![1, 2, 3], vec![], false),
    ] {
        let task = made(|| go(libc::NETLINK_ROUTE, &data))?;
        same(what, task.deed, Deed::Done)?;
        let event = net::event(&mut shell, task.pid)?;
        let truth = json!({
            "types": types, "messages": types.len(), "more": more, "size": data.len(), "netlink_protocol": "route",
        });
        tells(&event, &joined(&[truth, net::here()?])).map_err(|e| format!("{what}: {e}"))?;
    }
    shell.stop()?.well()
}

/// A rule about a type finds it behind others.
pub fn rules() -> Outcome {
    let shell = super::shell::Shell::ready(&format!(
        "probe(\"netlink\", #{{netlink_protocol: \"route\"}}).scope(#{{pid: {}}}).when(|e| e.more || e.types.any(|t| t == {NEWADDR})).deny(\"EXDEV\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let get = || message(GETLINK, REQUEST, &[0; 16]);
    let new = || message(NEWADDR, REQUEST, &[0; 8]);
    for (what, data, expected) in [
        ("asking", get(), false),
        ("making", new(), true),
        ("behind another", [get(), get(), new()].concat(), true),
        ("behind sixteen", [vec![get(); 16], vec![new()]].concat().concat(), true),
    ] {
        same(what, net::denied(|| go(libc::NETLINK_ROUTE, &data))?, expected)?;
    }
    let generic = message(CONTROL, REQUEST | DUMP, &[GET_FAMILY, 1, 0, 0]);
    same("another protocol", net::denied(|| go(libc::NETLINK_GENERIC, &generic))?, false)?;
    shell.stop()?.well()
}
