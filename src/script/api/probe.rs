//! Probes: configure, attach, change, read, detach.

use std::{rc::Rc, sync::Arc, time::Duration};

use rhai::{Array, Dynamic, Engine, FnPtr, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    backend::InScope,
    filter::Answer,
    probe::{
        Ask, Mode, OnError, Scope, Spec,
        ask::{LONGEST, MOST_HELD, Ruling},
    },
    script::{
        Fault,
        diagnostics::offset,
        docs,
        handle::{Asker, ProbeHandle, Written},
        json,
        policy::Effect,
        program::{Callback, When},
        runtime::Runtime,
        set::SetHandle,
        value,
    },
    template::Stack,
    values::{Errno, Signal, duration, nearest},
};

/// Where in the script this call stands, if it stands in the text that is running.
fn written(context: &NativeCallContext, runtime: &Runtime) -> Option<Written> {
    let position = context.call_position();
    let source = Rc::clone(&runtime.program().ok()?.source);
    let at = offset(&source.text, position);
    let is_there =
        !position.is_none() && source.text.get(at..).is_some_and(|rest| rest.starts_with(context.fn_name()));
    is_there.then_some((source, position))
}

fn new_probe(
    runtime: &Runtime,
    template: &str,
    params: &Map,
    written: Option<Written>,
) -> Result<ProbeHandle, Fault> {
    let catalogue = &runtime.catalogue;
    let found = catalogue.get(template).ok_or_else(|| {
        let near = nearest(template, catalogue.names())
            .map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        let allowed = catalogue.names().collect::<Vec<_>>().join(", ");
        Fault::script(format!("there is no template `{template}`{near}; allowed: {allowed}")).about(template)
    })?;
    let birth = runtime.probes.birth(template);
    let spec = Spec::new(Arc::clone(found), birth.name.borrow().clone());
    let probe = ProbeHandle::new(birth, spec);
    runtime.probes.add_made(&probe);
    for (name, param) in params {
        let remarks = set_param(&probe, name, param).inspect_err(|_| probe.look_at())?;
        probe.wrote(name, written.clone());
        runtime.notes(&remarks);
    }
    Ok(probe)
}

/// A value, or a set that goes on to have its values.
fn set_param(probe: &ProbeHandle, name: &str, value: &Dynamic) -> Result<Vec<String>, Fault> {
    if let Some(set) = value.read_lock::<SetHandle>() {
        return set.give_to(probe, name);
    }
    if value.as_array_ref().is_ok_and(|items| items.iter().any(Dynamic::is::<SetHandle>)) {
        let text = format!(
            "param `{name}` takes a set alone, and not in a list; add the list to the set: `bad.add([…])`"
        );
        return Err(Fault::script(text).about(name));
    }
    probe.set_param(name, &value::to_json(value))
}

fn errno(name: &str) -> Result<Mode, Fault> {
    Ok(Mode::Deny(Errno::from_name(name)?))
}

fn signal(name: &str) -> Result<Mode, Fault> {
    Ok(Mode::Kill(Signal::from_name(name)?))
}

/// Changes the mode, as far as the policy lets, and says what there is to say about it.
pub(super) fn set_mode(context: &NativeCallContext, probe: &ProbeHandle, mode: Mode) -> Fallible<()> {
    let runtime = runtime(context)?;
    runtime.notes(&probe.set_mode(runtime.options.policy, mode)?);
    if runtime.options.policy.mode(mode) != mode {
        runtime.checks.rehearsed(&format!("--audit: probe `{}` did not enforce", probe.name()));
    }
    Ok(())
}

