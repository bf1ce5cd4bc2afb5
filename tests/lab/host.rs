//! The host's role: boots the guests, collects their reports, writes the matrix.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use krsi_sh::lab::{self, Command, Extra, Request, Streams, Verdict, kernels};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::{Deserialize, Serialize};

use crate::{
    boots::{BOOTS, Boot, USER_MODE, USER_MODE_BOOT},
    gaps, guest, services,
};

/// The matrix: fewer than these is a failure under `make test`.
const KERNELS: &[&str] = &[
    "5.10",
    "6.1",
    "6.12",
    "6.18",
    "7.3",
    "5.10-fmod_ret",
    "6.12-fmod_ret",
    "5.10-modules",
    "6.12-modules",
    "7.3-modules",
    "5.10-selinux",
    "7.3-selinux",
    "6.12-services",
];
/// Behind a kernel's name: booted without `bpf` in `lsm=`, so that probes are attached by fmod_ret.
const WITHOUT_BPF: &str = "-fmod_ret";
/// Its active LSMs.
const OTHER_LSMS: &str = "landlock,lockdown,yama";
/// Behind a kernel's name: booted with security modules that refuse by rules of their own, for the claims about them alone.
const WITH_MODULES: &str = "-modules";
const MODULES: &str = "landlock,lockdown,yama,apparmor,bpf";
/// The same with the module that is not there together with AppArmor.
const WITH_SELINUX: &str = "-selinux";
const SELINUX: &str = "lockdown,yama,selinux,bpf";
/// The same with Debian's services, which have libraries and a loader: only the claims about them.
const WITH_SERVICES: &str = "-services";
/// The usual ones.
const USUAL: &str = "lockdown,yama,integrity,bpf";
/// Columns for claims that are made in no other.
const APART: [(&str, &str); 3] = [
    (WITH_MODULES, guest::why::MODULES),
    (WITH_SELINUX, guest::why::SELINUX),
    (WITH_SERVICES, guest::services::TEMPLATE),
];
/// Those on which everything is claimed in each run: the oldest and the newest. On the others it is what every template
/// has in common, unless `KRSI_LAB_ALL` is set (`make matrix`) or a claim is asked for by its name.
const WHOLE: &[&str] = &["5.10", "7.3"];
/// Those on which the hunts are put to the test, whatever else is: it is not the kernel that makes them right.
const HUNTED: &[(&str, &str)] = &[(guest::hunts::TEMPLATE, "6.12"), (guest::hunts::OLDEST, "5.10")];
/// Guests at a time; each has one CPU, and waits for a lease or a clock now and then. Three suites and then two keep two
/// cores busier than two, two and one.
const PARALLEL: usize = 3;

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

/// What a claim has measured, for who looks at its progress.
#[derive(Serialize, Deserialize)]
pub struct Figures {
    pub figures: String,
}

pub fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The guests have done the work by then; trials only report.
    arguments.test_threads = Some(1);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&[], Extent::Everything, None)).exit_code();
    }
    let missing: Vec<_> = KERNELS.iter().copied().filter(|k| !cached(k)).collect();
    if missing.len() == KERNELS.len() && std::env::var_os("KRSI_REQUIRE_LAB").is_none() {
        let reason = "no kernel is cached; run: make kernels";
        println!("skipped: {reason}");
        return libtest_mimic::run(&arguments, trials(&[], Extent::Everything, Some(reason))).exit_code();
    }
    if let Some(reason) = services_lack() {
        println!("skipped: claims about services: {reason}");
    }
    let filter = arguments.filter.clone().unwrap_or_default();
    let extent = Extent::asked(&filter);
    let rows = boot_all(&filter, extent);
    // Half a matrix is none.
    if filter.is_empty() {
        if let Err(error) = write_matrix(&rows) {
            eprintln!("cannot write target/lab/matrix.json: {error}");
            return ExitCode::FAILURE;
        }
        print_table(&rows, extent);
    }
    libtest_mimic::run(&arguments, trials(&rows, extent, None)).exit_code()
}

/// How much of the matrix a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Everything,
    /// What is in [`WHOLE`], and the common claims elsewhere.
    Ends,
}

impl Extent {
    fn asked(filter: &str) -> Self {
        let everything = !filter.is_empty() || std::env::var_os("KRSI_LAB_ALL").is_some();
        if everything { Extent::Everything } else { Extent::Ends }
    }

