//! One file, as a script holds it.

use std::os::unix::fs::MetadataExt;

use rhai::{Array, Dynamic, Engine, plugin::*};

use super::{Fallible, read};
use crate::{
    facts::{Fact, file},
    script::{api::runtime, file::ScriptFile, json::from_json},
};

fn or_unit<T: Into<Dynamic>>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}

fn names(names: Vec<&'static str>) -> Dynamic {
    names.into_iter().map(Dynamic::from).collect::<Array>().into()
}

fn texts(texts: Vec<String>) -> Dynamic {
    texts.into_iter().map(Dynamic::from).collect::<Array>().into()
}

#[export_module]
mod functions {
    /// Returns a file as it is now, `()` if there is none: `file("/etc/shadow").mode == 0o640`. A link is looked at
    /// itself; `.resolved` is what it leads to. Fields: path, name, kind (`file`, `directory`, `symlink`, `fifo`, `socket`,
    /// `char-device`, `block-device`), mode (permissions with the bits for set-uid, set-gid, sticky), permissions
    /// (`-rwsr-xr-x`), setuid, setgid, sticky, world_writable, uid, gid, owner, group, size, links, inode, device, mtime,
    /// ctime, atime (seconds since 1970), target, resolved, capabilities, attributes, acl, default_acl, format, sha256.
    /// The last six are read when they are asked for; `help("File")` tells each.
    #[rhai_fn(name = "file", return_raw)]
    pub fn look(context: NativeCallContext, path: &str) -> Fallible<Dynamic> {
        let runtime = runtime(&context)?;
        let found = read(&runtime, |reader| file::look(reader, path))?;
        Ok(found.map_or(Dynamic::UNIT, |file| Dynamic::from(ScriptFile::new(file, &runtime.facts))))
    }

    /// Its whole path.
    #[rhai_fn(get = "path", pure)]
    pub fn path(file: &mut ScriptFile) -> String {
        file.inner().path().to_owned()
    }

    /// The last part of its path.
    #[rhai_fn(get = "name", pure)]
    pub fn name(file: &mut ScriptFile) -> String {
        file.inner().name().to_owned()
    }

    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `char-device` or `block-device`.
    #[rhai_fn(get = "kind", pure)]
    pub fn kind(file: &mut ScriptFile) -> String {
        file.inner().kind().to_owned()
    }

    /// Permissions with the bits for set-uid, set-gid and sticky: `(f.mode & 0o022) == 0`.
    #[rhai_fn(get = "mode", pure)]
    pub fn mode(file: &mut ScriptFile) -> i64 {
        file.inner().mode().into()
    }

    /// Kind and permissions as `ls -l` writes them: `-rwsr-xr-x`.
    #[rhai_fn(get = "permissions", pure)]
    pub fn permissions(file: &mut ScriptFile) -> String {
        file.inner().permissions()
    }

    /// It is a regular file that is executed as its owner.
    #[rhai_fn(get = "setuid", pure)]
    pub fn setuid(file: &mut ScriptFile) -> bool {
        file.inner().meta().is_file() && file.inner().mode() & 0o4000 != 0
    }

    /// It is a regular file that is executed as its group.
    #[rhai_fn(get = "setgid", pure)]
    pub fn setgid(file: &mut ScriptFile) -> bool {
        file.inner().meta().is_file() && file.inner().mode() & 0o2000 != 0
    }

    /// It has the sticky bit: in such a directory everybody removes what is his own.
    #[rhai_fn(get = "sticky", pure)]
    pub fn sticky(file: &mut ScriptFile) -> bool {
        file.inner().mode() & 0o1000 != 0
    }

    /// Anybody may write it; never of a link, whose own permissions mean nothing.
    #[rhai_fn(get = "world_writable", pure)]
    pub fn world_writable(file: &mut ScriptFile) -> bool {
        file.inner().world_writable()
    }

    /// User id of its owner.
    #[rhai_fn(get = "uid", pure)]
    pub fn file_uid(file: &mut ScriptFile) -> i64 {
        file.inner().meta().uid().into()
    }

    /// Id of its group.
    #[rhai_fn(get = "gid", pure)]
    pub fn file_gid(file: &mut ScriptFile) -> i64 {
        file.inner().meta().gid().into()
    }

    /// Name of its owner; `()` if nobody has that id.
    #[rhai_fn(get = "owner", pure)]
    pub fn owner(file: &mut ScriptFile) -> Dynamic {
        or_unit(file.inner().owner(file.reader()).map(|name| name.to_string()))
    }

