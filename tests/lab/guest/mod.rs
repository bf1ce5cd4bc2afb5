//! The guest's role: runs every step, reports each as one line of JSON.
//!
//! A step is a claim about the product, proved with the real shell: it gives a
//! reason if the claim does not hold. Steps do not depend on each other.

mod accept;
pub mod active;
mod aggregation;
mod ask;
mod attempts;
mod bind;
mod bpf;
mod bpf_object;
mod breaker;
mod bypasses;
mod cap_use;
mod capset;
mod cases;
mod chmod;
mod connect;
mod correlation;
mod create;
mod credentials;
pub mod deeds;
mod doctor;
mod door;
mod entries;
mod exec;
mod exec_args;
mod exec_marks;
pub mod exec_unlink;
mod exit;
mod faults;
mod fd_receive;
mod fields;
mod file_ioctl;
mod file_open;
mod filter;
mod filter_live;
mod fork;
mod guards;
mod held;
mod help;
pub mod hunts;
mod inject;
mod io_uring;
mod ipc;
mod jail;
mod key_add;
mod learning;
mod limits;
mod link;
mod listen;
mod lockdown;
mod memfd;
mod mmap_exec;
mod module;
mod mount;
mod mprotect;
mod names;
mod namespaces;
mod net;
mod netlink;
pub mod opener;
mod origin;
mod output;
mod pace;
mod panic;
mod paths;
mod perf;
mod pin_kills;
mod pins;
mod prctl;
mod privileged_exec;
mod proc_mem;
mod product;
mod prompt;
mod ptrace;
pub mod racer;
mod races;
mod rates;
mod reactions;
mod recording;
mod redteam;
mod rename;
mod sched;
mod scope;
mod scope_kinds;
mod sendto;
pub mod services;
mod setid;
mod sets;
mod setsockopt;
mod settime;
mod shell;
mod signal;
mod soak;
mod socket;
mod stacks;
mod stat;
mod strained;
mod syslog;
mod tampering;
mod target;
mod task;
mod texts;
mod truncate;
mod unix_connect;
mod unlink;
mod userns;
mod walks;
mod watches;
pub mod why;
mod workers;
mod xattr;

use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{LazyLock, OnceLock},
};

use krsi_sh::template::Catalogue;

use crate::host::{self, Figures, Row};
use cases::{Case, Cases, Claim};

/// Begins the names of the claims that are made of every template.
pub const COMMON: &str = "common: ";

/// Why a claim does not hold.
pub type Outcome = Result<(), String>;

/// A claim about a template (or about `shell`, the product around the templates).
pub struct Step {
    pub template: &'static str,
    pub name: &'static str,
    run: Run,
}

impl Step {
    /// Whether it is one of the common claims, about this template.
    fn is_common_of(&self, case: &Case) -> bool {
        matches!(self.run, Run::Common(other, _) if other.template == case.template)
    }
}

