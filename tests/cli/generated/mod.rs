//! The committed files that are made from the clap table: completions for three
//! shells, and the man page. A second man page is made from the catalogue and the index, and a page about the templates.

mod names;
mod script_page;
mod templates_page;

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::{Man, roff::Roff, roff::bold, roff::roman};
use krsi_sh::cli::{SECTIONS, Section, command};

/// Path below the repository's root, and what belongs there.
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("completions/krsi-sh.bash", completion(Shell::Bash)),
        ("completions/_krsi-sh", completion(Shell::Zsh)),
        ("completions/krsi-sh.fish", completion(Shell::Fish)),
        ("docs/krsi-sh.1", man_page()),
        ("docs/krsi-sh-script.7", script_page::page()),
        ("docs/templates.md", templates_page::page()),
    ]
}

fn completion(shell: Shell) -> String {
    let made = written(|out| {
        generate(shell, &mut command(), "krsi-sh", out);
        Ok(())
    });
    match shell {
        Shell::Bash => names::bash(&with_one_name(&made)),
        Shell::Zsh => with_scripts_among_commands(&names::zsh(&made)),
        _ => names::fish(&made),
    }
}

/// clap_complete 4.6 names a subcommand's part in two ways if the program's name
/// has a hyphen, so that it is never found.
fn with_one_name(bash: &str) -> String {
    replaced(bash, "krsi__subcmd__sh", "krsi__sh")
}

/// clap_complete 4.6 lets a subcommand come second where a file may come first.
fn with_scripts_among_commands(zsh: &str) -> String {
    let file = zsh.lines().find(|line| line.starts_with("'::words -- ")).expect("the script's place");
    let zsh = replaced(zsh, &format!("{file}\n"), "");
    let zsh = replaced(&zsh, "\":: :_krsi-sh_commands\"", "\": :_krsi-sh_first\"");
    let zsh = replaced(&zsh, "$line[2]", "$line[1]");
    let end = "        esac\n    ;;\nesac\n}\n";
    let zsh = replaced(&zsh, end, &format!("            (*)\n_files && ret=0\n;;\n{end}"));
    let first = "\
_krsi-sh_first() {
    _alternative 'commands:command:_krsi-sh_commands' 'scripts:script:_krsi-sh_scripts'
}

(( $+functions[_krsi-sh_commands] )) ||
";
    replaced(&zsh, "(( $+functions[_krsi-sh_commands] )) ||\n", first)
}

/// Fails when a newer generator no longer writes what is to be mended.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no `{from}` is generated any more; is the mending still needed?");
    text.replace(from, to)
}

/// One page for the shell and its subcommands, since they are few.
fn man_page() -> String {
    let man = Man::new(command()).manual("User Commands");
    written(|out| {
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
        heading("SH", "Commands").to_writer(out)?;
        for sub in command().get_subcommands() {
            subcommand(sub.clone(), out)?;
        }
        for section in SECTIONS {
            entries(section).to_writer(out)?;
        }
        Ok(())
    })
}

/// Its own options only; those of every command stand above.
fn subcommand(sub: Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    let name = format!("krsi-sh {}", sub.get_name());
    let mut sub = sub.bin_name(&name).disable_help_flag(true);
    let usage = sub.render_usage().to_string();
    let man = Man::new(sub.override_usage(usage.trim_start_matches("Usage: ").to_owned()));
    heading("SS", &name).to_writer(out)?;
    let plain = |section: String, title: &str| section.replacen(&format!(".SH {title}\n"), "", 1);
    let synopsis = plain(written(|out| man.render_synopsis_section(out)), "SYNOPSIS");
    let description = plain(written(|out| man.render_description_section(out)), "DESCRIPTION");
    let options = plain(written(|out| man.render_options_section(out)), "OPTIONS");
    for part in [synopsis, ".PP\n".to_owned(), description, options] {
        out.extend(part.into_bytes());
    }
    Ok(())
}

fn entries(section: &Section) -> Roff {
    let mut roff = heading("SH", section.title);
    let mut entries = section.entries.iter().peekable();
    while let Some((term, text)) = entries.next() {
        let mut whole = (*text).to_owned();
        while let Some((_, more)) = entries.next_if(|(term, _)| term.is_empty()) {
            whole = format!("{whole} {more}");
        }
        roff.control("TP", []).text([bold(*term)]).text([roman(whole)]);
    }
    roff
}

fn heading(level: &str, title: &str) -> Roff {
    let mut roff = Roff::new();
    let title = if level == "SH" { title.to_uppercase() } else { title.to_owned() };
    roff.control(level, [title.as_str()]);
    roff
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes everything");
    String::from_utf8(out).expect("generators write UTF-8")
}
