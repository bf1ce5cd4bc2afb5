//! Attempts at what ought to be forbidden, in a scratch.

use std::rc::Rc;

use rhai::{Array, Engine, Map, plugin::*};

use super::{Fallible, a, process, runtime};
use crate::{
    attempt::{
        Attempted, Ending, Namespace, Operation, Performed, Ran, Reply, Scratch, Spec, Value, Want, Work,
        operations,
    },
    raw,
    script::{
        Fault,
        policy::Effect,
        runtime::{Runtime, Turn, Until},
        scratch::{Held, ScratchHandle},
    },
    system::login::Login,
    values::nearest,
};

/// What may stand in the map of a scratch.
const KEYS: [&str; 5] = ["user", "cgroup", "namespaces", "no_new_privs", "capabilities"];
/// Whose processes are in a scratch that root makes without saying so.
const USER: &str = "nobody";

fn spec(said: &Map, cgroup: Want) -> Fallible<Spec> {
    if let Some(stranger) = said.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near =
            nearest(stranger, KEYS).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let text = format!("a scratch has no `{stranger}`{near}; allowed: {}", KEYS.join(", "));
        return Err(Fault::script(text).about(stranger).into());
    }
    let cgroup = match flag(said, "cgroup")? {
        Some(true) => Want::Yes,
        Some(false) => Want::No,
        None => cgroup,
    };
    let namespaces = words(said, "namespaces", &mut |name| {
        Namespace::from_name(name).ok_or_else(|| {
            let near = nearest(name, Namespace::NAMES.iter().copied());
            let near = near.map_or_else(String::new, |near| format!(" (did you mean \"{near}\"?)"));
            Fault::script(format!(
                "there is no namespace \"{name}\"{near}; allowed: {}",
                Namespace::NAMES.join(", ")
            ))
        })
    })?;
    let capabilities = words(said, "capabilities", &mut process::capability_number)?;
    Ok(Spec {
        login: login(said)?,
        cgroup,
        namespaces: namespaces.unwrap_or_default(),
        no_new_privs: flag(said, "no_new_privs")?.unwrap_or_default(),
        capabilities,
    })
}

fn login(said: &Map) -> Fallible<Login> {
    let Some(user) = said.get("user") else {
        let own = nix::unistd::geteuid();
        let of_name = || Login::of_name(USER).unwrap_or_else(|_| Login::of_id(65534));
        return Ok(if own.is_root() { of_name() } else { Login::of_id(own.as_raw()) });
    };
    if let Ok(name) = user.as_immutable_string_ref() {
        let name = name.as_str();
        return Ok(Login::of_name(name).map_err(|error| Fault::script(error).about(name))?);
    }
    let id = user.as_int().ok().and_then(|id| u32::try_from(id).ok());
    let refused =
        || Fault::script(format!("`user` of a scratch is a name or an id, not {}", a(user))).about("user");
    Ok(Login::of_id(id.ok_or_else(refused)?))
}

fn flag(said: &Map, key: &str) -> Fallible<Option<bool>> {
    let Some(value) = said.get(key) else { return Ok(None) };
    let refused = |_| Fault::script(format!("`{key}` of a scratch is true or false")).about(key).into();
    value.as_bool().map(Some).map_err(refused)
}

/// The items of an array of names.
fn words<T>(
    said: &Map,
    key: &str,
    of_name: &mut dyn FnMut(&str) -> Result<T, Fault>,
) -> Fallible<Option<Vec<T>>> {
    let Some(value) = said.get(key) else { return Ok(None) };
    let refused = || Fault::script(format!("`{key}` of a scratch is an array of names")).about(key);
    let items = value.as_array_ref().map_err(|_| refused())?;
    let one = |item: &Dynamic| {
        let name = item.as_immutable_string_ref().map_err(|_| refused())?;
        of_name(&name).map_err(|fault| fault.about(&*name))
    };
    Ok(Some(items.iter().map(one).collect::<Result<_, _>>()?))
}

fn make(context: &NativeCallContext, said: &Map, cgroup: Want) -> Fallible<ScratchHandle> {
    let runtime = runtime(context)?;
    let spec = spec(said, cgroup)?;
    runtime.ask(Effect::Attempt)?;
    let user = spec.login.name.clone();
    let cannot = |why: &dyn std::fmt::Display| Fault::environment(format!("cannot make a scratch: {why}"));
    let scratch = Scratch::start(&spec).map_err(|error| cannot(&error))?;
    let made = reply(&runtime, context, &scratch, |reply| match reply {
        Reply::Made(made) => Some(made),
        _ => None,
    })?;
    let made = made.map_err(|why| cannot(&why))?;
    let handle = ScratchHandle(Rc::new(Held { scratch, made, user }));
    runtime.scratches.add(&handle);
    Ok(handle)
}