    /// Whether this claim is run on this kernel.
    fn has(self, kernel: &str, template: &str, step: &str) -> bool {
        if let Some((_, hunted)) = HUNTED.iter().find(|(hunts, _)| *hunts == template) {
            return *hunted == kernel;
        }
        let apart = |(suffix, claims): &&(&str, &str)| template == *claims || kernel.ends_with(suffix);
        if let Some((suffix, claims)) = APART.iter().find(apart) {
            return template == *claims && kernel.ends_with(suffix);
        }
        let common = step.starts_with(guest::COMMON);
        // By the other door, what all templates have in common is enough: they decide alike.
        if image_of(kernel).1.is_some() {
            return common;
        }
        self == Extent::Everything || WHOLE.contains(&kernel) || kernel == USER_MODE || common
    }
}

/// One trial for each kernel and step; ignored if it is no part of the run, and all of them if `skipped` says why.
fn trials(rows: &[Row], extent: Extent, skipped: Option<&str>) -> Vec<Trial> {
    let of_matrix = KERNELS.iter().flat_map(|kernel| steps().map(move |step| (*kernel, step)));
    let of_user_mode = USER_MODE_BOOT.claims.iter().map(|c| (USER_MODE, (c.template, c.name)));
    of_matrix
        .chain(of_user_mode)
        .map(|(kernel, (template, step))| {
            let row = find(rows, kernel, template, step).cloned();
            let trial = Trial::test(name(kernel, template, step), move || match row {
                Some(row) if row.result == "fail" => Err(Failed::from(row.reason)),
                Some(_) => Ok(()),
                None => Err(Failed::from("no result")),
            });
            let ignored = skipped.is_some() || is_left_out(kernel) || !extent.has(kernel, template, step);
            trial.with_ignored_flag(ignored)
        })
        .collect()
}

fn find<'r>(rows: &'r [Row], kernel: &str, template: &str, step: &str) -> Option<&'r Row> {
    rows.iter().find(|r| r.kernel == kernel && r.template == template && r.step == step)
}

/// Stands between parts of a filter, of which any is enough.
const ALSO: char = '\n';

/// Whether a claim is made in a column, and asked for.
pub fn is_wanted(kernel: &str, step: &guest::Step, filter: &str) -> bool {
    let name = name(kernel, step.template, step.name);
    Extent::Everything.has(kernel, step.template, step.name)
        && filter.split(ALSO).any(|part| name.contains(part))
}

/// What is asked for on a kernel that is not in [`WHOLE`].
fn elsewhere() -> String {
    let of = |template: &str| format!("::{template}::");
    let apart = APART.iter().map(|(_, claims)| of(claims));
    let parts = [guest::COMMON.to_owned(), of(guest::hunts::TEMPLATE)].into_iter().chain(apart);
    parts.collect::<Vec<_>>().join(&ALSO.to_string())
}

/// What a trial is called, and found by: `cargo test --test lab -- 6.12::exec`.
pub fn name(kernel: &str, template: &str, step: &str) -> String {
    format!("{kernel}::{template}::{step}")
}

fn boot_all(filter: &str, extent: Extent) -> Vec<Row> {
    let waiting = Mutex::new(jobs(filter, extent));
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some(job) = waiting.lock().unwrap().pop() else { break };
                    let found = match job {
                        Job::Suite(kernel) if extent == Extent::Everything || extent.has(kernel, "", "") => {
                            boot(kernel, filter)
                        }
                        Job::Suite(kernel) => boot(kernel, &elsewhere()),
                        Job::Alone(kernel, boot) => boot.run(kernel),
                    };
                    rows.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    let order = |r: &Row| KERNELS.iter().position(|k| *k == r.kernel).unwrap_or(KERNELS.len());
    rows.sort_by_key(order);
    rows
}

