//! The catalogue's contract: every committed object parses and describes itself
//! fully, and its layout is one the decoder and the kernel side can rely on.

use krsi_sh::{
    probe::scope::Kind,
    template::{Catalogue, FieldKind, NameRule, ParamKind},
};

fn catalogue() -> Catalogue {
    Catalogue::builtin().expect("every committed object describes itself")
}

/// DESIGN.md, "Event header".
const HEADER: &[&str] = &[
    "mono_ns",
    "wall_ns",
    "seq",
    "start_ns",
    "cgroup",
    "exe_inode",
    "probe_id",
    "hook",
    "verdict",
    "mode",
    "pid",
    "tid",
    "ppid",
    "uid",
    "euid",
    "gid",
    "loginuid",
    "session",
    "pid_ns",
    "mnt_ns",
    "user_ns",
    "comm",
    "parent_comm",
    "exe",
];

#[test]
fn the_catalogue_has_every_committed_template() {
    let names: Vec<_> = catalogue().names().map(str::to_owned).collect();
    let mut files: Vec<_> = std::fs::read_dir("ebpf-templates")
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_string_lossy().strip_suffix(".bpf.c").map(str::to_owned))
        .filter(|stem| !stem.starts_with('_'))
        .collect();
    files.sort();
    assert_eq!(names, files, "a template is named as its file");
}

/// What a template keeps between two hooks of one operation must be there at the second: a map that makes room by forgetting
/// what was not used lately can be made to forget by whoever floods it.
#[test]
fn no_map_forgets_what_was_not_used_lately() {
    use aya_obj::generated::bpf_map_type::{BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH};
    for template in catalogue().iter() {
        // aya knows no sections of this name.
        let mut known = template.object().to_vec();
        while let Some(at) = memchr::memmem::find(&known, b"fmod_ret/security_") {
            known[at..at + 9].copy_from_slice(b"fexit////");
        }
        let object = aya_obj::Object::parse(&known).unwrap();
        assert!(object.maps.len() > 3, "{}", template.name);
        for (name, map) in &object.maps {
            let forgets =
                [BPF_MAP_TYPE_LRU_HASH as u32, BPF_MAP_TYPE_LRU_PERCPU_HASH as u32].contains(&map.map_type());
            assert!(!forgets, "{}: {name}", template.name);
        }
    }
}

#[test]
fn every_event_carries_the_whole_header() {
    for template in catalogue().iter() {
        for name in HEADER {
            assert!(template.field(name).is_some(), "{}: no field {name}", template.name);
            assert!(
                template.own_fields().iter().all(|field| field.name != *name),
                "{}: {name}",
                template.name
            );
        }
    }
}

#[test]
fn every_description_is_complete() {
    for template in catalogue().iter() {
        assert!(!template.summary.is_empty() && !template.attack.is_empty() && !template.hooks.is_empty());
        for param in &template.params {
            assert!(!param.doc.is_empty() && !param.default.is_empty(), "{}.{}", template.name, param.name);
        }
        for field in &template.fields {
            assert!(field.doc.ends_with('.'), "{}.{}: {}", template.name, field.name, field.doc);
        }
    }
}

#[test]
fn no_two_fields_share_a_name_or_a_byte() {
    for template in catalogue().iter() {
        let mut end = 0;
        let mut names = std::collections::HashSet::new();
        // The origin stands before the event.
        let (origin, own): (Vec<_>, Vec<_>) = template.fields.iter().partition(|field| field.is_of_origin());
        assert!(origin.iter().all(|field| field.offset + field.size <= template.layout.origin_size));
        assert!(own[0].offset == template.layout.origin_size);
        for field in origin.into_iter().chain(own) {
            assert!(names.insert(&field.name), "{}: {} twice", template.name, field.name);
            assert!(field.offset >= end, "{}: {} overlaps", template.name, field.name);
            end = field.offset + field.size;
        }
        assert!(end <= template.event_size);
        assert!(end < 1 << 15, "a filter's instruction reaches every field");
        let packed = &template.fields[template.layout.packed_from..];
        assert_eq!(packed.first(), template.field("path"), "{}", template.name);
        for field in packed {
            let text = matches!(field.kind, FieldKind::Text | FieldKind::Texts { .. });
            assert!(text, "{}: {} is packed, and no text", template.name, field.name);
        }
    }
}

