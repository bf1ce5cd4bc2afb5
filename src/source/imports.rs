//! Where `import` finds what it names.
//!
//! `"lib/net"` is a name: it is looked for in the user's and the site's directories of scripts, then in the program itself, then in what was installed
//! beside it. `"./helpers"` stands beside the file whose text says so, or below. Nothing else can be imported: no whole path, and no way up
//! or out, not by a link either. Each file is judged as a script is, on its opened descriptor.

use std::{
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use super::{
    Judged, SourceError, imported_file,
    library::{Library, is_name},
    shipped,
};
use crate::{
    raw,
    script::{Found, Importer, Imports, NotFound, Source},
    values::nearest,
};

/// Begins the name of a text that is part of the program.
const SHIPPED: &str = "shipped:";
const SUFFIX: &str = ".rhai";

/// The directories of this process's user.
#[derive(Debug)]
struct Everywhere(Judged);

/// Gives what scripts import from.
#[must_use]
pub fn everywhere() -> Imports {
    Imports::of(Rc::new(Everywhere(Judged::AsScripts)))
}

/// The same for whoever only takes the files elsewhere, as into the lab, where strangers' scripts are rehearsed.
#[must_use]
pub fn unjudged() -> Imports {
    Imports::of(Rc::new(Everywhere(Judged::NotAtAll)))
}

impl Importer for Everywhere {
    fn find(&self, path: &str, from: &str) -> Result<Found, NotFound> {
        let stem = path.strip_suffix(SUFFIX).unwrap_or(path);
        match stem.strip_prefix("./") {
            Some(beside) if is_name(beside) => beside_of(beside, from, self.0),
            None if is_name(stem) => named(stem, &Library::of_this_user(), self.0),
            _ => Err(no_import(path)),
        }
    }
}

fn no_import(path: &str) -> NotFound {
    let is_whole = path.starts_with('/');
    let goes_up = Path::new(path).components().any(|part| part == Component::ParentDir);
    let why = match (is_whole, goes_up) {
        (true, _) => "is a whole path, and what is imported has a name or stands beside the script",
        (_, true) => "goes up, and what is imported stands beside the script or below it",
        _ => "names no file",
    };
    let advice = "allowed: a name, as \"lib/net\" (`krsi-sh scripts` lists them), or a file beside this one, as \"./helpers\"";
    NotFound { text: format!("{path:?} {why}"), advice: Some(advice.to_owned()) }
}

/// What stands beside the text of this name.
fn beside_of(beside: &str, from: &str, judged: Judged) -> Result<Found, NotFound> {
    if let Some(name) = from.strip_prefix(SHIPPED) {
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        let name = format!("{directory}/{beside}");
        return of_the_program(&name)
            .ok_or_else(|| NotFound { text: format!("there is no `{name}` in the program"), advice: None });
    }
    let directory = Path::new(from).parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    read(beside, &directory.join(format!("{beside}{SUFFIX}")), directory, judged)
}

/// What has a name of the library.
fn named(name: &str, library: &Library, judged: Judged) -> Result<Found, NotFound> {
    let in_one = |directory: &PathBuf| {
        let path = directory.join(format!("{name}{SUFFIX}"));
        path.symlink_metadata().is_ok().then(|| read(name, &path, directory, judged))
    };
    let own = library.own_directories().iter().find_map(in_one);
    let shipped = || of_the_program(name).map(Ok);
    let installed = || library.installed_directories().iter().find_map(in_one);
    own.or_else(shipped).or_else(installed).unwrap_or_else(|| Err(nothing(name, library)))
}

fn nothing(name: &str, library: &Library) -> NotFound {
    let known: Vec<_> = library.entries().into_iter().map(|entry| entry.name).collect();
    let known = known.iter().map(String::as_str);
    let near = nearest(name, known.chain(shipped::names().map(|name| -> &str { name })))
        .map(|near| format!("did you mean \"{near}\"? "));
    let looked: Vec<_> =
        library.directories().iter().map(|directory| directory.display().to_string()).collect();
    let advice = format!(
        "{}looked in {}, and in the program, which has {}; a file beside this one is \"./{name}\"",
        near.unwrap_or_default(),
        looked.join(", "),
        shipped::names().collect::<Vec<_>>().join(", ")
    );
    NotFound { text: format!("there is nothing to import that is called \"{name}\""), advice: Some(advice) }
}

fn of_the_program(name: &str) -> Option<Found> {
    let text = shipped::text(name)?.to_owned();
    let source = Source { name: format!("{SHIPPED}{name}{SUFFIX}"), text };
    Some(Found { key: source.name.clone(), source, label: name.to_owned(), path: None })
}

fn read(label: &str, path: &Path, directory: &Path, judged: Judged) -> Result<Found, NotFound> {
    let (source, stands) = imported_file(path, directory, judged).map_err(|error| refused(&error))?;
    let key = raw::from_os(&stands);
    Ok(Found { source, label: label.to_owned(), key, path: Some(path.to_owned()) })
}

/// An error of several lines: what is wrong, and what to do.
fn refused(error: &SourceError) -> NotFound {
    let text = error.to_string();
    match text.split_once('\n') {
        Some((text, advice)) => {
            let advice = advice.strip_prefix("fix: ").unwrap_or(advice);
            NotFound { text: text.to_owned(), advice: Some(advice.to_owned()) }
        }
        None => NotFound { text, advice: None },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn find(path: &str, from: &Path) -> Result<Found, NotFound> {
        Everywhere(Judged::AsScripts).find(path, &from.display().to_string())
    }

    #[test]
    fn what_stands_beside_is_found_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("mine/sub")).unwrap();
        for name in ["mine/a.rhai", "mine/sub/b.rhai", "secret.rhai"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(at("secret.rhai"), at("mine/link.rhai")).unwrap();
        symlink(at(""), at("mine/up")).unwrap();
        symlink("a.rhai", at("mine/alias.rhai")).unwrap();
        nix::unistd::mkfifo(&at("mine/pipe.rhai"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = at("mine/script.rhai");
        let text = |path: &str| find(path, &script).map(|found| found.source.text);
        assert_eq!(text("./a"), Ok("mine/a.rhai".into()));
        assert_eq!(text("./a.rhai"), Ok("mine/a.rhai".into()));
        assert_eq!(text("./sub/b"), Ok("mine/sub/b.rhai".into()));
        // By whatever name it is called, it is the same file.
        assert_eq!(find("./alias", &script).unwrap().key, find("./a", &script).unwrap().key);
        let why = |path: &str| text(path).unwrap_err().text;
        assert!(why("../secret").contains("goes up"));
        assert!(why("./sub/../../secret").contains("goes up"));
        assert!(why(&at("secret").display().to_string()).contains("whole path"));
        assert!(why("./link").contains("which is outside of"), "{}", why("./link"));
        assert!(why("./up/secret").contains("which is outside of"), "{}", why("./up/secret"));
        assert!(why("./pipe").contains("not a regular file"), "{}", why("./pipe"));
        assert!(why("./none").contains("there is no script"), "{}", why("./none"));
        assert!(why("").contains("names no file"));
    }

    #[test]
    fn names_are_those_of_the_directories_and_of_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("own");
        fs::create_dir_all(own.join("lib")).unwrap();
        fs::write(own.join("lib/mine.rhai"), "own").unwrap();
        let variable = |name: &str| (name == super::super::library::VARIABLE).then(|| own.clone());
        let library = Library::of(variable, None);
        assert_eq!(named("lib/mine", &library, Judged::AsScripts).unwrap().source.text, "own");
        let shipped = named("lib/net", &library, Judged::AsScripts).unwrap();
        assert_eq!((shipped.source.name.as_str(), shipped.path), ("shipped:lib/net.rhai", None));
        fs::write(own.join("lib/net.rhai"), "own").unwrap();
        assert_eq!(named("lib/net", &library, Judged::AsScripts).unwrap().source.text, "own");
        let NotFound { text, advice } = named("lib/nett", &library, Judged::AsScripts).unwrap_err();
        assert!(text.contains("lib/nett"), "{text}");
        assert!(
            advice.as_ref().is_some_and(|advice| advice.contains("did you mean \"lib/net\"")),
            "{advice:?}"
        );
    }

    #[test]
    fn what_the_program_has_imports_from_the_program() {
        let found = find("./net", Path::new("shipped:lib/text.rhai")).unwrap();
        assert_eq!(found.label, "lib/net");
        assert!(find("./none", Path::new("shipped:lib/text.rhai")).is_err());
    }
}