/// One guest's work.
enum Job {
    /// The whole suite.
    Suite(&'static str),
    Alone(&'static str, &'static Boot),
}

/// The last is taken first: the suites, which take long, and behind them what fills the gap while
/// the last of them runs.
fn jobs(filter: &str, extent: Extent) -> Vec<Job> {
    let wanted = |kernel: &str, template: &str, step: &str| name(kernel, template, step).contains(filter);
    let is_suite = |kernel: &&&'static str| {
        !is_left_out(kernel) && guest::STEPS.iter().any(|step| is_wanted(kernel, step, filter))
    };
    let boots = |kernel: &'static str, boots: &'static [Boot]| {
        let any = move |boot: &&Boot| {
            boot.claims
                .iter()
                .any(|c| wanted(kernel, c.template, c.name) && extent.has(kernel, c.template, c.name))
        };
        boots.iter().filter(any).map(move |boot| Job::Alone(kernel, boot))
    };
    let own = KERNELS.iter().filter(|kernel| image_of(kernel).1.is_none());
    let alone = own.flat_map(|kernel| boots(kernel, BOOTS));
    let user_mode = boots(USER_MODE, std::slice::from_ref(&USER_MODE_BOOT));
    let suites = KERNELS.iter().filter(is_suite);
    user_mode.chain(alone).chain(suites.rev().map(|kernel| Job::Suite(kernel))).collect()
}

/// What a guest reports. With KRSI_LAB_PROGRESS each claim is shown when it ends, with the time it took.
struct Reports {
    kernel: &'static str,
    bytes: Vec<u8>,
    shown: bool,
    last: Instant,
}

impl Reports {
    fn new(kernel: &'static str) -> Self {
        let shown = std::env::var_os("KRSI_LAB_PROGRESS").is_some();
        Reports { kernel, bytes: Vec::new(), shown, last: Instant::now() }
    }
}