/// Lets a probe ask a function, or the person at the prompt.
fn set_ask(
    context: &NativeCallContext,
    probe: &ProbeHandle,
    function: Option<FnPtr>,
    settings: &Map,
) -> Fallible<()> {
    let runtime = runtime(context)?;
    let ask = ask_settings(settings)?;
    let asker = match function {
        Some(function) => Asker::Function(Callback::new(function, runtime.program()?, 1, "ask")?),
        None => Asker::Person,
    };
    runtime.notes(&probe.set_ask(runtime.options.policy, ask, asker)?);
    if runtime.options.policy.mode(Mode::Ask(ask.otherwise)) != Mode::Ask(ask.otherwise) {
        runtime.checks.rehearsed(&format!("--audit: probe `{}` did not enforce", probe.name()));
    }
    Ok(())
}

fn ask_settings(settings: &Map) -> Result<Ask, Fault> {
    /// The shortest: whoever continues what is held looks at it twenty times a second.
    const SHORTEST: Duration = Duration::from_secs(1);
    let mut ask = Ask::default();
    for (name, value) in settings {
        let refuse = |allowed: &str| {
            Err(Fault::script(format!("`{name}` of `ask` takes no `{value}`; allowed: {allowed}"))
                .about(name))
        };
        match name.as_str() {
            "timeout" => match value.clone().into_string().ok().map(|text| duration::parse(&text)) {
                Some(Ok(lasts)) if (SHORTEST..=LONGEST).contains(&lasts) => ask.timeout = lasts,
                Some(Err(error)) => return Err(error.into()),
                _ => return refuse("a time from \"1s\" to \"1h\""),
            },
            "otherwise" => match otherwise(value) {
                Some(ruling) => ask.otherwise = ruling,
                None => {
                    return refuse("\"allow\", \"deny\", \"kill\", or a verdict: deny(\"EACCES\")");
                }
            },
            "held" => match value.as_int().ok().and_then(|held| u32::try_from(held).ok()) {
                Some(held @ 1..=MOST_HELD) => ask.held = held,
                _ => return refuse("a number from 1 to 4096"),
            },
            other => {
                let near = nearest(other, ["timeout", "otherwise", "held"]);
                let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
                let text = format!("`ask` has no setting `{other}`{near}; allowed: timeout, otherwise, held");
                return Err(Fault::script(text).about(other));
            }
        }
    }
    Ok(ask)
}

fn otherwise(value: &Dynamic) -> Option<Ruling> {
    if let Some(answer) = value.clone().try_cast::<Answer>() {
        return Ruling::of(answer);
    }
    match value.clone().into_string().ok()?.as_str() {
        "allow" => Some(Ruling::Allow),
        "deny" => Some(Ruling::Deny(Errno::EPERM)),
        "kill" => Some(Ruling::Kill(Signal::KILL)),
        _ => None,
    }
}

#[export_module]
mod functions {
    /// Makes a probe of a template: `probe("exec").attach()`. It does nothing before `.attach()`. `templates()` lists the
    /// templates, `help("exec")` the params of one.
    #[rhai_fn(return_raw)]
    pub fn probe(context: NativeCallContext, template: &str) -> Fallible<ProbeHandle> {
        Ok(new_probe(&*runtime(&context)?, template, &Map::new(), None)?)
    }

    /// Makes a probe of a template with params: `probe("exec", #{ path: "/bin/date" })`.
    #[rhai_fn(name = "probe", return_raw)]
    pub fn probe_with(context: NativeCallContext, template: &str, params: Map) -> Fallible<ProbeHandle> {
        let runtime = runtime(&context)?;
        let written = written(&context, &runtime);
        Ok(new_probe(&runtime, template, &params, written)?)
    }

    /// Says whether the files that its params name are expected to be there: `.expects_file(false)`. Otherwise an attach warns of each that is
    /// not, with the nearest name that is; what only makes files, and a scope of another namespace, cgroup or process, expects none.
    pub fn expects_file(probe: ProbeHandle, is_there: bool) -> ProbeHandle {
        probe.expect_files(is_there);
        probe
    }

