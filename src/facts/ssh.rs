//! The ssh server's settings: as sshd itself reads them, or as they are written.

use serde_json::{Map, Value};

use super::{FactError, Reader, error::if_there, files, program, record::record};
use crate::raw;

record! {
    /// The ssh server's settings.
    Config {
        /// They are what sshd would use, defaults and all, and not only what is written.
        effective: bool,
        /// Where they are from: `sshd -T`, or the file.
        source: String,
        /// Settings by name in small letters, whose values are texts; of `port`, `listenaddress`, `hostkey`, `acceptenv` and the lists of users and groups an array of texts.
        options: Map<String, Value>,
        /// What is set for some connections only (`Match`), as it is written: `criteria` and `options`.
        matches: Vec<Map<String, Value>>,
    }
}

const FILE: &str = "/etc/ssh/sshd_config";
/// Settings that add up; of every other one the first counts.
const LISTS: [&str; 8] =
    ["port", "listenaddress", "hostkey", "acceptenv", "allowusers", "denyusers", "allowgroups", "denygroups"];
/// As sshd's own.
const DEEPEST: usize = 16;

/// # Errors
/// Where there are no settings, or they cannot be read.
pub fn config(reader: Reader<'_>) -> Result<Config, FactError> {
    let mut written = Written::default();
    let there = written.read(reader, FILE, 0)?;
    if reader.root().is_system()
        && let Some(sshd) = program::find("sshd")
    {
        let said = program::run(reader, &sshd, &["-T"])?;
        if said.well && !said.text.is_empty() {
            let mut effective = Written::default();
            said.text.lines().filter_map(setting).for_each(|(name, value)| effective.set(name, value));
            let source = "sshd -T".to_owned();
            return Ok(Config {
                effective: true,
                source,
                options: effective.options,
                matches: written.matches,
            });
        }
    }
    if !there {
        return Err(FactError::system(format!("there is no ssh server here: neither sshd nor {FILE}")));
    }
    Ok(Config {
        effective: false,
        source: FILE.to_owned(),
        options: written.options,
        matches: written.matches,
    })
}

#[derive(Default)]
struct Written {
    options: Map<String, Value>,
    matches: Vec<Map<String, Value>>,
    /// Lines now are those of the last of `matches`.
    in_match: bool,
}

impl Written {
    /// False if the file is not there.
    fn read(&mut self, reader: Reader<'_>, path: &str, depth: usize) -> Result<bool, FactError> {
        let Some(text) = if_there(raw::os(path), reader.root().text(raw::os(path)))? else {
            return Ok(false);
        };
        if depth > DEEPEST {
            return Err(FactError::system(format!(
                "{FILE}: files include each other more than {DEEPEST} deep"
            )));
        }
        let outer = self.in_match;
        for (name, value) in text.lines().filter_map(setting) {
            match name.as_str() {
                "include" => {
                    for pattern in value.split_whitespace().map(|word| word.trim_matches('"')) {
                        let whole = if pattern.starts_with('/') {
                            pattern.to_owned()
                        } else {
                            format!("/etc/ssh/{pattern}")
                        };
                        for path in files::paths(reader, &whole)? {
                            self.read(reader, &path, depth + 1)?;
                        }
                    }
                }
                "match" => {
                    self.in_match = !value.eq_ignore_ascii_case("all");
                    if self.in_match {
                        let (criteria, options) = (value.into(), Map::new().into());
                        self.matches.push(Map::from_iter([
                            ("criteria".to_owned(), criteria),
                            ("options".to_owned(), options),
                        ]));
                    }
                }
                _ => self.set(name, value),
            }
        }
        // A block ends with its file.
        self.in_match = outer;
        Ok(true)
    }

    fn set(&mut self, name: String, value: String) {
        let block = self.matches.last_mut().filter(|_| self.in_match);
        let options = match block.and_then(|block| block.get_mut("options")?.as_object_mut()) {
            Some(options) => options,
            None => &mut self.options,
        };
        if !LISTS.contains(&name.as_str()) {
            options.entry(name).or_insert_with(|| value.into());
        } else if let Some(list) =
            options.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
        {
            let one = !matches!(name.as_str(), "port" | "listenaddress" | "hostkey");
            let words: Vec<&str> = if one { value.split_whitespace().collect() } else { vec![&value] };
            list.extend(words.into_iter().map(Value::from));
        }
    }
}

/// `Name value`, `Name=value`, `Name "a value"`.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let value = line[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim_end();
    let quoted =
        value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.contains('"'));
    Some((line[..end].to_ascii_lowercase(), quoted.unwrap_or(value).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::testing::MadeUp;

    #[test]
    fn the_first_counts_and_what_is_included_stands_where_it_is() {
        let made = MadeUp::new(&[
            (
                FILE,
                "# c\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nPort 22\nPort=2222\nAllowUsers a b\nAllowUsers c\nMatch User x\n PermitRootLogin no\n X11Forwarding=yes\nMatch all\nBanner \"/etc/a b\"\n",
            ),
            (
                "/etc/ssh/sshd_config.d/10.conf",
                "PermitRootLogin prohibit-password\nMatch Group g\nAllowTcpForwarding no\n",
            ),
            ("/etc/ssh/sshd_config.d/20.conf", "MaxAuthTries 3\n"),
            ("/etc/ssh/sshd_config.d/off.txt", "MaxAuthTries 9\n"),
        ]);
        let found = config(made.reader()).unwrap();
        assert!(!found.effective);
        assert_eq!(
            (&found.options["permitrootlogin"], &found.options["maxauthtries"]),
            (&Value::from("prohibit-password"), &Value::from("3"))
        );
        assert_eq!(
            (&found.options["port"], &found.options["allowusers"]),
            (&serde_json::json!(["22", "2222"]), &serde_json::json!(["a", "b", "c"]))
        );
        assert_eq!(found.options["banner"], "/etc/a b");
        assert_eq!(found.matches.len(), 2);
        assert_eq!(
            (&found.matches[1]["criteria"], &found.matches[1]["options"]["permitrootlogin"]),
            (&Value::from("User x"), &Value::from("no"))
        );
        assert_eq!(found.matches[0]["options"]["allowtcpforwarding"], "no");
    }

    #[test]
    fn no_server_and_a_circle_are_errors() {
        assert!(config(MadeUp::new(&[]).reader()).unwrap_err().text.contains("no ssh server"));
        let made = MadeUp::new(&[(FILE, "Include sshd_config\n")]);
        assert!(config(made.reader()).unwrap_err().text.contains("include each other"));
    }
}
