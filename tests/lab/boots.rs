//! Claims that need a machine of their own: one that lacks something.
//!
//! Each boot runs the shell, then the doctor, and both have to tell what is missing.

use krsi_sh::lab::{self, Command, Request, Streams};
use serde_json::Value;

use crate::{guest::Outcome, host::Row};

/// What the three commands said.
pub struct Said {
    /// Exit codes: of a script that denies, of one that observes, of the doctor.
    codes: Vec<i32>,
    /// Every line of JSON.
    lines: Vec<Value>,
    report: Value,
    stdout: String,
    stderr: String,
}

pub struct Claim {
    pub template: &'static str,
    pub name: &'static str,
    judge: fn(&Said) -> Outcome,
}

/// A machine that lacks something, and what is claimed about it.
pub struct Boot {
    /// The `lsm=` list, if not the usual one.
    lsm: Option<&'static str>,
    append: &'static [&'static str],
    pub claims: &'static [Claim],
}

pub static BOOTS: &[Boot] = &[
    // There an LSM program loads and attaches, and never fires.
    Boot {
        lsm: Some("lockdown,yama"),
        append: &[],
        claims: &[
            Claim {
                template: "shell",
                name: "without bpf in lsm=: attached by fmod_ret, and said so",
                judge: |said| said.attached_by_function(),
            },
            Claim {
                template: "exec",
                name: "without bpf in lsm=: observed all the same, and called audit-only",
                judge: |said| said.observed("exec", "/bin/ls"),
            },
            Claim {
                template: "file_open",
                name: "without bpf in lsm=: observed all the same, and called audit-only",
                judge: |said| said.observed("file_open", "/etc/hostname"),
            },
            Claim {
                template: "doctor",
                name: "without bpf in lsm=: every hook fires by fmod_ret",
                judge: |said| said.all_fire_by_function(),
            },
        ],
    },
    Boot {
        lsm: None,
        append: &["lockdown=confidentiality"],
        claims: &[
            Claim {
                template: "shell",
                name: "locked down for confidentiality: cause, fix, exit 3",
                judge: |said| said.refused("lockdown=integrity"),
            },
            Claim {
                template: "doctor",
                name: "locked down for confidentiality: told apart",
                judge: |said| said.found("lockdown", "lockdown"),
            },
        ],
    },
];

/// Not of the matrix: user-mode Linux, which has neither BTF nor BPF LSM.
pub const USER_MODE: &str = "uml";
pub static USER_MODE_BOOT: Boot = Boot {
    lsm: None,
    append: &[],
    claims: &[
        Claim {
            template: "shell",
            name: "on a kernel without BTF: cause, fix, exit 3",
            judge: |said| said.refused("CONFIG_DEBUG_INFO_BTF=y"),
        },
        Claim {
            template: "doctor",
            name: "on a kernel without BTF: told apart",
            judge: |said| said.found("btf", "no-btf"),
        },
    ],
};