/// NDJSON says these of the record itself.
#[test]
fn no_field_is_named_as_what_a_record_says_of_itself() {
    for template in catalogue().iter() {
        for name in ["type", "probe", "template"] {
            assert!(template.field(name).is_none(), "{}: {name}", template.name);
        }
    }
}

#[test]
fn every_hook_has_a_name_in_the_event() {
    for template in catalogue().iter() {
        let Some(FieldKind::Enum(names)) = template.field("hook").map(|f| f.kind.clone()) else {
            panic!("{}: hook is no enum", template.name);
        };
        let names: Vec<_> = names.into_iter().map(|n| n.name).collect();
        assert_eq!(names, template.hooks, "{}", template.name);
    }
}

#[test]
fn the_control_words_and_counters_are_those_the_shell_uses() {
    for template in catalogue().iter() {
        let control = template.layout.control;
        assert_eq!(control.mode, 0, "{}: where any shell makes a probe observe", template.name);
        assert!(control.turn + 8 <= template.layout.settings_size, "{}", template.name);
        let mut kinds: Vec<_> = template.layout.scope_kinds.iter().map(|(name, _)| name.as_str()).collect();
        let mut known: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
        kinds.sort_unstable();
        known.sort_unstable();
        assert_eq!(kinds, known, "{}", template.name);
        for param in &template.params {
            assert!(param.offset + 8 <= template.layout.settings_size && param.offset % 8 == 0);
        }
    }
}

#[test]
fn a_late_param_names_a_hook_of_its_template() {
    for template in catalogue().iter() {
        for late in template.params.iter().filter_map(|p| p.late.as_ref()) {
            assert!(template.hooks.contains(late), "{}: {late}", template.name);
        }
    }
    let catalogue = catalogue();
    let exec = catalogue.get("exec").expect("exec is there");
    let late: Vec<_> = exec.params.iter().filter(|p| p.late.is_some()).map(|p| p.name.as_str()).collect();
    assert_eq!(late, ["args", "argv", "argv_prefix", "argv_contains", "cmdline_like", "env"]);
}

#[test]
fn what_tracks_and_what_observes_are_told_apart() {
    let catalogue = catalogue();
    let unlink = &catalogue.get("exec_unlink").expect("exec_unlink is there").layout;
    assert_eq!(
        unlink.trackers,
        [
            ("sched_process_exec".to_owned(), "exec_unlink_exec_track".to_owned()),
            ("security_bprm_check".to_owned(), "exec_unlink_check_track".to_owned()),
        ]
    );
    assert_eq!(unlink.seeds, [("task".to_owned(), "exec_unlink_seed".to_owned())]);
    assert!(unlink.observers.is_empty());
    let exec = &catalogue.get("exec").expect("exec is there").layout;
    assert_eq!(exec.trackers, [("sched_process_exit".to_owned(), "krsi_late_track".to_owned())]);
    assert!(exec.seeds.is_empty() && exec.observers.len() == 1);
}

