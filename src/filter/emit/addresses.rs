//! IP addresses: which network they are in.

use super::{Alu, EVENT, Emitter, Jump, Label, offset};
use crate::{filter::ir::Address, values::Network};

/// Where the bytes of the address begin, behind its version.
const BYTES: usize = 4;

impl Emitter<'_> {
    pub(super) fn within(&mut self, address: &Address, networks: &[Network], yes: Label, no: Label) {
        for network in networks {
            let next = self.to.label();
            self.to.load(4, 2, EVENT, offset(address.offset));
            self.to.jump_immediate(Jump::NotEqual, 2, network.version().into(), next);
            self.in_network(address, network, next);
            self.to.goto(yes);
            self.to.here(next);
        }
        self.to.goto(no);
    }

    /// Word by word, of which the last may count in part.
    fn in_network(&mut self, address: &Address, network: &Network, no: Label) {
        // An IPv4 address is the last of four words, whatever stands before it.
        let first = if network.version() == 4 { 3 } else { 0 };
        for (word, bytes) in network.octets().chunks_exact(4).enumerate().skip(first) {
            let bits = usize::from(network.common_bits()).saturating_sub(word * 32).min(32);
            if bits == 0 {
                return;
            }
            let mask = (u64::from(u32::MAX) << (32 - bits)) as u32;
            let expected = bytes.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte));
            self.to.load(4, 3, EVENT, offset(address.offset + BYTES + word * 4));
            if bits < 32 {
                self.to.constant(4, mask.swap_bytes().into());
                self.to.alu(Alu::And, 3, 4);
            }
            self.to.jump_immediate32(Jump::NotEqual, 3, expected.cast_signed(), no);
        }
    }
}
