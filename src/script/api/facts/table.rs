//! A function for each fact of the table.

use rhai::{Dynamic, Engine, FuncRegistration, NativeCallContext};

use super::{Fallible, read};
use crate::{
    facts::{FACTS, Fact, Many, bpf, help},
    script::{api::runtime, json::from_json},
};

pub fn register(engine: &mut Engine) {
    for fact in FACTS {
        let call = move |context: NativeCallContext| -> Fallible<Dynamic> {
            read(&*runtime(&context)?, |reader| (fact.read)(reader)).map(from_json)
        };
        declare(fact.name, fact.many, &fact.help()).register_into_engine(engine, call);
    }
    let call = |context: NativeCallContext| -> Fallible<Dynamic> {
        let runtime = runtime(&context)?;
        let programs = runtime.backend.programs().map_err(crate::script::Fault::from)?;
        read(&runtime, |_| Fact::value(programs)).map(from_json)
    };
    let doc = help(
        "Returns all BPF programs that are loaded, by any process: `bpf_programs().filter(|p| p.kind == \"lsm\")`. Needs the privilege that probes need; in `explain` there are none.",
        Many::List,
        <bpf::Program as crate::facts::Record>::FIELDS,
    );
    declare("bpf_programs", Many::List, &doc).register_into_engine(engine, call);
}

fn declare(name: &str, many: Many, doc: &str) -> FuncRegistration {
    let gives = if many == Many::List { "array" } else { "map" };
    let doc: String = doc.lines().map(|line| format!("/// {line}\n")).collect();
    FuncRegistration::new(name).with_params_info([gives]).with_comments([doc.trim_end()])
}