/// Where a compiled filter will go: a jump over one run of no-ops that ends in `exit`, with no relocation inside.
#[test]
fn every_object_reserves_the_filters_slot() {
    use object::{Object, ObjectSection, ObjectSymbol};
    const RETURN_TRUE: [u8; 8] = [0xb7, 0, 0, 0, 1, 0, 0, 0];
    /// `if r0 != 0 goto +4000`
    const JUMP: [u8; 8] = [0x55, 0, 0xa0, 0x0f, 0, 0, 0, 0];
    const GOTO_NEXT: [u8; 8] = [0x05, 0, 0, 0, 0, 0, 0, 0];
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
    for template in catalogue().iter() {
        let elf = object::File::parse(template.object()).unwrap();
        let slot = elf.symbols().find(|s| s.name() == Ok("krsi_filter")).expect("the object has a slot");
        let section = elf.section_by_index(slot.section_index().unwrap()).unwrap();
        assert_eq!(
            section.name(),
            Ok(".text"),
            "{}: callees are found there and nowhere else",
            template.name
        );
        let range = slot.address()..slot.address() + slot.size();
        assert!(
            !section.relocations().any(|(at, _)| range.contains(&at)),
            "{}: a relocation inside",
            template.name
        );
        let code = &section.data().unwrap()[range.start as usize..range.end as usize];
        let words: Vec<_> = code.chunks(8).collect();
        assert_eq!(words.len(), 4003, "{}", template.name);
        assert_eq!(words[..2], [RETURN_TRUE, JUMP]);
        assert!(words[2..4002].iter().all(|word| *word == GOTO_NEXT));
        assert_eq!(words.last(), Some(&&EXIT[..]));
    }
}

#[test]
fn file_open_can_be_narrowed_by_access() {
    let catalogue = catalogue();
    let template = catalogue.get("file_open").expect("file_open is there");
    let Some(ParamKind::Flags(flags)) = template.param("access").map(|p| p.kind.clone()) else {
        panic!("access is no set of flags");
    };
    let names: Vec<_> = flags.into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["read", "write", "append", "create", "truncate", "exec"]);
}

#[test]
fn connect_tells_addresses_and_takes_networks_and_ports() {
    let catalogue = catalogue();
    let template = catalogue.get("connect").expect("connect is there");
    let kind = |name: &str| template.param(name).map(|p| p.kind.clone());
    assert_eq!(kind("address"), Some(ParamKind::Networks));
    assert_eq!(kind("not_address"), Some(ParamKind::NotNetworks));
    assert_eq!(kind("port"), Some(ParamKind::Ports));
    let sockets = NameRule { begins: "/@".into(), longest: 108 };
    assert_eq!(kind("path"), Some(ParamKind::Names(sockets.clone())));
    assert_eq!(kind("path_prefix"), Some(ParamKind::NamePrefixes(sockets)));
    let address = template.field("address").expect("it has an address");
    assert_eq!((&address.kind, address.size), (&FieldKind::Address, 20));
    assert_eq!(template.subject().map(|f| f.name.as_str()), Some("address"));
}

/// A param's bit is the event's value as a power of two: the template shifts by it.
#[test]
fn connects_families_and_types_are_the_same_in_params_and_events() {
    let catalogue = catalogue();
    let template = catalogue.get("connect").expect("connect is there");
    for name in ["family", "socket_type"] {
        let Some(ParamKind::Flags(bits)) = template.param(name).map(|p| p.kind.clone()) else {
            panic!("{name} is no set of flags");
        };
        let Some(FieldKind::Enum(values)) = template.field(name).map(|f| f.kind.clone()) else {
            panic!("{name} is no enum");
        };
        for bit in bits {
            let value = values.iter().find(|v| v.name == bit.name).map(|v| 1 << v.value);
            assert_eq!(value, Some(bit.value), "{name}: {}", bit.name);
        }
    }
}

#[test]
fn an_object_without_a_description_is_refused_with_the_reason() {
    let error = Catalogue::from_objects(&[("noise", b"not an object")]).unwrap_err().to_string();
    assert!(error.contains("noise") && error.contains("not an ELF object"), "{error}");
}