    /// Name of its group; `()` if no group has that id.
    #[rhai_fn(get = "group", pure)]
    pub fn group(file: &mut ScriptFile) -> Dynamic {
        or_unit(file.inner().group(file.reader()).map(|name| name.to_string()))
    }

    /// Bytes.
    #[rhai_fn(get = "size", pure)]
    pub fn size(file: &mut ScriptFile) -> i64 {
        file.inner().meta().size().cast_signed()
    }

    /// How many names it has.
    #[rhai_fn(get = "links", pure)]
    pub fn links(file: &mut ScriptFile) -> i64 {
        file.inner().meta().nlink().cast_signed()
    }

    /// Its inode.
    #[rhai_fn(get = "inode", pure)]
    pub fn inode(file: &mut ScriptFile) -> i64 {
        file.inner().meta().ino().cast_signed()
    }

    /// Device of the file system it is on: `8:1`.
    #[rhai_fn(get = "device", pure)]
    pub fn device(file: &mut ScriptFile) -> String {
        file.inner().device()
    }

    /// When its contents changed last, in seconds since 1970.
    #[rhai_fn(get = "mtime", pure)]
    pub fn mtime(file: &mut ScriptFile) -> i64 {
        file.inner().meta().mtime()
    }

    /// When it changed last, its permissions and the like included, in seconds since 1970.
    #[rhai_fn(get = "ctime", pure)]
    pub fn ctime(file: &mut ScriptFile) -> i64 {
        file.inner().meta().ctime()
    }

    /// When it was read last, in seconds since 1970.
    #[rhai_fn(get = "atime", pure)]
    pub fn atime(file: &mut ScriptFile) -> i64 {
        file.inner().meta().atime()
    }

    /// What a link says; `()` for what is not a link.
    #[rhai_fn(get = "target", pure, return_raw)]
    pub fn target(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(or_unit(read(&*runtime(&context)?, |_| file.inner().target())?))
    }

    /// The file at the end of its links: itself if it is none, `()` if they lead nowhere.
    #[rhai_fn(get = "resolved", pure, return_raw)]
    pub fn resolved(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        let found = read(&*runtime(&context)?, |reader| file.inner().resolved(reader))?;
        Ok(found.map_or(Dynamic::UNIT, |found| Dynamic::from(ScriptFile::new(found, file.facts()))))
    }

    /// The capabilities that executing it gives, a map: permitted, inheritable (arrays of names), effective, root_uid; `()`
    /// for none.
    #[rhai_fn(get = "capabilities", pure, return_raw)]
    pub fn file_capabilities(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        read(&*runtime(&context)?, |_| Fact::value(file.inner().capabilities()?)).map(from_json)
    }

    /// What chattr(1) sets, an array: `immutable`, `append`, `nodump`, `noatime` …; `()` where a file system has none, and
    /// for links and devices.
    #[rhai_fn(get = "attributes", pure, return_raw)]
    pub fn attributes(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(read(&*runtime(&context)?, |_| file.inner().attributes())?.map_or(Dynamic::UNIT, names))
    }

    /// Its access control list, an array of texts like `user:alice:rw-`; `()` if its permissions are all there is.
    #[rhai_fn(get = "acl", pure, return_raw)]
    pub fn acl(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(read(&*runtime(&context)?, |reader| file.inner().acl(reader))?.map_or(Dynamic::UNIT, texts))
    }

    /// The access control list that what is made in this directory gets, as in `acl`; `()` without one.
    #[rhai_fn(get = "default_acl", pure, return_raw)]
    pub fn default_acl(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(read(&*runtime(&context)?, |reader| file.inner().default_acl(reader))?
            .map_or(Dynamic::UNIT, texts))
    }

    /// What its first bytes say that it is: `elf` (a program or a library), `script` (it begins with `#!`); `()` for anything else,
    /// and for what is not a regular file, or is gone.
    #[rhai_fn(get = "format", pure, return_raw)]
    pub fn format(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(or_unit(read(&*runtime(&context)?, |_| file.inner().format())?))
    }

    /// SHA-256 of its contents in hexadecimal digits, read anew each time; `()` for what is not a regular file.
    #[rhai_fn(get = "sha256", pure, return_raw)]
    pub fn sha256(context: NativeCallContext, file: &mut ScriptFile) -> Fallible<Dynamic> {
        Ok(or_unit(read(&*runtime(&context)?, |reader| file.inner().sha256(reader))?))
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn file_to_string(file: ScriptFile) -> String {
        crate::report::safe_json(&file.describe().to_string())
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ScriptFile>("File");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
