//! Filters about executions, as large as those of public rule sets: how many words each asks for, where and how.
//!
//! In: how many. Out: closures, the same ones each time. Half of the rules ask for three words or fewer, one in twenty
//! for more than forty, and the largest for a thousand; of the words asked of arguments most are parts of a text.

/// A closure, and how many words it asks for.
#[derive(Debug, Clone)]
pub struct Needled {
    pub script: String,
    pub needles: usize,
}

/// Share of the rules, and the words that so many of them have at most.
const QUANTILES: [(f64, f64); 7] =
    [(0.0, 1.0), (0.5, 3.0), (0.75, 10.0), (0.9, 26.0), (0.95, 44.0), (0.99, 150.0), (1.0, 1000.0)];

/// How a text is asked, and how often of a hundred.
const WAYS: [(Way, u64); 6] =
    [(Way::Part, 55), (Way::Equal, 25), (Way::Glob, 9), (Way::Beginning, 9), (Way::End, 1), (Way::Regex, 1)];

/// What a group of words is asked of, and how often of a hundred.
const PLACES: [(Place, u64); 5] = [
    (Place::Arguments, 40),
    (Place::CommandLine, 20),
    (Place::Path, 16),
    (Place::Parent, 14),
    (Place::Executable, 10),
];

const TOOLS: &[&str] = &[
    "awk",
    "base64",
    "bash",
    "chattr",
    "chmod",
    "cp",
    "crontab",
    "curl",
    "dd",
    "find",
    "gcc",
    "grep",
    "iptables",
    "java",
    "kubectl",
    "mkfifo",
    "mount",
    "nc",
    "ncat",
    "nohup",
    "nsenter",
    "openssl",
    "perl",
    "php",
    "pkill",
    "ps",
    "python3",
    "rm",
    "ruby",
    "scp",
    "sed",
    "sh",
    "socat",
    "ssh",
    "sudo",
    "systemctl",
    "tar",
    "touch",
    "useradd",
    "wget",
    "whoami",
    "xargs",
    "xmrig",
    "zsh",
];
const DIRECTORIES: &[&str] = &[
    "/bin/",
    "/dev/shm/",
    "/etc/",
    "/etc/cron.d/",
    "/home/",
    "/opt/",
    "/proc/self/",
    "/root/.ssh/",
    "/sbin/",
    "/tmp/",
    "/usr/bin/",
    "/usr/local/bin/",
    "/usr/sbin/",
    "/var/log/",
    "/var/tmp/",
    "/var/www/",
];
const OPTIONS: &[&str] = &[
    "--checkpoint-action",
    "--decode",
    "--exec",
    "--insecure",
    "--no-check-certificate",
    "--output",
    "--privileged",
    "-c",
    "-d",
    "-e",
    "-enc",
    "-i",
    "-l",
    "-lvp",
    "-o",
    "-rf",
    "-s",
    "-u",
    "-x",
    "-z",
];
const ENDINGS: &[&str] =
    &[".bak", ".conf", ".key", ".log", ".pem", ".php", ".py", ".service", ".sh", ".so", ".tar.gz", ""];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Part,
    Equal,
    Glob,
    Beginning,
    End,
    Regex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Arguments,
    CommandLine,
    Path,
    Parent,
    Executable,
}

/// Makes so many filters, of which the last is the largest.
pub fn filters(count: usize) -> Vec<Needled> {
    let mut dice = Dice(0x006b_7273_692d_7368);
    (0..count)
        .map(|number| {
            let last = number + 1 == count;
            let share = if last { 1.0 } else { (number as f64 + 0.5) / count as f64 };
            filter(needles_at(share), &mut dice)
        })
        .collect()
}

/// How many words a rule has that is larger than this share of all.
fn needles_at(share: f64) -> usize {
    let pair = QUANTILES.windows(2).find(|pair| share <= pair[1].0).expect("a share is 1 at most");
    let [(from, few), (to, many)] = [pair[0], pair[1]];
    let within = (share - from) / (to - from);
    // Between two known sizes they grow by the same factor at each step.
    (few * (many / few).powf(within)).round() as usize
}

/// Groups of words about different places, joined by `&&` and `!`.
fn filter(needles: usize, dice: &mut Dice) -> Needled {
    let groups = (1 + dice.below(4)).min(needles);
    let mut left = needles;
    let mut condition = String::new();
    for group in 0..groups {
        let remaining = groups - group;
        // The first group has the most words; exceptions are few.
        let words = if remaining == 1 { left } else { (left / 2).max(1).min(left - (remaining - 1)) };
        left -= words;
        let sign = match (group, dice.below(2)) {
            (0, _) => "",
            (_, 0) => " && ",
            _ => " && !",
        };
        condition.push_str(sign);
        condition.push_str(&format!("({})", questions(words, dice)));
    }
    Needled { script: format!("|e| {condition}"), needles }
}