/// The smallest template there can be, compiled here.
const SMALLEST: &str = r#"
enum krsi_hook { krsi_hook_file_open };
#include "include/krsi.bpf.h"
struct params {
	krsi_flag on KRSI_DOC("Whether any open matches.") KRSI_DEFAULT("false");
};
struct event {
	struct krsi_header header;
	u32 flags KRSI_DOC("Flags of open(2).") KRSI_SUBJECT;
} KRSI_TEMPLATE("smallest", "Files being opened", "T1005")
KRSI_EXAMPLE("probe(\"smallest\").attach();") KRSI_NOT_SEEN("Nothing.");
KRSI_SENT_WHOLE;
#include "include/krsi_engine.bpf.h"
SEC("lsm/file_open")
int smallest_open(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!settings->params.on)
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.flags = file->f_flags;
	return krsi_decide(context, scratch, krsi_hook_file_open, KRSI_MATCH);
}
"#;

#[test]
fn an_event_without_a_path_is_sent_whole() {
    use std::{io::Write, process};
    let directory = tempfile::tempdir().unwrap();
    let object = directory.path().join("smallest.bpf.o");
    let compiler = process::Command::new("clang-19")
        .args(["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-I.", "-x", "c", "-c", "-", "-o"])
        .arg(&object)
        .current_dir("ebpf-templates")
        .stdin(process::Stdio::piped())
        .spawn();
    let Ok(mut compiler) = compiler else {
        eprintln!("skipped: there is no clang-19 here");
        return;
    };
    compiler.stdin.take().unwrap().write_all(SMALLEST.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success(), "it does not compile");
    let object: &'static [u8] = std::fs::read(object).unwrap().leak();
    let catalogue = Catalogue::from_objects(&[("smallest", object)]).unwrap();
    let template = catalogue.get("smallest").unwrap();
    assert_eq!(template.layout.packed_from, template.fields.len());
    assert_eq!(template.subject().map(|f| f.name.as_str()), Some("flags"));
    assert_eq!(template.own_fields().len(), 1);
    // What the shell sets before the load (kernel/load), whatever the template.
    use object::{Object, ObjectSymbol};
    let elf = object::File::parse(object).unwrap();
    for constant in [
        "krsi_probe_id",
        "krsi_kernel",
        "krsi_generation",
        "krsi_door",
        "krsi_early_fields",
        "krsi_exe",
        "krsi_cwd",
        "krsi_stacks_wanted",
        "krsi_summaries",
        "krsi_casts",
        "krsi_slots",
        "krsi_filter_fields",
        "krsi_summary_fields",
        "krsi_event_fields",
        "krsi_path_for",
        "krsi_origin_parts",
        "krsi_filter_origin",
        "krsi_summary_origin",
        "krsi_event_origin",
        "krsi_origin_sent",
        "krsi_counts_first",
        "krsi_first_by",
        "krsi_scope_kinds",
        "krsi_scope_few",
        "krsi_scope_depths",
    ] {
        assert!(elf.symbols().any(|symbol| symbol.name() == Ok(constant)), "no constant `{constant}`");
    }
    let last = template.fields.last().unwrap();
    assert_eq!(template.event_size, (last.offset + last.size).next_multiple_of(8));
}

/// A start reads the index and opens no object.
#[test]
fn the_index_is_what_the_objects_say() {
    const INDEX: &str = "ebpf-templates/objects/index.ndjson";
    let fresh = krsi_sh::template::write_index(&krsi_sh::template::built_in_objects()).unwrap();
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        std::fs::write(INDEX, fresh).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(INDEX).unwrap_or_default();
    assert!(
        committed == fresh,
        "stale; renew it: KRSI_BLESS=1 cargo test --release --test templates -- index"
    );
    let described = Catalogue::from_objects(&krsi_sh::template::built_in_objects()).unwrap();
    for (indexed, described) in catalogue().iter().zip(described.iter()) {
        assert_eq!(indexed.object(), described.object(), "{}", indexed.name);
        assert_eq!(format!("{:?}", indexed.layout), format!("{:?}", described.layout));
        assert_eq!((&indexed.fields, &indexed.params), (&described.fields, &described.params));
    }
    assert!(catalogue().names().eq(described.names()), "an object's file has the name of its template");
    assert_eq!(catalogue().iter().count(), described.names().count());
    assert_eq!(catalogue().field_names(), described.field_names());
}
