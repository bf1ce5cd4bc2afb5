//! From what was noted within a system call to who has refused it, and why.
//!
//! The last function that has refused with the call's own errno is the one that counts: what refused earlier was asked
//! for something else, or is what the last one has gone by. What no function has said is inferred from the object, and
//! called so; what cannot be told is unknown.

use std::{collections::BTreeMap, path::Path};

use super::{
    functions::{Check, Role, module_name},
    mode::{self, MAY_WRITE},
    place::{Found, View},
};
use crate::{
    facts::bpf::Program,
    kernel::denials::{Denial, Reason, Refuser},
    raw,
    reaction::capabilities,
};

// include/linux/fs.h, include/linux/mount.h
const S_IMMUTABLE: u32 = 1 << 3;
const SB_RDONLY: u64 = 1;
const MNT_READONLY: u64 = 0x40;

/// Begins the names of the programs that watch.
const OWN: &str = "krsi_why_";

/// What is watched, and who is on which hook.
#[derive(Debug, Default)]
pub struct Known {
    /// Of each function that was to be watched: its name, for whom it speaks, and whether it is.
    pub functions: Vec<(String, Role, bool)>,
    /// Active security modules; `None` if that cannot be told.
    pub active: Option<Vec<String>>,
    pub programs: Vec<Program>,
    /// Where programs are pinned.
    pub pins: BTreeMap<u32, String>,
    /// LSM programs whose refusals are seen.
    pub watched_programs: Vec<u32>,
}

/// Who has refused a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `file mode`, `AppArmor`, `BPF` …; `unknown`.
    pub layer: String,
    /// In a sentence.
    pub why: String,
    /// Whether the kernel was seen to refuse it there; else it is inferred.
    pub is_seen: bool,
    /// The programs of BPF's that it may have been.
    pub programs: Vec<u32>,
    /// Name of a capability that is missing.
    pub capability: Option<String>,
    /// Layers that were watched, and have not refused.
    pub ruled_out: Vec<String>,
}

impl Finding {
    fn seen(layer: &str, why: impl Into<String>) -> Self {
        Finding { is_seen: true, ..Self::inferred(layer, why) }
    }

    fn inferred(layer: &str, why: impl Into<String>) -> Self {
        Finding {
            layer: layer.to_owned(),
            why: why.into(),
            is_seen: false,
            programs: Vec::new(),
            capability: None,
            ruled_out: Vec::new(),
        }
    }
}

/// One refusal, with all that is known about it.
pub struct Case<'c> {
    pub denial: &'c Denial,
    pub known: &'c Known,
    pub view: View,
    /// What the call is about, as a path.
    pub object: Option<&'c Path>,
    /// The call's name.
    pub call: &'c str,
}

