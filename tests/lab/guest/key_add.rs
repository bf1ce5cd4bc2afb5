//! Claims about the template `key_add`.

use std::ffi::CString;

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

/// Into a keyring that goes with the process.
fn add(identity: &Identity, kind: &str, name: &str) -> Result<Task, String> {
    const PROCESS_KEYRING: i32 = -2;
    let (kind, name) = (CString::new(kind).unwrap_or_default(), CString::new(name).unwrap_or_default());
    task::perform(identity, move || {
        let payload = b"a secret:x";
        // SAFETY: texts that end with a NUL, and as many bytes of payload as there are.
        let added = unsafe {
            libc::syscall(
                libc::SYS_add_key,
                kind.as_ptr(),
                name.as_ptr(),
                payload.as_ptr(),
                payload.len(),
                PROCESS_KEYRING,
            )
        };
        exit_code(Errno::result(added).map(drop))
    })
}

pub const CASE: Case = Case {
    template: "key_add",
    params: "name: \"krsi-case\"",
    prepare: || Ok(()),
    acts: &[Act::new("adding a key", "key_alloc", || {
        let tells = json!({
            // Whoever possesses it may do anything, its user may look at it.
            "owner": ACTOR.euid, "permissions": 0x3f01_0000, "key_type": "user", "name": "krsi-case",
        });
        Ok(Performed { task: add(&ACTOR, "user", "krsi-case")?, tells })
    })],
};

pub fn narrowed() -> Outcome {
    let probe = |params: &str| {
        Shell::ready(&format!(
            "probe(\"key_add\", #{{{params}}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
            std::process::id()
        ))
    };
    let shell = probe("type: \"logon\"")?;
    same("this type", add(&ME, "logon", "krsi:x")?.deed, REFUSED)?;
    same("another type", add(&ME, "user", "krsi:x")?.deed, Deed::Done)?;
    shell.stop()?.well()?;
    let shell = probe("name_prefix: \"krsi:\"")?;
    same("a name that begins so", add(&ME, "user", "krsi:x")?.deed, REFUSED)?;
    same("another name", add(&ME, "user", "krsi")?.deed, Deed::Done)?;
    shell.stop()?.well()
}