impl Write for Reports {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if self.shown && bytes.contains(&b'\n') {
            let begin = self.bytes[..before].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for row in self.bytes[begin..].split(|byte| *byte == b'\n') {
                if let Ok(Figures { figures }) = serde_json::from_slice(row) {
                    eprintln!("{figures}");
                }
                let Ok(row) = serde_json::from_slice::<Row>(row) else { continue };
                let seconds = std::mem::replace(&mut self.last, Instant::now()).elapsed().as_secs_f32();
                let name = name(self.kernel, &row.template, &row.step);
                eprintln!("{seconds:6.1} s  {}  {name}  {}", row.result, row.reason);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One boot runs the whole suite.
fn boot(kernel: &'static str, filter: &str) -> Vec<Row> {
    let begun = Instant::now();
    let (mut stdout, mut stderr) = (Reports::new(kernel), Vec::new());
    let verdict =
        run_guest(kernel, filter, Streams { stdout: &mut stdout, stderr: &mut stderr, console: None });
    let reports: HashMap<(String, String), Row> = String::from_utf8_lossy(&stdout.bytes)
        .lines()
        .filter_map(|line| serde_json::from_str::<Row>(line).ok())
        .map(|row| ((row.template.clone(), row.step.clone()), row))
        .collect();
    if let Err(error) = keep_findings(kernel, &stdout.bytes) {
        eprintln!("cannot keep what the hunts have found: {error}");
    }
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
        .filter(|step| is_wanted(kernel, step, filter))
        .map(|step| {
            let key = (step.template.to_owned(), step.name.to_owned());
            judge(kernel, step, reports.get(&key).cloned(), trouble.as_deref())
        })
        .collect()
}

/// Keeps what each hunt has said of its case: its header shows one of these as a sample.
fn keep_findings(kernel: &str, output: &[u8]) -> std::io::Result<()> {
    let text = String::from_utf8_lossy(output);
    let found: Vec<_> = text.lines().filter(|line| line.starts_with("{\"hunt\":")).collect();
    if found.is_empty() {
        return Ok(());
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("hunts-{kernel}.ndjson")), found.join("\n") + "\n")
}

fn run_guest(
    kernel: &str,
    filter: &str,
    streams: Streams<'_>,
) -> Result<Verdict, Box<dyn std::error::Error>> {
    let suite = Extra { host: std::env::current_exe()?, guest: "/lab/suite".into(), mode: 0o755 };
    let (image, lsm) = image_of(kernel);
    let modules = kernels::MODULES.map(|module| Extra {
        host: kernels::cache().join(image).join(format!("{module}.ko")),
        guest: format!("/lab/{module}.ko").into(),
        mode: 0o644,
    });
    let active = Extra {
        host: Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/compliance/active.rhai"),
        guest: guest::active::LIBRARY.into(),
        mode: 0o644,
    };
    let policy = kernel.ends_with(WITH_SELINUX).then(selinux_policy).transpose()?;
    let services = if kernel.ends_with(WITH_SERVICES) { services::files()? } else { Vec::new() };
    let scripts = guest::hunts::scripts()?;
    let scripts = scripts.into_iter().map(|(host, guest)| Extra { host, guest, mode: 0o644 });
    let handed =
        guest::HANDED.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let argv =
        ["/lab/suite", "--guest", kernel, filter].map(str::to_owned).into_iter().chain(handed).collect();
    let request = Request {
        kernel: Some(image.to_owned()),
        lsm: lsm.map(str::to_owned),
        shell: Some(env!("CARGO_BIN_EXE_krsi-sh").into()),
        files: [suite, active]
            .into_iter()
            .chain(modules)
            .chain(policy)
            .chain(scripts)
            .chain(services)
            .collect(),
        // What happens at once has to happen at once.
        cpus: 2,
        timeout: Duration::from_secs(3600) + longer(),
        ..Request::new(Command::Run { argv, stdin: Vec::new() })
    };
    Ok(lab::run(&request, streams)?)
}

/// Why nothing is claimed about services: they are not cached, and do not have to be.
fn services_lack() -> Option<String> {
    if std::env::var_os("KRSI_REQUIRE_LAB").is_some() { None } else { services::files().err() }
}

fn is_left_out(column: &str) -> bool {
    column.ends_with(WITH_SERVICES) && services_lack().is_some()
}

/// How much longer a guest may take for what is asked of single claims.
fn longer() -> Duration {
    let seconds = |name: &&str| std::env::var(name).ok()?.parse().ok().map(Duration::from_secs);
    guest::HANDED.iter().filter(|name| name.ends_with("_SECONDS")).filter_map(seconds).sum::<Duration>() * 10
}

/// The policy of tests/lab/selinux.conf as the kernel takes it.
fn selinux_policy() -> Result<Extra, Box<dyn std::error::Error>> {
    /// The oldest version that all kernels of the matrix read.
    const VERSION: &str = "31";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = root.join("target/lab/selinux.policy");
    fs::create_dir_all(root.join("target/lab"))?;
    let mut checkpolicy = std::process::Command::new("checkpolicy");
    let ran = checkpolicy
        .args(["-U", "allow", "-c", VERSION, "-o"])
        .arg(&made)
        .arg(root.join("tests/lab/selinux.conf"))
        .output()
        .map_err(|error| format!("checkpolicy: {error}; run: scripts/setup lab"))?;
    if !ran.status.success() {
        return Err(format!("checkpolicy: {}", String::from_utf8_lossy(&ran.stderr)).into());
    }
    Ok(Extra { host: made, guest: guest::why::POLICY.into(), mode: 0o600 })
}

fn cached(kernel: &str) -> bool {
    kernels::find(&kernels::cache(), Some(image_of(kernel).0)).is_ok()
}

/// A column's kernel, and its LSMs if they are not the usual ones.
fn image_of(column: &str) -> (&str, Option<&'static str>) {
    let others =
        [(WITHOUT_BPF, OTHER_LSMS), (WITH_MODULES, MODULES), (WITH_SELINUX, SELINUX), (WITH_SERVICES, USUAL)];
    let known = others.iter().find_map(|(suffix, lsms)| Some((column.strip_suffix(suffix)?, Some(*lsms))));
    known.unwrap_or((column, None))
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

/// Every claim of the matrix: template and name.
fn steps() -> impl Iterator<Item = (&'static str, &'static str)> {
    let alone = BOOTS.iter().flat_map(|boot| boot.claims);
    guest::STEPS.iter().map(|s| (s.template, s.name)).chain(alone.map(|c| (c.template, c.name)))
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
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("matrix.json"), serde_json::to_vec_pretty(rows)?)
}

fn print_table(rows: &[Row], extent: Extent) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["template", "step"].iter().copied().chain(KERNELS.iter().copied()));
    for (template, step) in steps() {
        let cells = KERNELS.iter().map(|kernel| match find(rows, kernel, template, step) {
            Some(row) => row.result.as_str(),
            None if extent.has(kernel, template, step) => "fail",
            None => "not run",
        });
        table.add_row([template, step].into_iter().chain(cells));
    }
    println!("{table}");
    for claim in USER_MODE_BOOT.claims {
        let result =
            find(rows, USER_MODE, claim.template, claim.name).map_or("fail", |row| row.result.as_str());
        println!("{USER_MODE}: {}: {}: {result}", claim.template, claim.name);
    }
    for row in rows.iter().filter(|r| r.result == "expected") {
        println!("expected: {} {}: {}: {}", row.kernel, row.template, row.step, row.reason);
    }
}
