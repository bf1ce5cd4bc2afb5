//! How users are let in: the rules of PAM, pam.d(5), in the order in which they are asked.

use super::{FactError, Reader, error::if_there, record::record};
use crate::raw;

record! {
    /// One rule.
    Rule {
        /// The service it is for: `sshd`.
        service: String,
        /// `auth`, `account`, `password` or `session`.
        kind: String,
        /// `required`, `requisite`, `sufficient`, `optional`, `include`, `substack`, or `[…]` as it is written.
        control: String,
        /// The module: `pam_unix.so`; with `include` and `substack` a service.
        module: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// That the module is not there is no error: the rule begins with `-`.
        optional: bool,
        /// File it stands in.
        file: String,
        /// Line of that file, from 1.
        line: u32,
    }
}

/// Later ones hide earlier ones of the same name.
const DIRECTORIES: [&str; 3] = ["/usr/lib/pam.d", "/usr/etc/pam.d", "/etc/pam.d"];
const DEEPEST: usize = 16;

/// # Errors
/// If something of it cannot be read.
pub fn rules(reader: Reader<'_>) -> Result<Vec<Rule>, FactError> {
    let mut services: std::collections::BTreeMap<String, String> = Default::default();
    for directory in DIRECTORIES {
        for name in if_there(directory, reader.root().names(directory))?.unwrap_or_default() {
            let name = raw::from_os(&name);
            // What a package manager or an editor has left is no service.
            if !name.starts_with('.')
                && !name.ends_with('~')
                && !name.contains(".dpkg-")
                && !name.contains(".rpm")
            {
                services.insert(name.clone(), format!("{directory}/{name}"));
            }
        }
    }
    let mut found = Vec::new();
    for (service, path) in &services {
        read(reader, service, path, &services, 0, &mut found)?;
    }
    Ok(found)
}

fn read(
    reader: Reader<'_>,
    service: &str,
    path: &str,
    services: &std::collections::BTreeMap<String, String>,
    depth: usize,
    found: &mut Vec<Rule>,
) -> Result<(), FactError> {
    if depth > DEEPEST {
        return Err(FactError::system(format!("{path}: files include each other more than {DEEPEST} deep")));
    }
    let text = match reader.root().text(raw::os(path)) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EISDIR) => return Ok(()),
        other => if_there(raw::os(path), other)?.unwrap_or_default(),
    };
    for (line, text) in whole_lines(&text) {
        let words = words(&text);
        let mut words = words.into_iter();
        let Some(first) = words.next() else { continue };
        if first == "@include" {
            if let Some(name) = words.next() {
                let path = services.get(&name).cloned().unwrap_or_else(|| format!("/etc/pam.d/{name}"));
                read(reader, service, &path, services, depth + 1, found)?;
            }
            continue;
        }
        let (Some(control), Some(module)) = (words.next(), words.next()) else { continue };
        found.push(Rule {
            service: service.to_owned(),
            optional: first.starts_with('-'),
            kind: first.trim_start_matches('-').to_ascii_lowercase(),
            control,
            module,
            arguments: words.collect(),
            file: path.to_owned(),
            line,
        });
    }
    Ok(())
}

/// Lines without comments, with the number at which each begins; one that ends with `\` goes on in the next.
fn whole_lines(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        let (line, more) = line.strip_suffix('\\').map_or((line, false), |begun| (begun, true));
        match found.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(line);
            }
            None => found.push((u32::try_from(at + 1).unwrap_or(u32::MAX), line.to_owned())),
        }
        goes_on = more;
    }
    found
}

/// Words, of which `[…]` is one.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut inside = false;
    for c in text.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        match (c.is_whitespace() && !inside, words.last_mut()) {
            (false, Some(word)) => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader},
    };

    #[test]
    fn rules_come_in_their_order_with_what_is_included() {
        let made = MadeUp::new(&[
            (
                "/etc/pam.d/sshd",
                "# c\nauth required pam_env.so envfile=/x # c\n@include common-auth\n-session [success=ok default=ignore] pam_x.so a \\\n  b\nbad\n",
            ),
            ("/etc/pam.d/common-auth", "auth\t[success=1 default=ignore]\tpam_unix.so nullok\n"),
            ("/etc/pam.d/sshd.dpkg-dist", "auth sufficient pam_permit.so\n"),
            ("/usr/lib/pam.d/sshd", "auth sufficient pam_permit.so\n"),
        ]);
        let found = rules(made.reader()).unwrap();
        let of_sshd: Vec<_> = found
            .iter()
            .filter(|r| r.service == "sshd")
            .map(|r| (&*r.kind, &*r.control, &*r.module, r.arguments.join(" "), r.line))
            .collect();
        assert_eq!(
            of_sshd,
            [
                ("auth", "required", "pam_env.so", "envfile=/x".into(), 2),
                ("auth", "[success=1 default=ignore]", "pam_unix.so", "nullok".into(), 1),
                ("session", "[success=ok default=ignore]", "pam_x.so", "a b".into(), 4),
            ]
        );
        assert!(
            found.iter().any(|r| r.optional) && found[1].file == "/etc/pam.d/common-auth"
                || found[2].file == "/etc/pam.d/common-auth"
        );
        made.file("/etc/pam.d/loop", "@include loop\n");
        assert!(rules(made.reader()).unwrap_err().text.contains("include each other"));
    }

    #[test]
    fn the_system_s_own_are_all_read() {
        let facts = Facts::default();
        let found = rules(reader(&facts)).unwrap();
        let names = |directory: &&str| std::fs::read_dir(directory).into_iter().flatten().flatten();
        let here: std::collections::BTreeSet<_> =
            DIRECTORIES.iter().flat_map(names).map(|e| raw::from_os(e.file_name())).collect();
        assert!(found.iter().all(|r| here.contains(&r.service)));
        // Each line of a file that begins so, and is not included, is a rule.
        for service in &here {
            let text = std::fs::read_to_string(format!("/etc/pam.d/{service}")).unwrap_or_default();
            let lines = text.lines().filter(|line| line.starts_with(['a', 'p', 's', '-'])).count();
            let own = found.iter().filter(|r| r.service == *service && r.file.ends_with(service)).count();
            assert!(own >= lines, "{service}: {own} {lines}");
        }
        assert!(found.iter().all(|r| ["auth", "account", "password", "session"].contains(&&*r.kind)));
    }
}
