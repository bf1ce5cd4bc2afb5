//! The host's role: boots the guests, collects their reports, writes the matrix.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use krsi_sh::lab::{self, Command, Extra, Request, Streams, Verdict, kernels};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::{Deserialize, Serialize};

use crate::{gaps, guest};

/// The matrix: fewer than these is a failure under `make test`.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "7.3"];
/// Guests at a time; each has one CPU.
const PARALLEL: usize = 2;

/// A line of the matrix, and of a guest's report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    #[serde(default)]
    pub kernel: String,
    pub template: String,
    pub step: String,
    pub result: String,
    pub reason: String,
}

pub fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The guests have done the work by then; trials only report.
    arguments.test_threads = Some(1);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&[], None)).exit_code();
    }
    let missing: Vec<_> = KERNELS.iter().copied().filter(|k| !cached(k)).collect();
    if missing.len() == KERNELS.len() && std::env::var_os("KRSI_REQUIRE_LAB").is_none() {
        let reason = "no kernel is cached; run: make kernels";
        println!("skipped: {reason}");
        return libtest_mimic::run(&arguments, trials(&[], Some(reason))).exit_code();
    }
    let rows = boot_all();
    if let Err(error) = write_matrix(&rows) {
        eprintln!("cannot write target/lab/matrix.json: {error}");
        return ExitCode::FAILURE;
    }
    print_table(&rows);
    libtest_mimic::run(&arguments, trials(&rows, None)).exit_code()
}

/// One trial for each kernel and step; all ignored if `skipped` says why.
fn trials(rows: &[Row], skipped: Option<&str>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kernel in KERNELS {
        for step in steps() {
            let row = rows
                .iter()
                .find(|r| r.kernel == *kernel && r.template == step.template && r.step == step.name)
                .cloned();
            let name = format!("{kernel}::{}::{}", step.template, step.name);
            let trial = Trial::test(name, move || match row {
                Some(row) if row.result == "fail" => Err(Failed::from(row.reason)),
                Some(_) => Ok(()),
                None => Err(Failed::from("no result")),
            });
            trials.push(trial.with_ignored_flag(skipped.is_some()));
        }
    }
    trials
}

fn boot_all() -> Vec<Row> {
    let waiting = Mutex::new(KERNELS.iter().copied().rev().collect::<Vec<_>>());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some(kernel) = waiting.lock().unwrap().pop() else { break };
                    let found = boot(kernel);
                    rows.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.extend(KERNELS.iter().map(|kernel| without_bpf(kernel)));
    let order = |r: &Row| KERNELS.iter().position(|k| *k == r.kernel);
    rows.sort_by_key(order);
    rows
}

/// One boot runs the whole suite.
fn boot(kernel: &str) -> Vec<Row> {
    let begun = Instant::now();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let verdict = run_guest(kernel, Streams { stdout: &mut stdout, stderr: &mut stderr, console: None });
    let reports: HashMap<(String, String), Row> = String::from_utf8_lossy(&stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Row>(line).ok())
        .map(|row| ((row.template.clone(), row.step.clone()), row))
        .collect();
    // 0: every step passed; 1: some failed, and said so. Anything else is the guest's trouble.
    let trouble = match verdict {
        Ok(verdict) if verdict.exit_code <= 1 => None,
        Ok(verdict) => {
            Some(format!("the suite ended with {}: {}", verdict.exit_code, String::from_utf8_lossy(&stderr)))
        }
        Err(error) => Some(format!("no verdict of the guest: {error}")),
    };
    eprintln!(
        "{kernel}: {} of {} steps in {:.1} s",
        reports.len(),
        guest::STEPS.len(),
        begun.elapsed().as_secs_f32()
    );
    guest::STEPS
        .iter()
        .map(|step| {
            let key = (step.template.to_owned(), step.name.to_owned());
            judge(kernel, step, reports.get(&key).cloned(), trouble.as_deref())
        })
        .collect()
}

