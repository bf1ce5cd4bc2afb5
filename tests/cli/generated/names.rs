//! Names that only the machine knows, put into the generated completions: the templates, as
//! the program lists them, and the cached kernels, as they lie in the cache's directory.
//!
//! They are looked up when somebody completes, so that a new template or kernel is offered
//! at once, and no completion has to be renewed for it.

use super::replaced;

const BASH: &str = r#"_krsi__sh_templates() {
    local name rest
    krsi-sh --format text templates 2>/dev/null | while read -r name rest; do
        [[ ${name} == NAME ]] || printf '%s\n' "${name}"
    done
}

_krsi__sh_scripts() {
    krsi-sh scripts --names 2>/dev/null
}

_krsi__sh_kernels() {
    local directory="${KRSI_KERNELS:-${XDG_CACHE_HOME:-${HOME}/.cache}/krsi-sh/kernels}" kernel
    for kernel in "${directory}"/*; do
        if [[ -f ${kernel}/vmlinux || -f ${kernel}/vmlinuz || -f ${kernel}/linux.uml ]]; then
            printf '%s\n' "${kernel##*/}"
        fi
    done
}

"#;

const ZSH: &str = r#"(( $+functions[_krsi-sh_templates] )) ||
_krsi-sh_templates() {
    local -a expl templates
    templates=( ${${(f)"$(_call_program templates krsi-sh --format text templates 2>/dev/null)"}[2,-1]%% *} )
    _wanted templates expl template compadd -a templates
}

(( $+functions[_krsi-sh_scripts] )) ||
_krsi-sh_scripts() {
    local -aU scripts
    scripts=( ${(f)"$(_call_program scripts krsi-sh scripts --names 2>/dev/null)"} )
    _alternative 'files:script:_files' "names:name of a script:($scripts)"
}

(( $+functions[_krsi-sh_kernels] )) ||
_krsi-sh_kernels() {
    local directory=${KRSI_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/krsi-sh/kernels}
    local -aU kernels
    kernels=( $directory/*/(vmlinux|vmlinuz|linux.uml)(N-.:h:t) )
    _alternative "kernels:cached kernel:($kernels)" 'images:image:_files'
}

"#;

const FISH: &str = r#"function __fish_krsi_sh_templates
    for line in (krsi-sh --format text templates 2>/dev/null)[2..-1]
        string replace -r ' .*' '' -- $line
    end
end

function __fish_krsi_sh_kernels
    set -l directory $KRSI_KERNELS
    if test -z "$directory"
        set -l cache $XDG_CACHE_HOME
        test -n "$cache"; or set cache $HOME/.cache
        set directory $cache/krsi-sh/kernels
    end
    for image in $directory/*/{vmlinux,vmlinuz,linux.uml}
        basename (dirname $image)
    end
end

complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -a "(krsi-sh scripts --names 2>/dev/null)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -a "(krsi-sh scripts --names 2>/dev/null)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -a "(krsi-sh scripts --names 2>/dev/null)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -f -a "(krsi-sh scripts --names 2>/dev/null)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -f -a "(__fish_krsi_sh_templates)"
"#;

pub fn bash(made: &str) -> String {
    let templates = between(made, "        krsi__sh__subcmd__templates)\n            opts=\"", "\"");
    let made = replaced(made, templates, &format!("{templates} $(_krsi__sh_templates)"));
    let files = between(
        &made,
        "                --kernel)\n",
        "if [ -n \"${oldifs+x}\" ]; then\n                        IFS=\"$oldifs\"",
    );
    let names = replaced(
        files,
        "COMPREPLY=($(compgen -f \"${cur}\"))",
        "COMPREPLY=($(compgen -W \"$(_krsi__sh_kernels)\" -- \"${cur}\") $(compgen -f \"${cur}\"))",
    );
    let made = replaced(&made, files, &names);
    let made = ["run", "explain", "lab", "scripts"].iter().fold(made, |made, command| {
        let options =
            between(&made, &format!("        krsi__sh__subcmd__{command})\n            opts=\""), "\"");
        replaced(&made, options, &format!("{options} $(_krsi__sh_scripts)"))
    });
    format!("{BASH}{made}")
}

pub fn zsh(made: &str) -> String {
    let made = replaced(
        made,
        "Template to describe; without one, all are listed:_default'",
        "Template to describe; without one, all are listed:_krsi-sh_templates'",
    );
    let made = replaced(&made, "]:NAME|PATH:_files'", "]:NAME|PATH:_krsi-sh_kernels'");
    let made = replaced(
        &made,
        "its arguments (`args` in the script):_files'",
        "its arguments (`args` in the script):_krsi-sh_scripts'",
    );
    let made = replaced(
        &made,
        "without one, an interactive shell:_files'",
        "without one, an interactive shell:_krsi-sh_scripts'",
    );
    let first = "(( $+functions[_krsi-sh_commands] )) ||\n";
    replaced(&made, first, &format!("{ZSH}{first}"))
}

pub fn fish(made: &str) -> String {
    let kernel =
        made.lines().find(|line| line.contains("subcommand lab\" -l kernel ")).expect("lab --kernel");
    let made = replaced(made, kernel, &format!("{kernel} -a \"(__fish_krsi_sh_kernels)\""));
    format!("{made}\n{FISH}")
}

/// From the start of `first` to the start of the next `end` behind it.
fn between<'t>(text: &'t str, first: &str, end: &str) -> &'t str {
    let start = text.find(first).unwrap_or_else(|| panic!("no `{first}` is generated any more"));
    let length =
        text[start + first.len()..].find(end).unwrap_or_else(|| panic!("no `{end}` behind `{first}`"));
    &text[start..start + first.len() + length]
}