/// So many words, asked of one place: one of them is enough, or, of a few parts of the command line, all are needed.
fn questions(words: usize, dice: &mut Dice) -> String {
    let place = dice.weighted(&PLACES);
    let small = dice.below(10) < 3;
    let all = place == Place::CommandLine && words <= 4 && dice.below(4) == 0;
    let of = match place {
        Place::Arguments => "a",
        Place::CommandLine => "e.cmdline",
        Place::Path => "e.path",
        Place::Parent => "e.parent_comm",
        Place::Executable => "e.exe",
    };
    let of = if small { format!("{of}.to_ascii_lower()") } else { of.to_owned() };
    let mut equal = Vec::new();
    let mut tests = Vec::new();
    for number in 0..words {
        let way = match place {
            Place::Arguments | Place::CommandLine => dice.weighted(&WAYS),
            Place::Path | Place::Executable => {
                dice.weighted(&[(Way::End, 60), (Way::Equal, 25), (Way::Beginning, 15)])
            }
            Place::Parent => Way::Equal,
        };
        let word = word(place, way, number, dice);
        match way {
            Way::Part => tests.push(format!("{of}.contains({word:?})")),
            Way::Equal if all => tests.push(format!("{of}.contains({word:?})")),
            Way::Equal => equal.push(word),
            Way::Glob => tests.push(format!("{of}.like({word:?})")),
            Way::Beginning => tests.push(format!("{of}.starts_with({word:?})")),
            Way::End => tests.push(format!("{of}.ends_with({word:?})")),
            Way::Regex => tests.push(format!("{of}.matches({word:?})")),
        }
    }
    match equal.as_slice() {
        [] => {}
        [one] => tests.push(format!("{of} == {one:?}")),
        several => tests.push(format!("{of} in {several:?}")),
    }
    let joined = if all { tests.join(" && ") } else { either(&tests) };
    if place == Place::Arguments { format!("e.argv.any(|a| {joined})") } else { joined }
}

/// Joins tests by `||`, many of them in brackets: an expression may be nested so deep, and a long chain counts as that.
fn either(tests: &[String]) -> String {
    const CHAIN: usize = 25;
    if tests.len() <= CHAIN {
        return tests.join(" || ");
    }
    let brackets: Vec<_> =
        tests.chunks(tests.len().div_ceil(CHAIN)).map(|chunk| format!("({})", either(chunk))).collect();
    brackets.join(" || ")
}

/// A word in small letters, another one each time.
fn word(place: Place, way: Way, number: usize, dice: &mut Dice) -> String {
    let tool = dice.one_of(TOOLS);
    let directory = dice.one_of(DIRECTORIES);
    let ending = dice.one_of(ENDINGS);
    // A few words are given as they are known; thousands are told apart by a number.
    let apart = if number < 12 { String::new() } else { format!("{:x}", dice.below(0xf_ffff)) };
    let file = format!("{tool}{apart}{ending}");
    match place {
        // The kernel keeps fifteen bytes of a name.
        Place::Parent => format!("{tool}{apart}").chars().take(15).collect(),
        Place::Path | Place::Executable => match way {
            Way::End => format!("/{file}"),
            Way::Beginning => format!("{directory}{tool}{apart}/"),
            _ => format!("{directory}{file}"),
        },
        Place::Arguments | Place::CommandLine => match (way, dice.below(4)) {
            (Way::Glob, 0) => format!("*{directory}*{ending}*{apart}"),
            (Way::Glob, _) => format!("*{tool}*{}{apart}*", dice.one_of(OPTIONS)),
            (Way::Regex, 0) => format!("(^|/){tool}{apart}[0-9.]*$"),
            (Way::Regex, _) => format!("{tool}{apart} +-[a-z]*[cei]"),
            (_, 0) => format!("{}{apart}", dice.one_of(OPTIONS)),
            (_, 1) => format!("{directory}{file}"),
            (_, 2) if way != Way::Equal => format!("{tool}{apart} {}", dice.one_of(OPTIONS)),
            _ => file,
        },
    }
}

/// Numbers that look random and are the same ones each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// One of them, as often as its weight says.
    fn weighted<T: Copy>(&mut self, weights: &[(T, u64)]) -> T {
        let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut left = self.next() % sum;
        for (item, weight) in weights {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        weights[0].0
    }
}