    /// Names the probe, for events, accounting and `probes()`: `.name("web")`. The default is TEMPLATE-NUMBER.
    #[rhai_fn(return_raw)]
    pub fn name(probe: ProbeHandle, name: &str) -> Fallible<ProbeHandle> {
        probe.rename(name)?;
        Ok(probe)
    }

    /// Restricts the probe to some tasks: `.scope(#{ uid: [1000, 1001], cgroup: "/sys/fs/cgroup/web.slice" })`.
    /// Kinds: cgroup, uid, gid, loginuid, pid, comm, exe, parent_exe, exe_prefix, exe_suffix, parent_exe_prefix,
    /// parent_exe_suffix, pid_ns, mnt_ns, user_ns; each also as `not_uid` …
    /// Different kinds must all hold; of one kind any is enough. Users and groups are ids or names (`uid: "alice"`). A
    /// cgroup or pid stands for its whole subtree, an exe is known by its inode, a namespace is `"host"`, an inode or a
    /// file: `not_mnt_ns: "host"` is every container. A cgroup created again under its path is in scope from its first task
    /// on; an executable that is replaced is followed within a second, and what still runs the former one stays in scope.
    /// exe_prefix and exe_suffix are about the path by which it was executed: `exe_prefix: "/usr/lib/jvm/"`. These and those of
    /// the parent change while the probe is attached: `p.scope(#{ exe_prefix: […] })` with everything else as it was.
    /// Enforcement needs a scope that names who is meant: `not_…` alone, `pid: 1`, the top of the cgroups and
    /// `pid_ns: "host"` count as none.
    #[rhai_fn(return_raw)]
    pub fn scope(probe: ProbeHandle, scope: Map) -> Fallible<ProbeHandle> {
        if let Some((kind, _)) = scope.iter().find(|(_, value)| value.is::<SetHandle>()) {
            probe.look_at();
            let text = format!(
                "scope `{kind}` takes no set, since it stands in the program; give it a list: `{kind}: who.values()`, which stays as it is then"
            );
            return Err(Fault::script(text).about(kind).into());
        }
        let parsed = Scope::parse(&value::to_object(&scope)).inspect_err(|_| probe.look_at());
        probe.set_scope(parsed.map_err(Fault::from)?)?;
        Ok(probe)
    }

    /// Says that every task is meant: `.deny().everywhere().lease("10m")`. Enforcement without a scope then needs a lease.
    /// A template whose hooks are hot takes it in place of a scope, too.
    #[rhai_fn(return_raw)]
    pub fn everywhere(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.set_everywhere()?;
        Ok(probe)
    }