/// How a claim is put to the test.
enum Run {
    /// By itself.
    Alone(fn() -> Outcome),
    /// As it is for every template.
    Common(&'static Case, Claim),
}

macro_rules! steps {
    ($($template:literal { $($name:literal => $run:path,)* })*) => {
        [$($(Step { template: $template, name: $name, run: Run::Alone($run) },)*)*]
    };
}

/// Every step: the common claims about each template, and then what is claimed of one alone.
pub static STEPS: LazyLock<Vec<Step>> = LazyLock::new(|| common().chain(special()).collect());

fn common() -> impl Iterator<Item = Step> {
    cases::TABLE.iter().flat_map(|case| {
        Claim::ALL.map(|claim| Step {
            template: case.template,
            name: claim.name(),
            run: Run::Common(case, claim),
        })
    })
}

fn special() -> impl IntoIterator<Item = Step> {
    steps! {
        "exec" {
            "a denied path is denied under every name" => exec::every_name,
            "prefixes and suffixes match" => exec::prefix_and_suffix,
            "a script is asked about with its interpreter" => exec::interpreter,
            "memfd, deleted and set-uid files are marked" => exec::flags,
            "a name that is gone is noted, and no part of the path" => paths::unlinked_program,
            "args: what is cut away cannot be told" => paths::cut_arguments,
            "mode and params change while attached" => exec::live_changes,
            "a lease lapses by itself" => exec::lease,
            "of two probes the newest is asked first, and its refusal is final" => exec::two_probes,
            "the directory is told" => exec_args::directory,
            "args: every argument, and the image as it has become" => exec_args::arguments,
            "args: what does not fit is marked" => exec_args::long_arguments,
            "env: value, times, overflow, not set" => exec_args::environment,
            "env: found behind any number of strings" => exec_args::far_behind,
            "env: deny kills before the first instruction" => exec_args::deny,
            "env_is narrows" => exec_args::states,
            "env: of set-uid programs only" => exec_args::set_uid,
            "env: the scope is the old image's" => exec_args::old_image_in_scope,
            "env: an execution that fails leaves nothing behind" => exec_args::failed_execution,
            "args and env change while attached" => exec_args::live,
            "argv, argv_prefix, argv_contains, cmdline_like: by the filter, and live" => exec_args::texts_of_arguments,
            "env: that a denial kills is said everywhere" => exec_args::said_everywhere,
            "late: a thread that is not the first is killed as well" => exec_marks::by_a_thread,
            "late: an execution that failed says nothing about the next" => exec_marks::after_a_failure,
            "late: many other executions take nobody's mark away" => exec_marks::flood,
            "late: what changes between the hooks loses no execution" => exec_marks::changed_in_between,
            "late: without room for a mark, on_error decides in time" => exec_marks::no_room,
            "late: a kill is certain, whatever the signal" => exec_marks::kill_is_certain,
            "late: a namespace's first process is killed, and a traced one" => exec_marks::kill_of_the_unkillable,
            "late: that a kill is by SIGKILL is said" => exec_marks::said,
        }
        "file_open" {
            "a denied path is denied under every name" => file_open::every_name,
            "prefixes and suffixes match" => file_open::prefix_and_suffix,
            "access narrows" => file_open::access,
            "overlayfs files are matched" => file_open::overlayfs,
            "owner, group, permissions and overlay layer" => file_open::owners_and_layers,
            "hostile names reach no terminal raw" => file_open::hostile_name,
            "people read names and sizes" => file_open::for_people,
            "a path too long follows on_error" => file_open::too_long,
            "what the kernel adds to a path is a note" => paths::notes,
            "files that the root does not lead to are noted" => paths::unreachable,
            "a path is known however deep it is, up to 4095 bytes" => paths::deep_files,
            "overlayfs opens the file beneath as the task's own" => file_open::overlayfs_beneath,
            "a stalled reader changes no verdict, and losses are counted" => faults::stalled_reader,
            "a loss leaves a gap in the numbers" => faults::gap_in_numbers,
        }
        "ask" {
            "common: executions are held, let go and refused, and the programs notice nothing" => ask::executed,
            "the same by fmod_ret" => ask::executed_by_function,
            "an answer holds for what it was about, as long and for whom it says" => ask::remembered,
            "continued by another process it is asked about again; killed, it is withdrawn" => ask::continued_and_killed,
            "without an answer, or where it cannot be held: otherwise" => ask::nobody_answers,
            "when shell and waker are killed, nothing is left stopped" => ask::shell_is_killed,
            "many threads: each is asked about, and no other call is disturbed" => ask::threads,
            "rehearsed: what would be asked" => ask::rehearsed,
            "the person at the prompt is asked" => ask::at_the_prompt,
            "whatever a template is about, that can ask: it is held, and goes on" => ask::every_template,
            "shells are killed again and again while fifty are held" => held::shells_are_killed,
            "wakers are killed again and again" => held::wakers_are_killed,
            "an execution by a thread" => held::execution_by_a_thread,
            "a lease that ends lets go what is held" => held::lease_ends,
            "the first of a pid namespace, and rings, are not held" => held::cannot_be_held,
            "below a shell with jobs, and timeout(1)" => held::parent_with_jobs,
        }
        "door" {
            "common: by fmod_ret the other LSMs are asked all the same" => door::other_lsms_are_asked,
            "what passes while another is asked by fmod_ret is counted" => door::passed_over,
            "common: one that only observes refuses to enforce" => door::an_observing_door_refuses_to_enforce,
        }
        "filter" {
            "uid and prefix: only what matches is denied" => filter::uid_and_prefix,
            "what is said about the task is asked first, and is what an event says" => filter::first_stage,
            "suffix, contains, glob, sets and comm" => filter::texts,
            "sets of thousands are looked up" => filter::large_sets,
            "a captured variable has its value of the attach" => filter::captured,
            "what cannot be told follows on_error" => filter::trouble,
            "executables and directories however deep; what is cut cannot be told" => paths::deep_tasks,
            "a filter with verdicts of its own: allow, deny, kill" => filter::verdicts,
            "in user space: after the kernel, and nothing is lost" => filter::in_user_space,
            "the largest filters load, and one in every template" => filter::largest,
            "arguments are asked by a filter" => filter::lists,
            "sought by one walk: expressions, globs, hundreds of words, in paths of every length" => walks::of_paths,
            "sought by one walk: the command line, all and none of the arguments" => walks::of_arguments,
            "sought by one walk: what is cut cannot be told" => walks::of_cut_arguments,
            "origin: arguments of the process, of one forked from it, and of its parent" => origin::arguments,
            "origin: what ran before the probe, and threads" => origin::before_the_probe,
            "origin: an exec by a thread" => origin::exec_in_a_thread,
            "origin: ancestors, and an orphan's parent" => origin::ancestors,
            "origin: a controlling terminal" => origin::terminal,
            "origin: session and descriptors" => origin::descriptors,
            "origin: capabilities, the parent's user, the id in its namespace" => origin::credentials,
            "origin: containers by their cgroups' names" => origin::container,
            "origin: a storm of processes mixes nothing up" => origin::storm,
            "origin: callbacks read what filters read" => origin::callbacks,
            "an attack refused: reverse shells" => walks::reverse_shells,
            "an attack refused: a download piped to a shell" => walks::pipe_to_shell,
            "an attack refused: a server that spawns a shell" => walks::shell_of_a_server,
            "an attack refused: a set-uid program with LD_PRELOAD" => walks::preloaded_set_uid,
            "another one while four workers go on: each operation is decided once" => filter_live::refused_throughout,
            "another one while attached: the new one is asked, and no other" => filter_live::one_by_one,
            "another one while attached: the subtree in scope is still followed" => filter_live::trackers_go_on,
            "random closures: the verifier takes each, and the kernel agrees" => filter::equivalence,
            "filters with as many words as public rules have: the verifier takes them" => filter::needles,
        }
        "aggregation" {
            "four workers at once: every number is exact" => aggregation::exact,
            "least, greatest, mean" => aggregation::extremes,
            "sums beyond 64 bits" => aggregation::wide,
            "buckets of equal width" => aggregation::linear,
            "taken while four workers add to it, nothing is lost or told twice" => aggregation::taken,
            "shown again and again, as top does" => aggregation::live,
            "what finds no room is counted" => aggregation::overflow,
            "beside enforcement" => aggregation::beside_deny,
            "with events, and switched live" => aggregation::with_events,
        }
        "fields" {
            "an event tells these, and no others" => fields::only_these,
            "what a filter or an aggregation asks for is gathered" => fields::asked_elsewhere,
        }
        "texts" {
            "names that are no UTF-8 are found again, and are no others" => texts::found_again,
            "every byte is in NDJSON, and a summary tells names apart" => texts::recorded,
            "a scope takes a name that is no UTF-8" => texts::scope,
            "in text no argument plays another field" => texts::words,
            "what would do nothing is an error" => texts::refused,
        }
        "stacks" {
            "the kernel's and the program's on an event" => stacks::on_events,
            "only if they are asked for" => stacks::only_if_asked,
            "as the key of an aggregation" => stacks::counted,
            "a file that is cut while it is read, and a pipe in its place" => stacks::hostile_files,
        }
        "scope" {
            "uid: only these users" => scope::uid,
            "cgroup: the subtree and nothing else" => scope::cgroup,
            "cgroup: the subtree however deep it is" => scope::deep_cgroup,
            "pid: the subtree, also after the parent is gone" => scope::pid,
            "pid: a subtree that outgrows its table follows on_error" => scope::outgrown,
            "kinds are joined by and" => scope::conjunction,
            "gid and loginuid, and what is not" => scope_kinds::ids,
            "comm: whole names" => scope_kinds::comm,
            "exe: the inode, under every name" => scope_kinds::exe,
            "parent_exe: children of that program" => scope_kinds::parent_exe,
            "exe_prefix, exe_suffix and the parent's: by path, and live" => scope_kinds::executables_by_path,
            "namespaces: the host's, others, that of a file" => scope_kinds::namespaces,
            "not_cgroup and not_pid take subtrees out" => scope_kinds::not_below,
            "twelve thousand members" => scope_kinds::large,
            "ten thousand executables" => scope_kinds::many_executables,
        }
        "names" {
            "a cgroup created again is in scope from its first task on" => names::cgroup_made_anew,
            "a cgroup created again while the shell is stopped is in scope" => names::cgroup_while_stopped,
            "a cgroup created again is left out again" => names::not_cgroup_made_anew,
            "an executable replaced is followed, and what runs the former one" => names::exe_replaced,
            "a symbolic link turned elsewhere is followed" => names::link_turned,
            "a file replaced is denied as the one before" => names::replaced_file,
            "what is named through a linked directory is found" => names::through_a_linked_directory,
            "ways round a rule about names" => names::ways_round_a_name,
            "users are named in scope and filter" => names::accounts,
            "a scope that leaves nobody out counts as none" => names::nobody_left_out,
        }
        "exec_unlink" {
            "deny keeps each name of a running executable" => exec_unlink::deny,
            "what is not running, or of another path, is left alone" => exec_unlink::others,
            "eight processes are named, all are counted" => exec_unlink::many,
            "a count leaves out what was executed once" => exec_unlink::counted,
            "a process whose first thread has left is found" => exec_unlink::leaderless,
            "among threads that have left, one not found follows on_error" => exec_unlink::crowded,
            "a program that was just started keeps its name" => exec_unlink::just_started,
            "while processes with many threads end, every name is kept" => exec_unlink::in_a_storm,
            "overlayfs files are found, once" => exec_unlink::overlayfs,
        }
        "proc_mem" {
            "deny refuses by every gate into the kernel" => proc_mem::every_gate,
            "reading, and a process's own memory, are none" => proc_mem::reading_is_none,
            "way narrows" => proc_mem::ways,
            "a parent can be spared" => proc_mem::except_child,
        }
        "connect" {
            "each kind of address is told" => connect::fields,
            "networks: edges, mapped and unspecified addresses, exceptions" => connect::networks,
            "ports, families, types and protocols narrow" => connect::ports,
            "names of unix sockets: whole, prefixes, abstract" => connect::names,
            "a filter asks for port, family and name" => connect::filter,
        }
        "unlink" {
            "a denied file keeps each of its names" => unlink::every_name,
            "the path is that of the mount the task goes through" => unlink::as_the_task_goes,
            "overlayfs: one removal is one event" => unlink::overlayfs,
            "file_type narrows" => unlink::types,
        }
        "rename" {
            "a rule about a file is about what would replace it" => rename::either_name,
            "name and replaces narrow" => rename::one_name,
            "an exchange is one event" => rename::exchange,
        }
        "create" {
            "an open of what is there is not certain, and goes on" => create::not_certain,
            "where nothing can be made there is no event" => create::nothing_to_make,
            "file_type narrows" => create::types,
        }
        "link" {
            "rules about the new name, and about what it leads to" => link::sides,
            "a file without a name gets one" => link::nameless,
        }
        "chmod" {
            "gained narrows to what a file does not have" => chmod::gained,
            "times: only those given, and backwards narrows" => chmod::backwards,
            "owner: the path is one of the task's own" => chmod::without_a_mount,
        }
        "truncate" {
            "an open and an open file are asked about, once" => truncate::open_files,
            "what is made new is none" => truncate::new_files,
        }
        "xattr" {
            "capabilities of a program are decided by" => xattr::capabilities,
            "access control lists" => xattr::access_lists,
        }
        "file_ioctl" {
            "command and file_type narrow" => file_ioctl::commands,
            "by the gate of 32-bit programs" => file_ioctl::by_32_bits,
        }
        "stat" {
            "a file is as if it were not there" => stat::hidden,
        }
        "module" {
            "families are refused by the names they are requested by" => module::families,
            "kinds and files narrow" => module::kinds,
        }
        "mount" {
            "action, type, source and place narrow" => mount::narrowed,
            "a remount by fsconfig is known by its root alone" => mount::remounted_file_system,
        }
        "bpf" {
            "commands, types and names narrow" => bpf::narrowed,
            "where bpf(2) is denied to all, the shell goes on" => bpf::shell_is_spared,
        }
        "bpf_object" {
            "new ones are told by id, the shell's own by their function" => bpf_object::new_ones,
        }
        "mmap_exec" {
            "path, kind and writable narrow; the rest is in no books" => mmap_exec::narrowed,
            "where reading implies executing" => mmap_exec::implied,
            "a program that may not be mapped does not run" => mmap_exec::programs,
        }
        "mprotect" {
            "written and then made executable, in two steps" => mprotect::in_two_steps,
            "heap and stack are told apart" => mprotect::regions,
        }
        "perf" {
            "access narrows, and a probe asks once" => perf::accesses,
        }
        "lockdown" {
            "reasons go by name, whatever their numbers" => lockdown::by_reason,
        }
        "syslog" {
            "actions, by call and by device" => syslog::actions,
        }
        "settime" {
            "time and zone; adjtimex has no hook" => settime::what_is_not_seen,
        }
        "io_uring" {
            "the making of a ring is refused" => io_uring::setup_is_refused,
        }
        "ipc" {
            "what belongs to others" => ipc::foreign,
        }
        "sched" {
            "a process that changes itself can be spared" => sched::except_own,
        }
        "fd_receive" {
            "over a socket and by pidfd_getfd; access narrows" => fd_receive::over_a_socket,
        }
        "key_add" {
            "types and names narrow" => key_add::narrowed,
        }
        "socket" {
            "a family is refused before the kernel looks for it" => socket::alg,
            "protocols: what 0 stands for, netlink's own, pairs" => socket::protocols,
        }
        "bind" {
            "each kind of address is told" => bind::told,
            "every address is none of the loopback's; ports and names" => bind::addresses,
            "who hears all frames is found by a filter" => bind::sniffers,
            "algorithms by name, and vsock" => bind::modules,
        }
        "listen" {
            "a port that the kernel chose, a socket that was passed" => listen::told,
            "addresses, ports and names narrow" => listen::rules,
        }
        "accept" {
            "with_peer: who has connected" => accept::peers,
            "a denial by peer kills, and says so" => accept::by_peer,
            "what is refused is the call: the connection waits" => accept::refused_call,
        }
        "sendto" {
            "connected sockets, and no address, are in no books" => sendto::unaddressed,
            "addresses as the kernel takes them, ports, families" => sendto::rules,
            "sendmmsg asks for each address in a row" => sendto::many,
        }
        "unix_connect" {
            "a socket is denied by whatever name leads there" => unix_connect::every_name,
            "a socket that is bound anew is followed" => unix_connect::restarted,
            "abstract names, pairs, prefixes" => unix_connect::names,
        }
        "setsockopt" {
            "an option has its name at its level" => setsockopt::levels,
            "options and sockets narrow" => setsockopt::rules,
        }
        "netlink" {
            "each message of a call is told" => netlink::many,
            "a type is found behind others" => netlink::rules,
        }
        "setid" {
            "to_root: up is denied, down is not" => setid::to_root,
            "of many groups the first are told" => setid::many_groups,
        }
        "privileged_exec" {
            "what gains nothing is none" => privileged_exec::nothing_gained,
            "gains narrows" => privileged_exec::kinds_of_gain,
        }
        "fork" {
            "kind and flags narrow" => fork::narrowed,
        }
        "signal" {
            "signal and to_others narrow" => signal::narrowed,
            "a group is decided member by member" => signal::group,
        }
        "ptrace" {
            "access narrows, and a parent can be spared" => ptrace::narrowed,
            "what is silent shows less" => ptrace::silent,
        }
        "exit" {
            "how and signal narrow, and a scope by executable holds" => exit::narrowed,
            "of several threads the last is told, once" => exit::threads,
        }
        "prctl" {
            "ENOSYS refuses too; options go by number" => prctl::no_mind,
        }
        "cap_use" {
            "one event for each process and capability, and every use is decided" => cap_use::repeats,
            "what the task does not have is no use, in its namespace or outside" => cap_use::not_granted,
            "without a scope it is refused" => cap_use::scope_required,
        }
        "capset" {
            "raises: up is denied, down is not" => capset::raising,
        }
        "userns" {
            "who has power already can be let through" => userns::unprivileged,
        }
        "memfd" {
            "other files are none, and in no books" => memfd::nothing_else,
        }
        "attempts" {
            "denied by a probe of the scratch's cgroup, and nowhere else" => attempts::denied_in_its_cgroup,
            "what is permitted to root leaves nothing behind" => attempts::permitted_without_harm,
            "active checks pass where they should, and fail where they should" => active::both_ways,
            "a killed shell leaves no scratch, nor does a killed keeper" => attempts::killed,
        }
        "why" {
            "modes, lists, owners and capabilities are told with whose and which" => why::modes,
            "mounts, flags, seccomp and Yama are told, and what is the call's own" => why::mounts_and_more,
            "the program that refuses is told from another one on the hook" => why::programs,
            "a process that is there is followed to its end" => why::process,
        }
        "why by security modules" {
            "AppArmor, Landlock and lockdown are told" => why::modules,
        }
        "why by SELinux" {
            "a label that its policy keeps from everybody is told" => why::selinux,
        }
        "doctor" {
            "every hook is seen to fire" => doctor::all_fire,
            "as another user: privilege is missing" => doctor::unprivileged,
            "without the kernel's types: cause and fix" => doctor::without_types,
            "nothing stays attached" => doctor::leaves_nothing,
        }
        "hunts" {
            "each finds what is done, and no look-alike: first quarter" => hunts::first_quarter,
            "each finds what is done, and no look-alike: second quarter" => hunts::second_quarter,
            "each finds what is done, and no look-alike: third quarter" => hunts::third_quarter,
            "each finds what is done, and no look-alike: last quarter" => hunts::last_quarter,
            "one that finds nothing says so, and is inconclusive if events were lost" => hunts::nothing_found,
            "guards and mitigations refuse, let a look-alike be, and are rehearsed: first quarter" => guards::first_quarter,
            "guards and mitigations refuse, let a look-alike be, and are rehearsed: second quarter" => guards::second_quarter,
            "guards and mitigations refuse, let a look-alike be, and are rehearsed: third quarter" => guards::third_quarter,
            "guards and mitigations refuse, let a look-alike be, and are rehearsed: last quarter" => guards::last_quarter,
            "guards: a person approves new executables, once" => guards::executables,
            "guards: a person approves first connections, once" => guards::connections,
        }
        "hunts on the oldest kernel" {
            "the most demanding find what is done, and no look-alike" => hunts::demanding,
        }
        "bypasses" {
            "a file: by every way to open it" => bypasses::every_way_to_open,
            "a file: what is no open, and the rule for it" => bypasses::round_an_open,
            "a program: copies, memory and interpreters" => bypasses::copies_of_a_program,
        }
        "redteam" {
            "a file by its path: every way is stopped" => redteam::path,
            "a file by its name: what goes round it is named" => redteam::names,
            "a program by its path: its copies are holes" => redteam::program,
            "a connection: what reaches the same host by another address" => redteam::connection,
            "a family of sockets: every way is stopped" => redteam::family,
            "what refuses nothing, or cannot be told, is an error" => redteam::nothing_to_go_round,
            "whoever is in scope tries, and a rule that lapses is no hold" => redteam::whom_and_how_long,
        }
        "breaker" {
            "as many are refused as it says, and no more" => breaker::so_many_and_no_more,
            "what is refused more slowly does not trip it" => breaker::slowly,
            "however many processors refuse at once" => breaker::several_processors,
            "a kill is a refusal" => breaker::kills,
            "too late to refuse, too" => breaker::too_late,
            "what an answer refuses is a refusal" => breaker::answers,
            "by fmod_ret as by LSM" => breaker::by_fmod_ret,
            "another filter goes on counting" => breaker::another_filter,
            "a lease beside it, and either may end first" => breaker::with_a_lease,
            "what is only rehearsed trips nothing" => breaker::rehearsed,
            "it is said though the shell was busy, and by who is quiet" => breaker::said,
            "a probe without one has nothing of it" => breaker::costs_nothing,
            "a recording tells of it" => breaker::recorded,
        }
        "rates" {
            "as many are sent as the limit says, and the others counted, and said" => rates::so_many_and_no_more,
            "verdicts are those of every operation" => rates::verdicts,
            "however many processors send at once, never more within any such time" => rates::several_processors,
            "of a burst exactly as many as it says" => rates::exactly,
            "each process has a limit of its own, with all its threads" => rates::of_each_process,
            "a limit of the probe and one of each process hold both" => rates::of_both,
            "after the time there may be as many again" => rates::again,
            "each tenth is sent, on one processor and on several" => rates::sampled,
            "another filter goes on counting" => rates::another_filter,
            "a probe that sends nothing uses nothing of it" => rates::silent,
            "a probe without one has nothing of it" => rates::costs_nothing,
            "every template has it" => rates::every_template,
            "a hunt that was not shown everything is inconclusive" => rates::hunts,
            "a recording tells of it" => rates::recorded,
            "a flood of what is held back ends" => rates::flood,
        }
        "sets" {
            "what one probe has seen another refuses, until its time is over" => sets::feeds_another,
            "two templates take one set, and an empty one names nothing" => sets::shared,
            "what one probe does not take none is given" => sets::all_or_none,
            "ten thousand values are swapped under four openers" => sets::swapped,
            "what is added again has its time anew, also in a replay" => sets::expires_and_is_had_again,
        }
        "reactions" {
            "what is imported is a filter, a callback and a timer, live and replayed" => reactions::imports,
            "a process and all that it has started stand still, and go on" => reactions::freeze_tree,
            "what a process is, is kept where nobody else looks" => reactions::snapshot_evidence,
            "an address is blocked, and another is not" => reactions::block_address,
            "a process tree has no network, and has it again" => reactions::cut_network,
            "an executable is quarantined under every name" => reactions::quarantine_file,
            "under --audit nothing is done, and it is said" => reactions::audited,
        }
        "tampering" {
            "a mode, a lease, a param that another process writes is put back, and said" => tampering::words,
            "what another process makes observe stays so, and is said" => tampering::observes,
            "entries of tables are put back" => tampering::tables,
            "by what a scope is followed is put back" => tampering::scope,
            "whom a probe spares is put back" => tampering::spared,
            "no other process detaches a link, and one that is closed is attached again" => tampering::links,
            "what is frozen cannot be written" => tampering::frozen,
            "a session that watches bpf(2) does not see itself look" => tampering::unseen,
            "what the session does itself is nobody else's deed" => tampering::own_changes,
        }
        "pins" {
            "goes on when its session has ended, or was killed; and is found, counted and removed" => pins::goes_on,
            "whoever comes later has it observe and enforce again, and panic reaches it" => pins::is_changed_later,
            "what needs a shell is refused by name" => pins::what_needs_a_shell,
            "a lease runs out, and who holds the pin renews it" => pins::lease_and_hold,
            "nobody reads: each verdict is as before" => pins::nobody_reads,
            "removed behind the session's back: said, and ends with the session" => pins::removed_behind_its_back,
            "unpin and detach" => pins::unpinned_by_the_session,
            "what is not whole is told and removed" => pins::not_whole,
            "what a scope and a filter know of processes and cgroups is kept without a session" => pins::is_kept_up_to_date,
            "a later session has it by pinned()" => pins::by_a_later_session,
            "kill -9 at each system call: wholly there or wholly gone" => pin_kills::wholly_there_or_gone,
        }
        "watches" {
            "a probe trips when its health function says so, or says nothing" => watches::health,
            "a canary that is permitted is an alert" => watches::canary,
            "a check with such a canary is inconclusive" => watches::inconclusive,
        }
        "strained" {
            "a hook without room: said, and what is attached goes on" => strained::full_hook,
            "what is not mounted is named, or not needed" => strained::not_mounted,
            "short of memory: as a whole or not at all" => strained::short_of_memory,
            "a processor comes and goes under load" => strained::a_processor_comes_and_goes,
            "the wall clock is turned under a lease" => strained::the_clock_is_turned,
        }
        "races" {
            "a name in memory that another thread writes to" => races::name_in_memory,
            "a symbolic link that turns between what is allowed and what is not" => races::turning_link,
            "a file that is renamed to and fro" => races::renamed,
            "executed by a name that another task writes to" => races::executed,
            "executed with an argument that another task writes to" => races::arguments,
            "executed with a variable that another task writes to" => races::environment,
            "connected to an address that another thread writes to" => races::connected,
            "sent to an address that another thread writes to" => races::sent,
            "more tasks than processors: each event is of one of them" => races::many_tasks,
        }
        "soak" {
            "a random walk of changes at full rate: refused while armed, counted exactly, nothing left" => soak::walk,
        }
        "recording" {
            "secrets are in no output and no recording, and a rule has the real text" => recording::secrets,
            "a session is had again, byte for byte, and without privilege" => recording::same_again,
            "another rule is asked of what was recorded, and what it cannot tell is refused" => recording::asked_anew,
            "the minutes before an alert are written when it comes, and replayed" => recording::before_an_alert,
            "a recorder that is killed, or whose disk is full, loses nothing else" => recording::cut_off,
        }
        "services" {
            "nginx: what was learned goes on, and an intruder's file, connection and shell are refused" => services::nginx,
            "sshd: what was learned goes on, and whoever has a stolen key gets no further" => services::sshd,
            "cron: what was learned goes on, and neither a new job nor more in an old one does" => services::cron,
            "a shell session: what was learned goes on, and nothing else does" => services::session,
        }
        "learning" {
            "two runs of one thing make one profile, which allows that and refuses an intruder" => learning::of_a_command,
            "a profile is refined by another run, and by a recording" => learning::refined,
            "of a web server that is there already" => learning::of_a_server,
            "a jailed command can do its work, and nothing else" => learning::jail,
            "a jail hands on its command's exit code, and says what it lacks" => jail::exit_code,
            "a profile that was learned in a jail narrows it, and the command cannot change it" => jail::profile,
            "what a command was refused it reads, and nobody forges" => jail::denials,
            "what a jailed command leaves running ends with it" => jail::nothing_is_left,
        }
        "shell" {
            "the shell itself is spared" => faults::guard,
            "in a pid namespace: the shell itself is spared" => namespaces::guard,
            "in a pid namespace: ids that are not the kernel's are refused" => namespaces::process_ids,
            "in a pid namespace: a path is found" => namespaces::paths,
            "in a time namespace: a lease lasts as long as it says" => namespaces::lease,
            "in a time namespace: an event's process and its time" => namespaces::time_of_an_event,
            "too little locked memory is named, and not the template" => limits::locked_memory,
            "too few descriptors are named, and not the template" => limits::descriptors,
            "with capabilities alone, other people's scripts are refused" => limits::scripts_of_others,
            "what is typed at the prompt lapses when the shell is stopped" => prompt::lapses_when_stopped,
            "a command is held from its first instruction on, and its exit code is the session's" => target::from_the_first_instruction,
            "a command and its session end together, however either ends" => target::each_end,
            "about a process that is there, and about a child that waits" => target::other_processes,
            "each template has a row of the common claims" => cases::complete,
            "the example in each template's help runs" => help::examples,
            "panic ends a deny-all of which it is part" => panic::ends_a_deny_all,
            "panic ends a session that denies bpf(2) to all" => panic::ends_a_denial_of_bpf,
            "panic ends every session, be it stopped or stubborn" => panic::ends_every_session,
            "panic needs privilege, and says so" => panic::needs_privilege,
            "a preview is what the hooks then do" => product::preview,
            "a killed shell leaves nothing attached" => faults::killed_shell,
            "a full disk under the output ends no denial" => output::full_disk,
            "a reader that leaves ends no denial, and one that only reports" => output::closed,
            "a signal ends a session whose callbacks are slow" => output::slow_callbacks,
            "a hostile name reaches no log raw" => output::hostile_names,
            "a lease lapses though the shell is stopped" => faults::stopped_shell,
            "a failed attach leaves nothing behind" => product::failed_attach,
            "audit turns deny into shadow" => product::audit,
            "a host that only observes refuses what enforces, and says why" => product::host_switch,
            "checks with the clock set back: nothing is accepted again" => product::checks_with_the_clock_set_back,
            "without privilege: cause, fix, exit 3" => product::unprivileged,
            "an error in the kernel is exit 3, in the script 1" => product::exit_codes,
            "standard output is NDJSON and nothing else" => product::ndjson,
            "a sequence is found across templates, and no look-alike" => correlation::sequences,
            "a threshold is reached by one process, and told once" => correlation::thresholds,
            "events arrive while run waits" => product::events_during_run,
            "a failing callback is reported and the script goes on" => product::failing_callback,
        }
    }
}

/// Begins what the host hands to the guest of its environment, behind everything else: `NAME=VALUE`.
pub const HANDED: [&str; 3] = [races::SECONDS, soak::SECONDS, soak::SEED];

/// What the host has in this variable of [`HANDED`], if anything.
pub fn handed(name: &str) -> Option<String> {
    std::env::args().skip(4).find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

pub fn main() -> ExitCode {
    // A panic is a step's failure, told as its reason and not on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    pace::measure();
    let word = |n: usize| std::env::args().nth(n).unwrap_or_default();
    let (kernel, filter) = (word(2), word(3));
    let mut failed = false;
    let wanted: Vec<_> = STEPS.iter().filter(|step| host::is_wanted(&kernel, step, &filter)).collect();
    let cases = Cases::of(&wanted);
    for step in wanted {
        let outcome = outcome(step, &cases);
        failed |= outcome.is_err();
        let row = Row {
            kernel: String::new(),
            template: step.template.into(),
            step: step.name.into(),
            result: if outcome.is_ok() { "pass" } else { "fail" }.into(),
            reason: outcome.err().unwrap_or_default(),
        };
        println!("{}", serde_json::to_string(&row).unwrap());
        std::io::stdout().flush().unwrap();
    }
    if failed { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

fn outcome(step: &Step, cases: &Cases) -> Outcome {
    let run = || match step.run {
        Run::Alone(run) => run(),
        Run::Common(case, claim) => cases.judge(case, claim),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

/// Shows what was measured to who looks at the progress.
pub fn tell(figures: impl Into<String>) {
    println!("{}", serde_json::to_string(&Figures { figures: figures.into() }).unwrap());
}

/// `Err` with what was expected and what came, if they differ.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// The templates, read once: that takes long here, and what is judged asks for them again and again.
pub fn catalogue() -> Result<&'static Catalogue, String> {
    static CATALOGUE: OnceLock<Result<Catalogue, String>> = OnceLock::new();
    let read = || Catalogue::builtin().map_err(|error| error.to_string());
    CATALOGUE.get_or_init(read).as_ref().map_err(Clone::clone)
}

/// `Err` with the sentence, unless it holds.
pub fn holds(condition: bool, sentence: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(sentence.into()) }
}