const COMMANDS: &str = r#"krsi-sh --format text -e 'probe("exec").scope(#{pid: getpid()}).deny().attach(); print("attached"); exit(0)'; echo "exit $?"
krsi-sh --format json --door observe -e '
  for name in ["exec", "file_open"] { probe(name).scope(#{pid: getpid()}).name(name).attach(); }
  run(["ls", "/"]); run(["cat", "/etc/hostname"]); exit(0)'; echo "exit $?"
krsi-sh --format json doctor; echo "exit $?""#;

impl Boot {
    /// Boots it on a kernel, and judges each claim.
    pub fn run(&self, kernel: &str) -> Vec<Row> {
        let said = self.boot(kernel);
        let row = |claim: &Claim| {
            let outcome = said.as_ref().map_err(Clone::clone).and_then(claim.judge);
            Row {
                kernel: kernel.to_owned(),
                template: claim.template.to_owned(),
                step: claim.name.to_owned(),
                result: if outcome.is_ok() { "pass" } else { "fail" }.to_owned(),
                reason: outcome.err().unwrap_or_default(),
            }
        };
        self.claims.iter().map(row).collect()
    }

    fn boot(&self, kernel: &str) -> Result<Said, String> {
        let argv = ["sh", "-c", COMMANDS].map(str::to_owned).to_vec();
        let request = Request {
            kernel: Some(kernel.to_owned()),
            shell: Some(env!("CARGO_BIN_EXE_krsi-sh").into()),
            lsm: self.lsm.map(str::to_owned),
            append: self.append.iter().map(|word| (*word).to_owned()).collect(),
            ..Request::new(Command::Run { argv, stdin: Vec::new() })
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        lab::run(&request, Streams { stdout: &mut stdout, stderr: &mut stderr, console: None })
            .map_err(|error| format!("no verdict of the guest: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stdout = text(&stdout);
        let codes = stdout.lines().filter_map(|line| line.strip_prefix("exit ")?.parse().ok()).collect();
        let lines: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let report = lines.iter().find(|line| line["hooks"].is_array()).cloned().unwrap_or_default();
        Ok(Said { codes, lines, report, stdout, stderr: text(&stderr) })
    }
}

impl Said {
    /// The shell attached nothing, and said what to do.
    fn refused(&self, fix: &str) -> Outcome {
        let attached = self.stdout.contains("attached\n");
        let said = self.stderr.contains("fix:") && self.stderr.contains(fix);
        let fine = self.codes.first() == Some(&3) && said && !attached;
        if fine { Ok(()) } else { Err(format!("{:?}; {}; {}", self.codes, self.stdout, self.stderr)) }
    }

    /// The shell attached a denial, and said by what and why.
    fn attached_by_function(&self) -> Outcome {
        let attached = self.stdout.contains("attached\n");
        let said =
            self.stderr.contains("is attached by fmod_ret, and enforces as by LSM: BPF LSM is not active");
        let fine = self.codes.first() == Some(&0) && said && attached;
        if fine { Ok(()) } else { Err(format!("{:?}; {}; {}", self.codes, self.stdout, self.stderr)) }
    }

    /// The doctor is content: every hook that this kernel has fires by that door.
    fn all_fire_by_function(&self) -> Outcome {
        let hooks = self.report["hooks"].as_array().cloned().unwrap_or_default();
        let fires = |hook: &Value| hook["status"] == "fires" && hook["door"] == "fmod_ret";
        let fine = self.codes.get(2) == Some(&0)
            && hooks.iter().any(fires)
            && hooks.iter().all(|hook| fires(hook) || hook["status"] == "unknown-hook");
        if fine { Ok(()) } else { Err(format!("{:?}; {}; {}", self.codes, self.report, self.stderr)) }
    }

    /// An event about this path, and books, that both say they are audit-only.
    fn observed(&self, probe: &str, path: &str) -> Outcome {
        let of =
            |kind: &'static str| self.lines.iter().filter(move |l| l["type"] == kind && l["probe"] == probe);
        let audited = |event: &Value| {
            let asked = event["filename"].as_str().or(event["path"].as_str()).unwrap_or_default();
            asked.ends_with(path)
                && event["notes"].as_array().is_some_and(|n| n.contains(&"audit-only".into()))
        };
        let fine = self.codes.get(1) == Some(&0)
            && of("event").any(audited)
            && of("books").all(|books| books["audit_only"] == true && books["balanced"] == true)
            && of("books").count() == 1;
        if fine { Ok(()) } else { Err(format!("{:?}; {}; {}", self.codes, self.stdout, self.stderr)) }
    }

    /// The doctor blames this check, with a fix, and says this of every hook that the kernel has.
    fn found(&self, check: &str, status: &str) -> Outcome {
        let all = |key: &str| self.report[key].as_array().cloned().unwrap_or_default();
        let blamed = all("checks")
            .iter()
            .any(|c| c["name"] == check && c["status"] == "fail" && c["remedy"].as_str() != Some(""));
        let mut hooks = all("hooks");
        hooks.retain(|hook| hook["status"] != "unknown-hook");
        let fine = self.codes.get(2) == Some(&3)
            && blamed
            && !hooks.is_empty()
            && hooks.iter().all(|h| h["status"] == status && h["reason"].as_str() != Some(""));
        if fine { Ok(()) } else { Err(format!("{:?}; {}; {}", self.codes, self.report, self.stderr)) }
    }
}