/// Waits for the reply that is wanted. Events are delivered meanwhile.
fn reply<T>(
    runtime: &Runtime,
    context: &NativeCallContext,
    scratch: &Scratch,
    wanted: impl Fn(Reply) -> Option<T>,
) -> Fallible<T> {
    loop {
        match runtime.serve(context.engine(), scratch.replies(), Until::Never) {
            Ok(Turn::Received(reply)) => {
                if let Some(found) = wanted(reply) {
                    return Ok(found);
                }
            }
            Ok(Turn::Disconnected | Turn::Over) => {
                return Err(Fault::environment("the process that keeps the scratch has ended").into());
            }
            Err(stop) => {
                scratch.stop();
                return Err(stop.into());
            }
        }
    }
}

fn done(context: &NativeCallContext, handle: &ScratchHandle, work: Work) -> Fallible<Performed> {
    let runtime = runtime(context)?;
    runtime.ask(Effect::Attempt)?;
    let scratch = &handle.0.scratch;
    if !scratch.is_open() {
        return Err(Fault::script("this scratch is closed").into());
    }
    let gone = |error| Fault::environment(format!("the process that keeps the scratch has ended: {error}"));
    let number = scratch.ask(work).map_err(gone)?;
    let performed = reply(&runtime, context, scratch, |reply| match reply {
        Reply::Done { number: of, performed } if of == number => Some(performed),
        _ => None,
    })?;
    runtime.settle(context.engine())?;
    Ok(performed)
}

fn arguments(given: &[Dynamic]) -> Fallible<Vec<Value>> {
    let one = |value: &Dynamic| {
        if let Ok(number) = value.as_int() {
            return Ok(Value::Number(number));
        }
        let text = value.clone().into_string();
        text.map(Value::Text).map_err(|_| {
            Fault::script(format!("an operation takes strings and whole numbers, not {}", a(value))).into()
        })
    };
    given.iter().map(one).collect()
}

fn operation(name: &str, given: &[Dynamic]) -> Fallible<Work> {
    let operation = Operation::find(name).map_err(|error| Fault::script(error).about(name))?;
    let arguments = arguments(given)?;
    operation.check(&arguments).map_err(|error| Fault::script(error).about(name))?;
    Ok(Work::Attempt { operation: name.to_owned(), arguments })
}

fn attempted(
    context: &NativeCallContext,
    handle: &ScratchHandle,
    name: &str,
    given: &[Dynamic],
) -> Fallible<Map> {
    let failed =
        |why: &str| Fault::environment(format!("`{name}` could not be attempted: {why}")).about(name);
    match done(context, handle, operation(name, given)?)? {
        Performed::Attempted(attempted) => Ok(as_map(name, attempted)),
        Performed::Failed(why) => Err(failed(&why).into()),
        Performed::Ran(_) => Err(failed("it was answered for something else").into()),
    }
}

fn as_map(name: &str, Attempted { pid, ending }: Attempted) -> Map {
    let (ok, errno, signal, returned) = match ending {
        Ending::Permitted(returned) => (true, None, None, returned),
        Ending::Refused(errno) => (false, Some(errno), None, None),
        Ending::Killed(signal) => (false, None, Some(signal), None),
    };
    let named = |name: Option<String>| name.map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("ok".into(), ok.into());
    map.insert("errno".into(), named(errno));
    map.insert("signal".into(), named(signal));
    map.insert("returned".into(), named(returned));
    map.insert("pid".into(), i64::from(pid).into());
    map.insert("operation".into(), name.to_owned().into());
    map
}

fn ran(ran: Ran) -> Map {
    let named = |name: Option<String>| name.map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("code".into(), ran.code.map_or(Dynamic::UNIT, |code| i64::from(code).into()));
    map.insert("signal".into(), named(ran.signal));
    map.insert("errno".into(), named(ran.errno));
    map.insert("stdout".into(), ran.stdout.into());
    map.insert("stderr".into(), ran.stderr.into());
    map.insert("truncated".into(), ran.truncated.into());
    map.insert("pid".into(), i64::from(ran.pid).into());
    map
}

fn closed(left: Vec<String>) -> Fallible<()> {
    if left.is_empty() { Ok(()) } else { Err(Fault::environment(left.join("; ")).into()) }
}

/// One attempt in a scratch of its own.
fn once(context: &NativeCallContext, name: &str, given: &[Dynamic], said: &Map) -> Fallible<Map> {
    // Before anything is made for it.
    operation(name, given)?;
    let handle = make(context, said, Want::No)?;
    let answer = attempted(context, &handle, name, given);
    let left = handle.0.scratch.close();
    answer.and_then(|map| closed(left).map(|()| map))
}

#[export_module]
mod functions {
    /// Makes a scratch, in which things are attempted that ought to be forbidden: `let s = scratch(#{ user: "nobody" })`.
    /// It is a directory, a cgroup and processes of a user. All of it is removed with `close()`, when a check that made it
    /// ends, when the script lets go of it, and when the session ends, even by SIGKILL. `--audit` does not hold it back.
    #[rhai_fn(return_raw)]
    pub fn scratch(context: NativeCallContext) -> Fallible<ScratchHandle> {
        make(&context, &Map::new(), Want::IfPossible)
    }

