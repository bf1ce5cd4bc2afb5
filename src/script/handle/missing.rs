//! Files that are named by params of a probe, and are not there.

use std::{fs, io, rc::Rc};

use rhai::Position;

use super::ProbeHandle;
use crate::{probe::ParamValue, raw, script::Source, template::ParamKind};

/// A call of the script, by its text and place.
pub type Written = (Rc<Source>, Position);

/// A file that is not there.
pub struct Missing {
    pub param: String,
    pub path: String,
    /// Where the script has written it.
    pub written: Option<Written>,
}

/// A pattern is no slip of the pen; that it means nothing here is said elsewhere.
const GLOB: [char; 3] = ['*', '?', '['];

impl ProbeHandle {
    /// Takes note of where the script has given a param.
    pub fn wrote(&self, param: &str, written: Option<Written>) {
        let mut state = self.0.borrow_mut();
        match written {
            Some(written) => state.written.insert(param.to_owned(), written),
            None => state.written.remove(param),
        };
    }

    /// Says whether the files that its params name are expected to be there.
    pub fn expect_files(&self, are_there: bool) {
        self.0.borrow_mut().spec.expects_files = are_there;
    }

    pub fn expects_files(&self) -> bool {
        self.0.borrow().spec.expects_files
    }

    /// Returns which files its params name that ought to be there and are not, as this process sees them. A template that is about
    /// what is made, and a scope of tasks that may have other files, expect none.
    pub fn missing_files(&self) -> Vec<Missing> {
        const MAKES: [&str; 4] = ["path_mknod", "path_mkdir", "path_link", "path_symlink"];
        let state = self.0.borrow();
        let spec = &state.spec;
        let makes = spec.template.hooks.iter().any(|hook| MAKES.contains(&hook.as_str()));
        if !spec.expects_files || makes || spec.scope.may_be_elsewhere() {
            return Vec::new();
        }
        let of = |(param, value): (&String, &ParamValue)| {
            let ParamValue::Texts(paths) = value else { return Vec::new() };
            // What is in a set comes and goes.
            if spec.template.param(param).map(|param| &param.kind) != Some(&ParamKind::Paths)
                || spec.sets.contains_key(param)
            {
                return Vec::new();
            }
            let missing = paths.iter().filter(|path| !path.contains(GLOB) && is_missing(path));
            let missing = missing.map(|path| Missing {
                param: param.clone(),
                path: path.clone(),
                written: state.written.get(param).cloned(),
            });
            missing.collect()
        };
        spec.params.iter().flat_map(of).collect()
    }
}

/// Whether there is no such file; of what cannot be looked at that is not known.
fn is_missing(path: &str) -> bool {
    let absent =
        |error: io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    fs::metadata(raw::os(path)).err().is_some_and(absent)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::says;

    #[test]
    fn a_file_that_is_not_there_is_said_at_its_place_with_the_nearest_that_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("shadow"), "").unwrap();
        let (there, slip) = (at("shadow"), at("shadw"));
        let said =
            says(&format!("probe(\"file_open\",\n  #{{ path: [\"{there}\", \"{slip}\"] }})\n  .attach();"));
        for wanted in [
            format!("warning: param `path` of probe `file_open-1`: there is no file \"{slip}\""),
            format!("did you mean \"{there}\"?"),
            "`.expects_file(false)`".to_owned(),
            "[-e:2:".to_owned(),
        ] {
            assert!(said.contains(&wanted), "no `{wanted}`: {said}");
        }
        assert_eq!(said.matches("warning:").count(), 1, "{said}");
        let said = says(&format!("let p = probe(\"file_open\").attach();\np.set(\"path\", \"{slip}\");"));
        assert!(said.contains("warning:") && said.contains("[-e:2:"), "{said}");
    }

    #[test]
    fn what_need_not_be_there_is_not_missed() {
        for code in [
            "probe(\"file_open\", #{ path: \"/etc/shadw\" }).expects_file(false).attach();",
            "probe(\"file_open\", #{ path_prefix: \"/etc/shadw\" }).attach();",
            "probe(\"file_open\", #{ path: \"/etc/shad*\" }).attach();",
            "probe(\"file_open\", #{ path: \"/etc/shadw\" }).scope(#{ not_mnt_ns: \"host\" }).attach();",
            "probe(\"file_open\", #{ path: \"/etc/shadw\" }).scope(#{ cgroup: \"/sys/fs/cgroup\" }).attach();",
            "probe(\"create\", #{ path: \"/etc/shadw\" }).attach();",
            "probe(\"file_open\", #{ path: set(\"s\").add(\"/etc/shadw\") }).attach();",
            "probe(\"file_open\", #{ path: \"/etc\" }).attach();",
        ] {
            let said = says(code);
            assert!(!said.contains("warning") && !said.contains("no file"), "{code}: {said}");
        }
        let said =
            says("probe(\"file_open\", #{ path: \"/etc/shadw\" }).scope(#{ mnt_ns: \"host\" }).attach();");
        assert!(said.contains("warning"), "{said}");
    }
}
