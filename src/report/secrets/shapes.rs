//! Secrets that look like nothing else, whatever stands before them.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{
    Spans,
    hit::{Announces, Hit},
};

/// One kind of them.
pub struct Shape {
    /// One of these is in each, in whatever case.
    pub triggers: &'static [&'static str],
    /// The secret is its group `s`.
    pattern: &'static str,
}

/// Shortest forms are taken short: a field may have cut the end of a token.
pub const SHAPES: &[Shape] = &[
    // What was redacted before, its length kept.
    Shape { triggers: &["<redacted"], pattern: r"(?<s><redacted\**>)" },
    // GitHub.
    Shape {
        triggers: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: r"(?<s>(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{16,})",
    },
    // GitLab: personal, project, deploy, runner, CI, trigger, feed, mail, agent, OAuth, SCIM, feature flags.
    Shape {
        triggers: &[
            "glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-",
            "gloas-", "glsoat-", "glffct-",
        ],
        pattern: r"(?<s>gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_.=-]{16,})",
    },
    // Slack, and addresses that take messages for it.
    Shape {
        triggers: &["xox", "xapp-"],
        pattern: r"(?<s>(?:xox[a-z]|xapp)(?:\.xox[a-z])?-[A-Za-z0-9-]{8,})",
    },
    Shape {
        triggers: &["hooks.slack.com"],
        pattern: r"(?i-u)hooks\.slack\.com/[a-z]+/(?<s>[A-Za-z0-9/_+-]{16,})",
    },
    Shape {
        triggers: &["/api/webhooks/"],
        pattern: r"(?i-u)discord(?:app)?\.com/api/webhooks/[0-9]+/(?<s>[A-Za-z0-9_-]{16,})",
    },
    Shape { triggers: &[":aa"], pattern: r"\b(?<s>[0-9]{8,10}:AA[A-Za-z0-9_-]{30,})" },
    // AWS.
    Shape {
        triggers: &["akia", "asia", "abia", "acca"],
        pattern: r"\b(?<s>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b",
    },
    // An address with a signature in it opens what it is the address of.
    Shape {
        triggers: &["-signature=", "sig="],
        pattern: r"(?i-u)(?:x-(?:amz|goog)-signature|\bsig)=(?<s>[A-Za-z0-9%/+_-]{40,}=*)",
    },
    // JSON Web Tokens, signed or encrypted, and the beginning of one.
    Shape {
        triggers: &["eyj"],
        pattern: r"(?<s>eyJ[A-Za-z0-9_-]{8,}\.(?:eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?|[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){1,3}))",
    },
    // A key's text up to its end, or to that of the text.
    Shape {
        triggers: &["private key"],
        pattern: r"(?s-u)-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(?<s>.*?)(?:-----END|\z)",
    },
    Shape { triggers: &["age-secret-key-"], pattern: r"(?<s>AGE-SECRET-KEY-[A-Z0-9-]{20,})" },
    // A password in an address, up to the last @ before its path.
    Shape { triggers: &["://"], pattern: r#"(?-u)[A-Za-z0-9+.-]://[^\s/?#:@"]*:(?<s>[^\s/?#"]+)@"# },
    Shape { triggers: &["://"], pattern: r"(?-u)[A-Za-z0-9+.-]://(?<s>[A-Za-z0-9_-]{32,})@" },
    Shape { triggers: &["bearer"], pattern: r"(?i-u)\bbearer[ \t]+(?<s>[A-Za-z0-9._~+/-]{16,}=*)" },
    // Google, Stripe, OpenAI, Anthropic, npm, PyPI, DigitalOcean, Vault, SendGrid, Hugging Face, Tailscale, Shopify, RubyGems.
    Shape {
        triggers: &["aiza", "ya29.", "gocspx-"],
        pattern: r"(?<s>AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[A-Za-z0-9_-]{16,})",
    },
    Shape {
        triggers: &["k_live_", "k_test_", "whsec_"],
        pattern: r"(?<s>[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,})",
    },
    Shape {
        triggers: &["sk-"],
        pattern: r"\b(?<s>sk-(?:(?:ant|proj|svcacct|admin)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{32,}))",
    },
    Shape {
        triggers: &["npm_", "pypi-", "_v1_", "hf_", "shpat_", "rubygems_"],
        pattern: r"\b(?<s>npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|do[opr]_v1_[a-f0-9]{32,}|hf_[A-Za-z0-9]{30,}|shpat_[a-fA-F0-9]{32}|rubygems_[a-f0-9]{40,})",
    },
    Shape {
        triggers: &["hvs.", "hvb.", "hvr.", "sg.", "tskey-"],
        pattern: r"\b(?<s>hv[sbr]\.[A-Za-z0-9_-]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|tskey-[a-z]+-[A-Za-z0-9-]{16,})",
    },
];

static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    let pattern = |shape: &Shape| {
        let text = match shape.pattern.starts_with("(?") && !shape.pattern.starts_with("(?<") {
            true => shape.pattern.to_owned(),
            false => format!("(?-u){}", shape.pattern),
        };
        Regex::new(&text).ok()
    };
    SHAPES.iter().map(pattern).collect()
});

/// Finds what looks like a secret; returns what each is known by, where that is more than itself.
pub fn find(text: &[u8], hits: &[Hit], spans: &mut Spans) -> Spans {
    let mut known_by = Spans::new();
    for hit in hits {
        let Announces::Shape(number) = hit.announces else { continue };
        let Some(pattern) = &PATTERNS[number] else { continue };
        for found in pattern.captures_iter(text) {
            if let (Some(whole), Some(secret)) = (found.get(0), found.name("s")) {
                spans.push(secret.range());
                if whole.start() < secret.start() {
                    known_by.push(whole.start()..secret.end());
                }
            }
        }
    }
    known_by
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_is_one_and_names_the_secret() {
        for (shape, pattern) in SHAPES.iter().zip(PATTERNS.iter()) {
            let pattern = pattern.as_ref().unwrap_or_else(|| panic!("{}", shape.pattern));
            assert!(pattern.capture_names().flatten().any(|name| name == "s"), "{}", shape.pattern);
        }
        assert!(SHAPES.len() <= 128, "a set of them is a number of 128 bits");
    }
}