    /// Makes a scratch of which more is said: `scratch(#{ user: "nobody", cgroup: true, namespaces: ["user", "net"], no_new_privs: true, capabilities: [] })`.
    /// Any of these may be left out. The user is nobody, if the session is root's. A cgroup (version 2) is made if it can be;
    /// with `true` it must. With the namespace `user`, the user is root in it, as after `unshare -r`; the others are mount,
    /// net, pid, ipc, uts, cgroup. Of the capabilities a process has those listed; the user's own, if there is no list.
    #[rhai_fn(name = "scratch", return_raw)]
    pub fn scratch_described(context: NativeCallContext, said: Map) -> Fallible<ScratchHandle> {
        make(&context, &said, Want::IfPossible)
    }

    /// Attempts an operation in a scratch of its own, which is then removed: `attempt("module", #{ user: "nobody" })`. The map
    /// is that of `scratch`, but without a cgroup by default. For what it returns see the form with arguments.
    #[rhai_fn(return_raw)]
    pub fn attempt(context: NativeCallContext, operation: &str, scratch: Map) -> Fallible<Map> {
        once(&context, operation, &[], &scratch)
    }

    /// Attempts an operation with arguments in a scratch of its own: `attempt("open", ["/etc/shadow"], #{ user: "nobody" })`.
    /// Gives a map: ok, errno (`()` if it was permitted), signal (if its process was killed), returned, pid, operation. Where
    /// it is permitted it does nothing that lasts; if it fails for that reason, ok is true and `returned` the errno.
    /// `operations()` lists what there is.
    #[rhai_fn(name = "attempt", return_raw)]
    pub fn attempt_with(
        context: NativeCallContext,
        operation: &str,
        arguments: Array,
        scratch: Map,
    ) -> Fallible<Map> {
        once(&context, operation, &arguments, &scratch)
    }

    /// Attempts an operation in this scratch: `s.attempt("reboot")`. Events are delivered before it returns.
    #[rhai_fn(name = "attempt", return_raw)]
    pub fn attempt_in(context: NativeCallContext, scratch: ScratchHandle, operation: &str) -> Fallible<Map> {
        attempted(&context, &scratch, operation, &[])
    }

    /// Attempts an operation with an argument in this scratch: `s.attempt("exec", "/tmp/x")`.
    #[rhai_fn(name = "attempt", return_raw)]
    pub fn attempt_in_1(
        context: NativeCallContext,
        scratch: ScratchHandle,
        operation: &str,
        argument: Dynamic,
    ) -> Fallible<Map> {
        attempted(&context, &scratch, operation, &[argument])
    }

    /// Attempts an operation with two arguments in this scratch: `s.attempt("connect", "127.0.0.1", 80)`.
    #[rhai_fn(name = "attempt", return_raw)]
    pub fn attempt_in_2(
        context: NativeCallContext,
        scratch: ScratchHandle,
        operation: &str,
        argument: Dynamic,
        second: Dynamic,
    ) -> Fallible<Map> {
        attempted(&context, &scratch, operation, &[argument, second])
    }

    /// Runs a program in this scratch, as its user, and waits for its end: `s.run(["id"])`. Gives the map of `run`, and the
    /// pid. What it leaves running is killed when the scratch is closed.
    #[rhai_fn(name = "run", return_raw)]
    pub fn run_in(context: NativeCallContext, scratch: ScratchHandle, command: Array) -> Fallible<Map> {
        let argv = process::words(&command)?.iter().map(raw::from_os).collect();
        match done(&context, &scratch, Work::Run { argv })? {
            Performed::Ran(ended) => Ok(ran(ended)),
            Performed::Failed(why) => {
                Err(Fault::environment(format!("nothing could be run in the scratch: {why}")).into())
            }
            Performed::Attempted(_) => {
                Err(Fault::environment("the scratch has answered for something else").into())
            }
        }
    }

    /// Kills what runs in this scratch, and removes its cgroup and directory: `s.close()`.
    #[rhai_fn(name = "close", return_raw)]
    pub fn close(scratch: ScratchHandle) -> Fallible<()> {
        closed(scratch.0.scratch.close())
    }

    /// Returns the directory of this scratch, its user's own: `s.dir + "/x"`.
    #[rhai_fn(get = "dir")]
    pub fn dir(scratch: &mut ScratchHandle) -> String {
        scratch.0.made.directory.clone()
    }

    /// Returns the cgroup of this scratch, `()` if it has none: `probe("exec").scope(#{ cgroup: s.cgroup })`.
    #[rhai_fn(get = "cgroup")]
    pub fn cgroup(scratch: &mut ScratchHandle) -> Dynamic {
        scratch.0.made.cgroup.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Says what a scratch is.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(scratch: &mut ScratchHandle) -> String {
        scratch.describe()
    }

    /// Returns what can be attempted, a map each: operation, does, permitted (errnos that mean that it was): `operations()`.
    #[rhai_fn(name = "operations")]
    pub fn all_operations() -> Array {
        let row = |operation: &Operation| {
            let mut row = Map::new();
            row.insert("operation".into(), operation.usage().into());
            row.insert("does".into(), operation.help.into());
            row.insert("permitted".into(), operation.permitted_names().into());
            Dynamic::from_map(row)
        };
        operations().iter().map(row).collect()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScratchHandle>("Scratch")
        .register_global_module(rhai::exported_module!(functions).into());
}