impl Case<'_> {
    fn role(&self, reason: &Reason) -> Option<&Role> {
        match reason.refuser {
            Refuser::Function(at) => self.known.functions.get(at).map(|(_, role, _)| role),
            Refuser::Program(_) => None,
        }
    }

    fn is_program(reason: &Reason) -> Option<u32> {
        match reason.refuser {
            Refuser::Program(id) => Some(id),
            Refuser::Function(_) => None,
        }
    }

    /// Who has refused it.
    pub fn judge(&self) -> Finding {
        let Denial { reasons, result, was_begun, .. } = self.denial;
        if !was_begun {
            return Finding::seen(
                "seccomp",
                "a filter of the process's own, or of one above it, refuses this call",
            );
        }
        let decisive = reasons.iter().rposition(|reason| reason.result == *result);
        let found = match decisive.or_else(|| reasons.len().checked_sub(1)) {
            Some(at) => self.by_reason(at),
            None => None,
        };
        let mut finding = found.or_else(|| self.inferred()).unwrap_or_else(|| self.unknown());
        finding.ruled_out = self.ruled_out(&finding);
        finding
    }

    fn by_reason(&self, at: usize) -> Option<Finding> {
        let reasons = &self.denial.reasons;
        let reason = reasons.get(at)?;
        if let Some(id) = Self::is_program(reason) {
            return Some(self.program(id));
        }
        let before = || self.before(at);
        Some(match self.role(reason)? {
            Role::Hook(hook) => self.hook(hook, at),
            Role::Module { name, hook } => Finding::seen(name, self.rules(name, hook)),
            Role::Capability => self.capability(reason),
            Role::Lockdown => self.lockdown(reason),
            // Nothing is noted of it but that it was asked.
            Role::Seccomp => return None,
            Role::Mode => self.mode(at),
            Role::Permission => match before().and_then(|at| Some((at, self.role(reasons.get(at)?)?))) {
                Some((before, Role::Mode | Role::Hook("inode_permission"))) => self.by_reason(before)?,
                _ => self.permission(),
            },
            Role::Mount => Self::mount(reason, self.mounted_at()),
            Role::Noexec => Finding::seen(
                "mount option",
                format!("noexec: nothing may be executed from {}", self.mounted_at()),
            ),
            Role::Check(check) => match before() {
                Some(before) if self.explains(before) => self.by_reason(before)?,
                _ => self.check(*check, at),
            },
        })
    }

    /// What a security module has refused by, as far as that can be told.
    fn rules(&self, module: &str, hook: &str) -> String {
        // The label of the process is what its rules are found by.
        let label = match module {
            "AppArmor" | "SELinux" | "Smack" => self.view.label(module),
            _ => None,
        };
        match (module, label) {
            ("Yama", _) => {
                let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
                format!(
                    "it refuses to trace this process ({hook}); kernel.yama.ptrace_scope is {}",
                    scope.trim()
                )
            }
            ("Landlock", _) => format!("the process has restricted itself, or one above it has ({hook})"),
            (_, label) => {
                let whose = label.map_or_else(String::new, |label| format!(" for `{label}`"));
                let what = self.label_of_object(module).map(|label| format!("what is labelled `{label}`"));
                format!("its rules{whose} refuse {} ({hook})", what.as_deref().unwrap_or("it"))
            }
        }
    }

    /// The label that the object has for a module which labels files, as far as it can be told.
    fn label_of_object(&self, module: &str) -> Option<String> {
        let attribute = match module {
            "SELinux" => "security.selinux",
            "Smack" => "security.SMACK64",
            _ => return None,
        };
        self.view.file_label(self.object?, attribute)
    }

    /// The reason before one, if both are of the same errno: what the one was gone by.
    fn before(&self, at: usize) -> Option<usize> {
        let before = at.checked_sub(1)?;
        (self.denial.reasons[before].result == self.denial.reasons[at].result).then_some(before)
    }

    /// Whether it says more than a check that comes behind it.
    fn explains(&self, at: usize) -> bool {
        let reason = &self.denial.reasons[at];
        // A capability would make up for what the check is about.
        if matches!(self.role(reason), Some(Role::Hook("capable") | Role::Module { hook: "capable", .. })) {
            return false;
        }
        Self::is_program(reason).is_some()
            || matches!(
                self.role(reason),
                Some(
                    Role::Hook(_)
                        | Role::Module { .. }
                        | Role::Mode
                        | Role::Permission
                        | Role::Mount
                        | Role::Noexec
                        | Role::Check(_)
                )
            )
    }

    /// What all modules together have refused: one of them, or a program of BPF's.
    fn hook(&self, hook: &str, at: usize) -> Finding {
        let inner = self.before(at).and_then(|before| {
            let reason = self.denial.reasons.get(before)?;
            match self.role(reason) {
                None => Self::is_program(reason).map(|id| self.program(id)),
                Some(Role::Module { hook: of, .. }) if *of == hook => self.by_reason(before),
                Some(Role::Capability) if hook == "capable" => self.by_reason(before),
                Some(Role::Lockdown) if hook == "locked_down" => self.by_reason(before),
                // A module has asked for a capability, as the capabilities' own module does for most of its hooks.
                Some(Role::Hook("capable")) => self.by_reason(before),
                _ => None,
            }
        });
        inner.unwrap_or_else(|| self.by_elimination(hook))
    }

    fn program(&self, id: u32) -> Finding {
        let why = self.describe(id).unwrap_or_else(|| format!("program {id}, which has gone meanwhile"));
        Finding { programs: vec![id], ..Finding::seen("BPF", why) }
    }

    /// `program 12 (krsi_file_open) of krsi-sh, process 345, on file_open`.
    fn describe(&self, id: u32) -> Option<String> {
        let program = self.known.programs.iter().find(|program| program.id == id)?;
        let mut text = format!("program {id} ({})", program.name);
        if let Some(hook) = &program.target {
            text += &format!(" on {hook}");
        }
        let pids: Vec<String> = program.pids.iter().map(u32::to_string).collect();
        match (program.ours, pids.is_empty()) {
            (true, false) => text += &format!(", a probe of the krsi-sh session {}", pids.join(", ")),
            (true, true) => text += ", a probe of krsi-sh",
            (false, false) => text += &format!(", held by process {}", pids.join(", ")),
            (false, true) => {}
        }
        if let Some(pin) = self.known.pins.get(&id) {
            text += &format!(", pinned at {pin}");
        }
        if let Some(probe) = &program.probe {
            text += &format!(": {probe}");
        }
        Some(text)
    }

    fn by_elimination(&self, hook: &str) -> Finding {
        let function = crate::kernel::denials::asking_function(hook);
        // Before 5.17 the kernel does not tell where a program is.
        let is_there = |program: &&Program| match program.target.as_deref() {
            Some(target) => target == hook || target == function,
            None => program.kind == "lsm",
        };
        // Those of this command refuse nothing.
        let unseen = |program: &&Program| {
            !self.known.watched_programs.contains(&program.id) && !program.name.starts_with(OWN)
        };
        let all: Vec<&Program> = self.known.programs.iter().filter(is_there).filter(unseen).collect();
        let ids: Vec<u32> = all.iter().map(|program| program.id).collect();
        let unwatched = self.unwatched_modules(hook);
        if !ids.is_empty() && unwatched.is_empty() {
            let told: Vec<String> = ids.iter().filter_map(|id| self.describe(*id)).collect();
            let one_of = if told.len() > 1 { "one of " } else { "" };
            let why = format!("{one_of}{}; no other module has refused it", told.join("; "));
            return Finding { programs: ids, ..Finding::seen("BPF", why) };
        }
        let mut suspects = unwatched;
        if !ids.is_empty() {
            suspects.push("BPF".to_owned());
        }
        // Modules of which nothing is known here.
        let active = self.known.active.as_deref().unwrap_or_default();
        let familiar = |key: &&String| {
            module_name(key).is_some() || ["bpf", "capability", "lockdown"].contains(&key.as_str())
        };
        suspects.extend(active.iter().filter(|key| !familiar(key)).cloned());
        let why = match suspects.is_empty() {
            true => format!("a security module refuses it in {hook}; none that is watched there has"),
            false => format!("a security module refuses it in {hook}; it may be {}", suspects.join(", ")),
        };
        Finding { programs: ids, ..Finding::seen("security module", why) }
    }

    /// Active modules that may refuse in this hook, and cannot be seen to.
    fn unwatched_modules(&self, hook: &str) -> Vec<String> {
        let modules: Vec<&str> = self
            .known
            .functions
            .iter()
            .filter_map(|(_, role, watched)| match role {
                // A module that has no such function is not asked there.
                Role::Module { name, hook: of } if *of == hook && !watched => Some(*name),
                _ => None,
            })
            .collect();
        let is_active = |name: &&str| {
            let active = self.known.active.as_deref().unwrap_or_default();
            active.iter().any(|key| module_name(key) == Some(*name))
        };
        // SELinux has a function for nearly every hook; of the others that one is missing says nothing.
        modules.into_iter().filter(|name| *name == "SELinux").filter(is_active).map(str::to_owned).collect()
    }

    fn capability(&self, reason: &Reason) -> Finding {
        let name = capability_name(reason.first);
        let own = self.denial.user_ns;
        let asked = reason.second;
        let has = self.denial.capabilities & 1_u64.checked_shl(reason.first as u32).unwrap_or(0) != 0;
        let why = match (has, asked == u64::from(own)) {
            (true, false) => format!(
                "{name} is asked for in user namespace {asked}, and the task has it in its own ({own}) alone"
            ),
            (_, true) => format!("{name} is missing in user namespace {asked}"),
            (false, false) => format!("{name} is missing in user namespace {asked}; the task is in {own}"),
        };
        Finding { capability: Some(name), ..Finding::seen("capability", why) }
    }

    fn lockdown(&self, reason: &Reason) -> Finding {
        let level = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        let level = level.split(['[', ']']).nth(1).unwrap_or("?").to_owned();
        Finding::seen(
            "lockdown",
            format!("the kernel is locked down ({level}); what is asked is number {}", reason.first),
        )
    }

    /// The file that was asked about.
    fn asked(&self) -> Option<Found> {
        let inode = &self.denial.inode;
        (inode.number != 0).then(|| self.view.find_inode(self.object?, inode.number)).flatten()
    }

    /// Capabilities that would have made up for the mode, and were asked for in vain.
    fn lacking(&self, at: usize) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for reason in self.denial.reasons.get(..at).unwrap_or_default() {
            if matches!(self.role(reason), Some(Role::Capability)) {
                let name = capability_name(reason.first);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    fn mode(&self, at: usize) -> Finding {
        let inode = &self.denial.inode;
        let place = self.place();
        if inode.number == 0 {
            return Finding::seen("file mode", place);
        }
        let class = mode::class(inode, self.denial);
        // A group class is what the mask of an access list is shown as.
        let layer = if inode.has_acl && class != mode::Class::Owner { "ACL" } else { "file mode" };
        let mut why = format!(
            "{place} is {}: {} may not {}",
            mode::shown(inode.mode, inode.uid, inode.gid),
            class.told(),
            mode::wanted(inode, class)
        );
        if layer == "ACL" {
            why += "; it has an access list";
        }
        let lacking = self.lacking(at);
        if !lacking.is_empty() {
            why += &format!("; {} missing in user namespace {}", listed(&lacking), self.denial.user_ns);
        }
        Finding { capability: lacking.into_iter().next(), ..Finding::seen(layer, why) }
    }

    /// What an inode is asked before its mode is.
    fn permission(&self) -> Finding {
        let inode = &self.denial.inode;
        let place = self.place();
        if u64::from(inode.super_flags) & SB_RDONLY != 0 && inode.asked & MAY_WRITE != 0 {
            return Finding::seen("mount option", format!("ro: the file system of {place} is read-only"));
        }
        if inode.flags & S_IMMUTABLE != 0 {
            return Finding::seen(
                "immutable flag",
                format!("{place} is immutable (chattr -i takes that away)"),
            );
        }
        Finding::seen(
            "file system",
            format!("{place} is refused by its file system's own check, or its owner has no id here"),
        )
    }

    /// What was asked about, as it can be named.
    fn place(&self) -> String {
        match self.asked() {
            Some(found) => printed(&found.path),
            None if self.denial.inode.number != 0 => match self.object {
                Some(object) => {
                    format!("inode {} on the way to {}", self.denial.inode.number, printed(object))
                }
                None => format!("inode {}", self.denial.inode.number),
            },
            None => self.object.map_or_else(|| "the file".to_owned(), printed),
        }
    }

    fn mounted_at(&self) -> String {
        let mounted = self.object.and_then(|object| self.view.mounted(object));
        mounted.map_or_else(|| "its mount".to_owned(), |mounted| mounted.target)
    }

    fn mount(reason: &Reason, target: String) -> Finding {
        let why = if reason.first & MNT_READONLY != 0 {
            format!("ro: {target} is mounted read-only")
        } else if reason.second & SB_RDONLY != 0 {
            format!("ro: the file system at {target} is read-only")
        } else {
            format!("{target} is being made read-only")
        };
        Finding::seen("mount option", why)
    }

    fn check(&self, check: Check, at: usize) -> Finding {
        let lacking = self.lacking(at);
        let missing = || {
            if lacking.is_empty() { String::new() } else { format!("; {} missing", listed(&lacking)) }
        };
        let flagged = |found: &Found| found.is_immutable || found.is_append_only;
        let object = self.object.and_then(|object| self.view.find(object));
        let parent = self.object.and_then(Path::parent).and_then(|parent| self.view.find(parent));
        if let Some(found) = object.iter().chain(&parent).find(|found| flagged(found)) {
            let flag = if found.is_immutable { "immutable" } else { "append-only" };
            return Finding::seen("immutable flag", format!("{} is {flag} (lsattr)", printed(&found.path)));
        }
        let finding = match check {
            Check::Removal => {
                const STICKY: u32 = 0o1000;
                match parent.filter(|parent| parent.mode & STICKY != 0) {
                    Some(parent) => Finding::seen(
                        "file mode",
                        format!(
                            "{} is sticky: only the owner of a file or of the directory may remove it{}",
                            printed(&parent.path),
                            missing()
                        ),
                    ),
                    None => Finding::seen(
                        "file mode",
                        format!("{} may not be removed{}", self.place(), missing()),
                    ),
                }
            }
            Check::Link => Finding::seen(
                "sysctl",
                format!("fs.protected_hardlinks: {} is another user's file{}", self.place(), missing()),
            ),
            Check::Owner => match object {
                Some(found) if found.uid != self.denial.fsuid => Finding::seen(
                    "file owner",
                    format!(
                        "{} belongs to {}, and the task is {}{}",
                        printed(&found.path),
                        mode::user(found.uid),
                        mode::user(self.denial.fsuid),
                        missing()
                    ),
                ),
                _ => match lacking.as_slice() {
                    [] => Finding::seen(
                        "file owner",
                        format!("the attributes of {} may not be changed", self.place()),
                    ),
                    names => Finding::seen("capability", format!("{} missing", listed(names))),
                },
            },
            Check::Opening => {
                Finding::seen("file system", format!("{} may not be opened so{}", self.place(), missing()))
            }
            Check::Xattr => Finding::seen(
                "file owner",
                format!("that attribute of {} is not the task's{}", self.place(), missing()),
            ),
            Check::Signal => {
                Finding::seen("process owner", format!("the process is another user's{}", missing()))
            }
            Check::Trace => Finding::seen(
                "process owner",
                format!("the process is another user's, or may not be looked at{}", missing()),
            ),
        };
        Finding { capability: lacking.first().cloned(), ..finding }
    }

    // ---- without a function that has said so -------------------------------

    fn inferred(&self) -> Option<Finding> {
        let object = self.object?;
        let errno = -self.denial.result;
        let mounted = self.view.mounted(object);
        let has = |option: &str| {
            mounted.as_ref().is_some_and(|m| m.options.iter().chain(&m.system_options).any(|o| o == option))
        };
        let target = mounted.as_ref().map_or("its mount", |mounted| mounted.target.as_str());
        if errno == nix::libc::EROFS {
            return Some(Finding::inferred("mount option", format!("ro: {target} is read-only")));
        }
        let found = self.view.find(object);
        let parent = object.parent().and_then(|parent| self.view.find(parent));
        if errno == nix::libc::EPERM {
            let flagged =
                found.iter().chain(&parent).find(|found| found.is_immutable || found.is_append_only);
            if let Some(flagged) = flagged {
                let flag = if flagged.is_immutable { "immutable" } else { "append-only" };
                return Some(Finding::inferred(
                    "immutable flag",
                    format!("{} is {flag}", printed(&flagged.path)),
                ));
            }
            let changes = ["chmod", "fchmod", "chown", "fchown", "lchown", "utime"];
            let foreign = found.filter(|found| found.uid != self.denial.fsuid)?;
            return changes.iter().any(|word| self.call.starts_with(word)).then(|| {
                let (path, user) = (printed(&foreign.path), mode::user(foreign.uid));
                let why =
                    format!("{path} belongs to {user}, and the task is {}", mode::user(self.denial.fsuid));
                Finding::inferred("file owner", why)
            });
        }
        let executes = self.call.starts_with("execve");
        if executes && has("noexec") {
            return Some(Finding::inferred(
                "mount option",
                format!("noexec: nothing may be executed from {target}"),
            ));
        }
        const KIND: u32 = 0o170_000;
        const REGULAR: u32 = 0o100_000;
        let is_device = |mode: u32| matches!(mode & KIND, 0o020_000 | 0o060_000);
        if found.as_ref().is_some_and(|found| is_device(found.mode)) && has("nodev") {
            return Some(Finding::inferred(
                "mount option",
                format!("nodev: devices at {target} cannot be opened"),
            ));
        }
        if executes && let Some(found) = found.as_ref().filter(|found| found.mode & KIND != REGULAR) {
            return Some(Finding::inferred(
                "file type",
                format!("{} is no regular file", printed(&found.path)),
            ));
        }
        mode::barred(self.denial, &self.view, object, self.call)
            .map(|why| Finding::inferred("file mode", why))
    }

    fn unknown(&self) -> Finding {
        let any = self.known.functions.iter().any(|(.., watched)| *watched);
        let why = match any {
            true => {
                "no function that is watched has refused it: the check is one of the call's own, or of what it asks"
            }
            false => "only the call's entry and exit are seen here, and its object does not explain it",
        };
        Finding { is_seen: false, ..Finding::inferred("unknown", why) }
    }

    /// What was watched, and has not refused.
    fn ruled_out(&self, finding: &Finding) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (_, role, watched) in &self.known.functions {
            let name = match role {
                Role::Module { name, .. } => *name,
                Role::Capability => "capability",
                Role::Lockdown => "lockdown",
                Role::Seccomp => "seccomp",
                Role::Mode => "file mode",
                Role::Mount | Role::Noexec => "mount option",
                Role::Hook(_) => "BPF",
                Role::Permission | Role::Check(_) => continue,
            };
            if *watched && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        let refused: Vec<String> =
            self.denial.reasons.iter().filter_map(|reason| self.layer(reason)).collect();
        // A security module that is not known may be any.
        let vague = finding.layer == "security module";
        names.retain(|name| *name != finding.layer && !refused.contains(name) && !(vague && name == "BPF"));
        names
    }

    fn layer(&self, reason: &Reason) -> Option<String> {
        let name = match self.role(reason) {
            None => "BPF",
            Some(Role::Module { name, .. }) => name,
            Some(Role::Capability) => "capability",
            Some(Role::Lockdown) => "lockdown",
            Some(Role::Mode) => "file mode",
            Some(Role::Mount | Role::Noexec) => "mount option",
            _ => return None,
        };
        Some(name.to_owned())
    }
}

fn printed(path: &Path) -> String {
    raw::from_os(path)
}

fn capability_name(number: u64) -> String {
    let all = capabilities();
    let known = all.iter().find(|(_, own)| u64::from(*own) == number);
    known.map_or_else(|| format!("capability {number}"), |(name, _)| name.clone())
}

/// `A is`, `A and B are`.
fn listed(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kernel::denials::Inode, why::mode::MAY_READ};

    fn known() -> Known {
        let module = Role::Module { name: "AppArmor", hook: "file_open" };
        let functions = [
            ("cap_capable", Role::Capability),
            ("generic_permission", Role::Mode),
            ("inode_permission", Role::Permission),
            ("apparmor_file_open", module),
            ("security_file_open", Role::Hook("file_open")),
            ("setattr_prepare", Role::Check(Check::Owner)),
        ];
        let functions = functions.into_iter().map(|(name, role)| (name.to_owned(), role, true)).collect();
        Known { functions, ..Known::default() }
    }

    fn program(id: u32, hook: &str) -> Program {
        Program {
            id,
            name: "guard".into(),
            kind: "lsm".into(),
            target: Some(hook.into()),
            linked: true,
            pids: vec![7],
            loaded: None,
            uid: None,
            tag: String::new(),
            ours: false,
            probe: None,
            pin: None,
        }
    }

    fn reason(at: usize, result: i32, first: u64) -> Reason {
        Reason { refuser: Refuser::Function(at), result, first, second: 9 }
    }

    fn judged(known: &Known, denial: &Denial) -> Finding {
        Case { denial, known, view: View::of(std::process::id()), object: None, call: "openat" }.judge()
    }

    fn denial(result: i32, reasons: &[Reason]) -> Denial {
        Denial { result, was_begun: true, user_ns: 9, reasons: reasons.to_vec(), ..Denial::default() }
    }

    #[test]
    fn a_mode_counts_and_not_the_capability_that_was_asked_for_instead() {
        let mut denial = denial(-13, &[reason(0, -1, 1), reason(1, -13, 5), reason(2, -13, 5)]);
        denial.fsuid = 1000;
        denial.inode = Inode {
            number: 5,
            mode: 0o100_640,
            asked: MAY_READ,
            uid: 4_000_001,
            gid: 4_000_002,
            ..Inode::default()
        };
        let finding = judged(&known(), &denial);
        assert_eq!((finding.layer.as_str(), finding.is_seen), ("file mode", true));
        assert_eq!(
            finding.why,
            "inode 5 is -rw-r----- 4000001:4000002: others may not read; CAP_DAC_OVERRIDE is missing in user namespace 9"
        );
        assert!(finding.ruled_out.contains(&"AppArmor".to_owned()));
    }

    #[test]
    fn a_module_is_told_from_programs_on_the_same_hook() {
        let mut known = known();
        known.programs = vec![program(3, "file_open"), program(4, "bprm_check_security")];
        let finding = judged(&known, &denial(-13, &[reason(3, -13, 0), reason(4, -13, 0)]));
        assert_eq!(finding.layer, "AppArmor");
        let finding = judged(&known, &denial(-1, &[reason(4, -1, 0)]));
        assert_eq!((finding.layer.as_str(), finding.programs.as_slice()), ("BPF", [3].as_slice()));
        assert!(finding.why.contains("program 3 (guard) on file_open, held by process 7"), "{}", finding.why);
        let own = Reason { refuser: Refuser::Program(4), result: -1, first: 0, second: 0 };
        let finding = judged(&known, &denial(-1, &[own, reason(4, -1, 0)]));
        assert_eq!(finding.programs, [4]);
    }

    #[test]
    fn what_nothing_explains_is_unknown_and_says_what_was_ruled_out() {
        let finding = judged(&known(), &denial(-1, &[]));
        assert_eq!((finding.layer.as_str(), finding.is_seen), ("unknown", false));
        assert_eq!(finding.ruled_out, ["capability", "file mode", "AppArmor", "BPF"]);
    }

    #[test]
    fn a_call_that_has_not_begun_was_refused_by_seccomp() {
        let denial = Denial { was_begun: false, ..denial(-1, &[]) };
        assert_eq!(judged(&known(), &denial).layer, "seccomp");
    }

    #[test]
    fn a_capability_is_named_with_its_namespace() {
        let finding = judged(&known(), &denial(-13, &[reason(0, -1, 10)]));
        assert_eq!(finding.capability.as_deref(), Some("CAP_NET_BIND_SERVICE"));
        assert_eq!(finding.why, "CAP_NET_BIND_SERVICE is missing in user namespace 9");
    }
}
