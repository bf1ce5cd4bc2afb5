//! The facts that take no argument: one row each, from which scripts have the function, its help and the completion
//! of its fields.

use serde_json::Value;

use super::{
    FactError, Field, Reader, Record, accounts, cgroups, cron, kernel, modules, mounts, namespaces, packages,
    pam, processes, sockets, ssh, systemd,
};

/// Whether a fact is one record or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    One,
    List,
}

/// See the module.
#[derive(Clone, Copy)]
pub struct Fact {
    /// The function's name.
    pub name: &'static str,
    /// Its help: a sentence with an example, and what has to be known besides.
    pub doc: &'static str,
    pub many: Many,
    pub fields: &'static [Field],
    pub read: fn(Reader<'_>) -> Result<Value, FactError>,
}

macro_rules! list {
    ($name:literal, $record:ty, $read:path, $doc:literal) => {
        Fact {
            name: $name,
            doc: $doc,
            many: Many::List,
            fields: <$record as Record>::FIELDS,
            read: |reader| {
                let list: Vec<$record> = $read(reader)?;
                value(list)
            },
        }
    };
}

macro_rules! one {
    ($name:literal, $record:ty, $read:path, $doc:literal) => {
        Fact {
            name: $name,
            doc: $doc,
            many: Many::One,
            fields: <$record as Record>::FIELDS,
            read: |reader| {
                let one: $record = $read(reader)?;
                value(one)
            },
        }
    };
}

/// All of them.
pub const FACTS: &[Fact] = &[
    one!(
        "cmdline",
        kernel::CommandLine,
        kernel::command_line,
        "Returns the kernel's command line: `cmdline().options.lockdown`."
    ),
    list!(
        "mounts",
        mounts::Mount,
        mounts::mounts,
        "Returns what is mounted, in the order of mounting: `mounts().find(|m| m.target == \"/tmp\")`. Of several on one place the last is what one sees. Where this process has mounts of its own, as in a hardened service, they are those that process 1 has."
    ),
    list!(
        "processes",
        processes::Process,
        processes::processes,
        "Returns the processes, as they are now: `processes().filter(|p| p.exe_deleted)`. A process that ends meanwhile is left out. Which package an executable is of tells `package_of(p.exe)`."
    ),
    list!(
        "sockets",
        sockets::Socket,
        sockets::sockets,
        "Returns the sockets of this network namespace, as they are now: `sockets().filter(|s| s.listening && s.protocol == \"tcp\")`."
    ),
    list!(
        "users",
        accounts::User,
        accounts::users,
        "Returns the users of /etc/passwd: `users().filter(|u| u.uid == 0)`."
    ),
    list!(
        "groups",
        accounts::Group,
        accounts::groups,
        "Returns the groups of /etc/group: `groups().find(|g| g.name == \"sudo\").members`."
    ),
    list!(
        "shadow",
        accounts::Password,
        accounts::shadow,
        "Returns the state and ages of passwords of /etc/shadow, never a hash: `shadow().filter(|p| p.status == \"empty\")`. Only root may read it."
    ),
    list!(
        "modules",
        modules::Module,
        modules::modules,
        "Returns the kernel modules that are loaded: `modules().filter(|m| m.unsigned)`. Empty for a kernel without modules."
    ),
    list!(
        "services",
        systemd::Service,
        systemd::services,
        "Returns the services that systemd knows, from its unit files, their links and the cgroups that have processes: `services().find(|s| s.name == \"ssh.service\")`. An error where there is no systemd (`sys.init` tells); what runs elsewhere than in its own cgroup is not seen."
    ),
    list!(
        "timers",
        systemd::Timer,
        systemd::timers,
        "Returns the timers that systemd knows, from its unit files: `timers().filter(|t| t.enabled == \"enabled\")`. An error where there is no systemd."
    ),
    list!(
        "packages",
        packages::Package,
        packages::packages,
        "Returns the packages of dpkg or rpm: `packages().find(|p| p.name == \"openssh-server\").version`. Read again when the package manager has changed its list; an error where there is neither."
    ),
    list!(
        "cgroups",
        cgroups::Cgroup,
        cgroups::cgroups,
        "Returns the cgroups of version 2, from the top down: `cgroups().filter(|c| c.frozen == true)`."
    ),
    list!(
        "namespaces",
        namespaces::Namespace,
        namespaces::namespaces,
        "Returns the namespaces that processes are in: `namespaces().filter(|n| n.kind == \"net\")`. What only a mount or a descriptor keeps is not seen, nor what other users' processes are in, without root."
    ),
    list!(
        "cron_jobs",
        cron::Job,
        cron::jobs,
        "Returns the jobs of cron: /etc/crontab, /etc/cron.d, /etc/cron.hourly and the like, users' own: `cron_jobs().filter(|j| j.user == \"root\")`. What cron passes over is left out. Only root may read users' own."
    ),
    one!(
        "ssh_config",
        ssh::Config,
        ssh::config,
        "Returns the ssh server's settings: `ssh_config().options.permitrootlogin`. They are those in effect (`effective`) as root where sshd is, by `sshd -T`; otherwise what its files say, without sshd's defaults, and `options` has only what is written there."
    ),
    list!(
        "pam",
        pam::Rule,
        pam::rules,
        "Returns the rules of /etc/pam.d in their order, with what is included by @include: `pam().filter(|r| r.service == \"sshd\" && r.kind == \"auth\")`."
    ),
];

impl Fact {
    /// Returns the fact that a function of this name gives.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.name == name)
    }

    /// Whether a function of this name gives a list of records, or files.
    #[must_use]
    pub fn is_list(name: &str) -> bool {
        matches!(name, "files" | "bpf_programs") || Self::of(name).is_some_and(|fact| fact.many == Many::List)
    }

    /// Returns its whole help, with a line for each field.
    #[must_use]
    pub fn help(&self) -> String {
        help(self.doc, self.many, self.fields)
    }

    /// Returns a record, or several, as their value. No record has what JSON cannot say.
    ///
    /// # Errors
    /// Never, then.
    pub fn value(record: impl serde::Serialize) -> Result<Value, FactError> {
        value(record)
    }
}

/// Returns the help of a fact.
#[must_use]
pub fn help(doc: &str, many: Many, of: &[Field]) -> String {
    let what = if many == Many::List { "Each has" } else { "It has" };
    format!("{doc}\n{what}:\n{}", fields(of))
}

/// A line for each field.
fn fields(fields: &[Field]) -> String {
    let line = |field: &Field| format!("  {}: {}. {}", field.name, field.kind(), field.doc.trim());
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub fn value(record: impl serde::Serialize) -> Result<Value, FactError> {
    serde_json::to_value(record).map_err(|error| FactError::system(error.to_string()))
}
