//! Networks of IP addresses.

use rhai::{Array, Engine, plugin::*};

use super::Fallible;
use crate::{
    script::{Fault, docs},
    values::{Network, Networks},
};

fn parse(text: &str) -> Fallible<Network> {
    Network::parse(text).map_err(|error| Fault::script(error).about(text).into())
}

#[export_module]
mod functions {
    /// Makes a network of IP addresses, IPv4 or IPv6: `e.address in cidr("10.0.0.0/8")`, `cidr("2001:db8::/32")`. 0.0.0.0
    /// and ::, which reach the loopback, are in the networks that contain 127.0.0.1 or ::1, as for the param `address`.
    #[rhai_fn(return_raw)]
    pub fn cidr(network: &str) -> Fallible<Networks> {
        Ok(Networks(vec![parse(network)?]))
    }

    /// Makes a set of several networks: `e.address in cidr(["10.0.0.0/8", "fd00::/8"])`.
    #[rhai_fn(name = "cidr", return_raw)]
    pub fn cidr_of_several(networks: Array) -> Fallible<Networks> {
        let text = |item: Dynamic| {
            item.into_immutable_string().map_err(|kind| {
                Fault::script(format!("a network is a string, not {}", docs::plain_types(kind)))
            })
        };
        networks.into_iter().map(|item| parse(&text(item)?)).collect::<Fallible<_>>().map(Networks)
    }

    /// Returns whether an address is in one of the networks, as `in` does: `cidr("10.0.0.0/8").contains(e.address)`. The
    /// empty string is in none.
    pub fn contains(networks: &mut Networks, address: &str) -> bool {
        networks.contain(address)
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(networks: &mut Networks) -> String {
        networks.to_string()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Networks>("Networks");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
