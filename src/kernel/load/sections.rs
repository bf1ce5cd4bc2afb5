//! Names of sections, by which aya tells what sort of program each is.

use std::borrow::Cow;

/// aya knows no sections `fmod_ret/…`: they go by the name of one that no template has, as long as theirs.
pub fn as_aya_knows(object: &[u8]) -> Cow<'_, [u8]> {
    const OURS: &[u8] = b"fmod_ret/security_";
    const KNOWN: &[u8] = b"fexit////security_";
    if memchr::memmem::find(object, OURS).is_none() {
        return Cow::Borrowed(object);
    }
    let mut bytes = object.to_vec();
    while let Some(at) = memchr::memmem::find(&bytes, OURS) {
        bytes[at..at + KNOWN.len()].copy_from_slice(KNOWN);
    }
    Cow::Owned(bytes)
}