fn run_guest(kernel: &str, streams: Streams<'_>) -> Result<Verdict, Box<dyn std::error::Error>> {
    let suite = Extra { host: std::env::current_exe()?, guest: "/lab/suite".into(), mode: 0o755 };
    let overlay = Extra {
        host: kernels::cache().join(kernel).join("overlay.ko"),
        guest: "/lab/overlay.ko".into(),
        mode: 0o644,
    };
    let argv = ["/lab/suite", "--guest"].map(str::to_owned).to_vec();
    let request = Request {
        kernel: Some(kernel.to_owned()),
        shell: Some(env!("CARGO_BIN_EXE_krsi-sh").into()),
        files: vec![suite, overlay],
        timeout: Duration::from_secs(480),
        ..Request::new(Command::Run { argv, stdin: Vec::new() })
    };
    Ok(lab::run(&request, streams)?)
}

fn cached(kernel: &str) -> bool {
    kernels::find(&kernels::cache(), Some(kernel)).is_ok()
}

/// The claim that needs a boot of its own.
const WITHOUT_BPF: guest::Step =
    guest::Step { template: "shell", name: "without bpf in lsm=: cause, cure, exit 3", run: || Ok(()) };

/// Boots a kernel whose list of LSMs lacks `bpf`: there load and attach would succeed, and nothing ever fire.
fn without_bpf(kernel: &str) -> Row {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let argv = ["krsi-sh", "-e", "probe(\"exec\").attach(); print(\"attached\")"].map(str::to_owned).to_vec();
    let request = Request {
        kernel: Some(kernel.to_owned()),
        shell: Some(env!("CARGO_BIN_EXE_krsi-sh").into()),
        lsm: Some("lockdown,yama".to_owned()),
        ..Request::new(Command::Run { argv, stdin: Vec::new() })
    };
    let verdict = lab::run(&request, Streams { stdout: &mut stdout, stderr: &mut stderr, console: None });
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let said = stderr.contains("lsm=") && stderr.contains("cure") && stdout.is_empty();
    let (result, reason) = match verdict {
        Ok(verdict) if verdict.exit_code == 3 && said => ("pass", String::new()),
        Ok(verdict) => ("fail", format!("exit {}; {stdout}; {stderr}", verdict.exit_code)),
        Err(error) => ("fail", format!("no verdict of the guest: {error}")),
    };
    row(kernel, &WITHOUT_BPF, result, reason)
}

fn row(kernel: &str, step: &guest::Step, result: &str, reason: String) -> Row {
    Row {
        kernel: kernel.to_owned(),
        template: step.template.to_owned(),
        step: step.name.to_owned(),
        result: result.to_owned(),
        reason,
    }
}

/// Every claim of the matrix.
fn steps() -> impl Iterator<Item = &'static guest::Step> {
    guest::STEPS.iter().chain(std::iter::once(&WITHOUT_BPF))
}

fn judge(kernel: &str, step: &guest::Step, reported: Option<Row>, trouble: Option<&str>) -> Row {
    let (result, reason) = match reported {
        Some(reported) => (reported.result, reported.reason),
        None => ("fail".to_owned(), trouble.unwrap_or("the guest did not report this step").to_owned()),
    };
    let (result, reason) = match (result.as_str(), gaps::gap(kernel, step.template, step.name)) {
        // An infrastructure failure is no gap of the kernel's.
        ("fail", Some(gap)) if trouble.is_none() => ("expected".to_owned(), gap.reason.to_owned()),
        ("pass", Some(_)) => {
            ("fail".to_owned(), "this gap has closed: delete it from tests/lab/gaps.rs".to_owned())
        }
        _ => (result, reason),
    };
    row(kernel, step, &result, reason)
}

fn write_matrix(rows: &[Row]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("matrix.json"), serde_json::to_vec_pretty(rows)?)
}

fn print_table(rows: &[Row]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["template", "step"].iter().copied().chain(KERNELS.iter().copied()));
    for step in steps() {
        let cells = KERNELS.iter().map(|kernel| {
            rows.iter()
                .find(|r| r.kernel == *kernel && r.template == step.template && r.step == step.name)
                .map_or("fail", |r| r.result.as_str())
        });
        table.add_row([step.template, step.name].into_iter().chain(cells));
    }
    println!("{table}");
    for row in rows.iter().filter(|r| r.result == "expected") {
        println!("expected: {} {}: {}: {}", row.kernel, row.template, row.step, row.reason);
    }
}