    /// Reports and allows. This is the default mode.
    #[rhai_fn(return_raw)]
    pub fn observe(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, Mode::Observe)?;
        Ok(probe)
    }

    /// Reports what would have been denied, and allows it.
    #[rhai_fn(return_raw)]
    pub fn shadow(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, Mode::Shadow)?;
        Ok(probe)
    }

    /// Refuses the operation with EPERM.
    #[rhai_fn(return_raw)]
    pub fn deny(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, errno("EPERM")?)?;
        Ok(probe)
    }

    /// Refuses the operation with an errno: `.deny("EACCES")`.
    #[rhai_fn(name = "deny", return_raw)]
    pub fn deny_with(context: NativeCallContext, probe: ProbeHandle, name: &str) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, errno(name)?)?;
        Ok(probe)
    }

    /// Refuses the operation with an errno, by its number: `.deny(13)`.
    #[rhai_fn(name = "deny", return_raw)]
    pub fn deny_number(context: NativeCallContext, probe: ProbeHandle, number: i64) -> Fallible<ProbeHandle> {
        let mode = Mode::Deny(Errno::from_number(number).map_err(Fault::from)?);
        set_mode(&context, &probe, mode)?;
        Ok(probe)
    }

    /// Kills the calling process with SIGKILL, and refuses the operation.
    #[rhai_fn(return_raw)]
    pub fn kill(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, signal("SIGKILL")?)?;
        Ok(probe)
    }

    /// Sends the calling process a signal, and refuses the operation: `.kill("SIGTERM")`. With a param that makes the
    /// probe decide too late to refuse (`args`, `env`), the signal is always SIGKILL.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_with(context: NativeCallContext, probe: ProbeHandle, name: &str) -> Fallible<ProbeHandle> {
        set_mode(&context, &probe, signal(name)?)?;
        Ok(probe)
    }

    /// Sends the calling process a signal, by its number, and refuses the operation: `.kill(15)`.
    #[rhai_fn(name = "kill", return_raw)]
    pub fn kill_number(context: NativeCallContext, probe: ProbeHandle, number: i64) -> Fallible<ProbeHandle> {
        let mode = Mode::Kill(Signal::from_number(number).map_err(Fault::from)?);
        set_mode(&context, &probe, mode)?;
        Ok(probe)
    }

    /// Holds each operation that matches until the function has decided about it: `.ask(|e| if e.uid == 0 { allow() } else { deny("EACCES") })`.
    /// The process is stopped meanwhile (SIGSTOP), and its system call made again; what is there then is compared with what was
    /// asked about, and asked about anew if it is not the same. The function returns `allow()`, `deny("EACCES")` or `kill("SIGKILL")` for this one
    /// operation, or an answer that holds longer: `allow("1h")`, `deny("EACCES", "10m")`, each for this process, or with `.for_executable()` for all
    /// that run the same. What is not answered within 30 s is refused; so is at once what cannot be held: kernel threads,
    /// io_uring, what is traced or being created, children of this shell. A shell that waits for a job reports it as stopped. At a prompt a
    /// function that returns `()` leaves the decision to whoever sits there.
    #[rhai_fn(return_raw)]
    pub fn ask(context: NativeCallContext, probe: ProbeHandle, function: FnPtr) -> Fallible<ProbeHandle> {
        set_ask(&context, &probe, Some(function), &Map::new())?;
        Ok(probe)
    }

    /// Asks a function, with settings: `.ask(|e| allow(), #{timeout: "10s", otherwise: "allow", held: 16})`. timeout: how long an operation is held
    /// at most; otherwise: what becomes of one that nobody answers in time, or that cannot be held: "allow", "deny", "kill", or a verdict such as
    /// `deny("EACCES")`; held: how many at once.
    #[rhai_fn(name = "ask", return_raw)]
    pub fn ask_with(
        context: NativeCallContext,
        probe: ProbeHandle,
        function: FnPtr,
        settings: Map,
    ) -> Fallible<ProbeHandle> {
        set_ask(&context, &probe, Some(function), &settings)?;
        Ok(probe)
    }

    /// Holds each operation that matches until the person at the prompt has decided about it, by one key: a allow, s allow in this session,
    /// d deny, D deny in this session, k kill, m more.
    #[rhai_fn(name = "ask", return_raw)]
    pub fn ask_person(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        set_ask(&context, &probe, None, &Map::new())?;
        Ok(probe)
    }

    /// Asks the person at the prompt, with settings: `.ask(#{timeout: "2m", otherwise: "allow"})`.
    #[rhai_fn(name = "ask", return_raw)]
    pub fn ask_person_with(
        context: NativeCallContext,
        probe: ProbeHandle,
        settings: Map,
    ) -> Fallible<ProbeHandle> {
        set_ask(&context, &probe, None, &settings)?;
        Ok(probe)
    }

    /// Limits enforcement to a time from now, or from the attach: `.lease("10m")`. Then the probe observes. The kernel
    /// compares the time, so enforcement ends even if this shell hangs. Called again, it renews the lease.
    #[rhai_fn(return_raw)]
    pub fn lease(probe: ProbeHandle, lasts: &str) -> Fallible<ProbeHandle> {
        probe.set_lease(Some(duration::parse(lasts).map_err(Fault::from)?))?;
        Ok(probe)
    }

    /// Removes the lease: `.lease(())`. Refused where enforcement needs one.
    #[rhai_fn(name = "lease", return_raw)]
    pub fn no_lease(probe: ProbeHandle, nothing: ()) -> Fallible<ProbeHandle> {
        let () = nothing;
        probe.set_lease(None)?;
        Ok(probe)
    }

    /// Sets what an enforcing probe does if it cannot decide (unreadable path, out of memory): `.on_error("deny")`. The
    /// default is "allow".
    #[rhai_fn(return_raw)]
    pub fn on_error(probe: ProbeHandle, answer: &str) -> Fallible<ProbeHandle> {
        let answer = match answer {
            "allow" => OnError::Allow,
            "deny" => OnError::Deny,
            other => {
                let text = format!("`on_error` takes no `{other}`; allowed: \"allow\", \"deny\"");
                return Err(Fault::script(text).about(other).into());
            }
        };
        probe.set_on_error(answer)?;
        Ok(probe)
    }

    /// Returns what a param is set to, as an array of texts; an empty one if it was not set: `p.get("address")`.
    #[rhai_fn(return_raw)]
    pub fn get(probe: &mut ProbeHandle, param: &str) -> Fallible<Array> {
        Ok(probe.param(param)?.into_iter().map(Into::into).collect())
    }

    /// Sets a param, also while attached: `.set("path", ["/etc/shadow"])`. `()` restores the default. A set in the place of a list stays its
    /// own: `.set("address", set("bad_ips"))`.
    #[rhai_fn(return_raw)]
    pub fn set(
        context: NativeCallContext,
        probe: ProbeHandle,
        param: &str,
        value: Dynamic,
    ) -> Fallible<ProbeHandle> {
        let remarks = super::set_param(&probe, param, &value)?;
        let runtime = runtime(&context)?;
        probe.wrote(param, written(&context, &runtime));
        if probe.attached() {
            runtime.tell_remarks(&probe, remarks);
        } else {
            // Before the attach it is said there.
            runtime.notes(&remarks);
        }
        Ok(probe)
    }

    /// Sets the filter, which decides in the kernel: `.when(|e| e.uid >= 1000 && e.path.starts_with("/tmp/"))`.
    /// The closure is compiled; what cannot be compiled is refused at its place. It may compare the event's fields with
    /// == != < <= > >=, && || !, + - * / % & | ^ << >>, `in` (ranges, arrays, names of flags); texts with ==, starts_with,
    /// ends_with, contains, like, is_empty, len, to_ascii_lower, and `matches`, which takes a regular expression
    /// (``e.cmdline.matches(`/dev/tcp/`)``; `e.cmdline` are the arguments as one text); user and group ids with names
    /// (`e.uid == "alice"`), IP addresses with == and `in cidr("10.0.0.0/8")`; lists with len, `in`, `e.argv[1]`, and
    /// `e.argv.any(|a| a == "-c")`, `all`, `none`, also of an array
    /// that is known before (`words.any(|w| e.path.contains(w))`); use `let`, `if … else`, `return`; and call functions of the script that
    /// could be filters themselves. Much that is sought in one text costs no more than little: one walk over it answers
    /// all. Instead of true it may return a verdict, which counts where the mode enforces:
    /// `allow()`, `deny("EACCES")`, `kill("SIGKILL")`. Variables from outside keep the value they have at `.attach()`.
    /// A condition that can never hold is refused: a text longer than its field, a path without its `/`, `e.uid < 0`.
    /// If it cannot decide (a number beyond 64 bits, a division by zero, a path that cannot be read) it does not match,
    /// unless `.on_error("deny")` is set; such events are counted as errors. Set again, also while attached, it replaces the
    /// filter: each operation is decided by one of the two.
    #[rhai_fn(return_raw)]
    pub fn when(context: NativeCallContext, probe: ProbeHandle, filter: FnPtr) -> Fallible<ProbeHandle> {
        let runtime = runtime(&context)?;
        let program = runtime.program()?;
        let remarks = probe.set_when(Some(When { function: filter, program }))?;
        runtime.notes(&remarks);
        Ok(probe)
    }

    /// Removes the filter, also while attached: `p.when(())`. Then every event in scope matches that the params allow.
    #[rhai_fn(name = "when", return_raw)]
    pub fn when_nothing(context: NativeCallContext, probe: ProbeHandle, _none: ()) -> Fallible<ProbeHandle> {
        runtime(&context)?.notes(&probe.set_when(None)?);
        Ok(probe)
    }

    /// Drops events in user space, before they are reported or given to `on_event`: `.where_user(|e| e.path.len() > 9)`.
    /// The closure may use all of the language. The kernel has decided by then, and every event has been gathered, sent
    /// and counted, some microseconds each: use `.when(…)` where that can say it. Set again, it replaces the condition.
    #[rhai_fn(return_raw)]
    pub fn where_user(
        context: NativeCallContext,
        probe: ProbeHandle,
        condition: FnPtr,
    ) -> Fallible<ProbeHandle> {
        let callback = Callback::new(condition, runtime(&context)?.program()?, 1, "where_user")?;
        probe.set_condition(Some(callback));
        Ok(probe)
    }

    /// Restricts events to some fields: `.fields(["pid", "comm", "path"])`. What is costly to gather and not among them
    /// is not gathered, unless the filter needs it: the path of the executable, the directory.
    #[rhai_fn(return_raw)]
    pub fn fields(probe: ProbeHandle, names: Array) -> Fallible<ProbeHandle> {
        let name = |name: Dynamic| {
            name.into_string().map_err(|found| {
                let found = docs::plain_types(found);
                Fault::script(format!(
                    "`.fields(…)` takes names of fields, and one of these is of type {found}"
                ))
                .into()
            })
        };
        probe.narrow(&names.into_iter().map(name).collect::<Fallible<Vec<_>>>()?)?;
        Ok(probe)
    }

    /// Puts the kernel's stack on each event: `e.kstack` is a list of `function+0xOFFSET`, from where the hook was called
    /// to where the system call came in. `.count_by("kstack")` counts by it, and needs no `.kstack()`.
    #[rhai_fn(return_raw)]
    pub fn kstack(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.want_stack(Stack::Kernel)?;
        Ok(probe)
    }

    /// Puts the program's stack on each event: `e.ustack` is a list of `function+0xOFFSET (FILE)`, from the system call
    /// to the program's beginning, as far as it keeps frame pointers. Which file an address belongs to is looked up when the
    /// event arrives: for a process that is gone by then there are addresses only.
    #[rhai_fn(return_raw)]
    pub fn ustack(probe: ProbeHandle) -> Fallible<ProbeHandle> {
        probe.want_stack(Stack::User)?;
        Ok(probe)
    }

    /// Returns what `.when(…)` was compiled to: the filter as it was understood, and its instructions for the kernel.
    #[rhai_fn(return_raw)]
    pub fn explain(probe: ProbeHandle) -> Fallible<String> {
        Ok(probe.explain())
    }

    /// Calls a function for each event: `.on_event(|e| print(e.path))`. Without one, events are printed, unless a sequence
    /// or threshold takes them. Set again, it replaces the function.
    #[rhai_fn(return_raw)]
    pub fn on_event(
        context: NativeCallContext,
        probe: ProbeHandle,
        function: FnPtr,
    ) -> Fallible<ProbeHandle> {
        let callback = Callback::new(function, runtime(&context)?.program()?, 1, "on_event")?;
        probe.set_callback(Some(callback))?;
        Ok(probe)
    }

    /// Loads the probe into the kernel and puts it in force.
    #[rhai_fn(return_raw)]
    pub fn attach(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        runtime(&context)?.attach(&probe)?;
        Ok(probe)
    }

    /// Removes the probe from the kernel, and its pin if it has one. Its counters stay, and it can be attached again.
    #[rhai_fn(return_raw)]
    pub fn detach(context: NativeCallContext, probe: ProbeHandle) -> Fallible<ProbeHandle> {
        runtime(&context)?.say_what_was_done();
        runtime(&context)?.notes(&probe.unpin()?);
        probe.detach()?;
        runtime(&context)?.settle(context.engine())?;
        Ok(probe)
    }

    /// Returns the probe's counters as a map: seen, out_of_scope, filtered, matched, allow, would_deny,
    /// deny, kill, emitted, suppressed (and of it limited, sampled_out), lost_ring, delivered, lost_queue, errors, lapsed, guarded, overflow, missed. Of one that
    /// asks also would_ask, asked, answered, timed_out, withdrawn, held, otherwise.
    #[rhai_fn(return_raw)]
    pub fn stats(probe: ProbeHandle) -> Fallible<Map> {
        probe.flush();
        let counters = serde_json::to_value(probe.counters()?).unwrap_or_default();
        let mut map = json::from_json(counters).try_cast::<Map>().unwrap_or_default();
        map.insert("audit_only".into(), probe.audit_only().into());
        Ok(map)
    }

    /// Returns what the probe applies to, before or after it is attached: a map with the processes in scope now (pid,
    /// uid, comm) as the kernel finds them, and what was counted so far.
    #[rhai_fn(return_raw)]
    pub fn preview(context: NativeCallContext, probe: ProbeHandle) -> Fallible<Map> {
        let runtime = runtime(&context)?;
        runtime.ask(Effect::Preview)?;
        let processes = probe.preview(&*runtime.backend)?;
        let counters = probe.counters()?;
        let as_map = |process: InScope| {
            let mut map = Map::new();
            map.insert("pid".into(), i64::from(process.pid).into());
            map.insert("uid".into(), i64::from(process.uid).into());
            map.insert("comm".into(), process.comm.into());
            Dynamic::from(map)
        };
        let mut map = Map::new();
        map.insert("mode".into(), probe.mode().to_string().into());
        map.insert("in_scope".into(), i64::try_from(processes.len()).unwrap_or(i64::MAX).into());
        map.insert("processes".into(), processes.into_iter().map(as_map).collect::<Vec<_>>().into());
        map.insert("matched".into(), counters.matched.cast_signed().into());
        map.insert("would_deny".into(), counters.would_deny.cast_signed().into());
        Ok(map)
    }

    /// Returns the probe in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(probe: ProbeHandle) -> String {
        probe.look_at();
        probe.describe()
    }

    #[rhai_fn(get = "id")]
    pub fn id(probe: &mut ProbeHandle) -> i64 {
        probe.id().into()
    }

    #[rhai_fn(get = "name")]
    pub fn own_name(probe: &mut ProbeHandle) -> String {
        probe.name()
    }

    #[rhai_fn(get = "template")]
    pub fn template(probe: &mut ProbeHandle) -> String {
        probe.template()
    }

    #[rhai_fn(get = "mode")]
    pub fn mode(probe: &mut ProbeHandle) -> String {
        probe.mode().to_string()
    }

    #[rhai_fn(get = "audit_only")]
    pub fn audit_only(probe: &mut ProbeHandle) -> bool {
        probe.audit_only()
    }

    /// By what it was attached last: `lsm`, `fmod_ret` or `observe`; `()` if it never was.
    #[rhai_fn(get = "door")]
    pub fn door(probe: &mut ProbeHandle) -> Dynamic {
        probe.door().map_or(Dynamic::UNIT, |door| door.name().into())
    }

    #[rhai_fn(get = "attached")]
    pub fn attached(probe: &mut ProbeHandle) -> bool {
        probe.attached()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ProbeHandle>("Probe")
        .register_global_module(rhai::exported_module!(functions).into());
}
