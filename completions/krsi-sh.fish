# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_krsi_sh_global_optspecs
    string join \n i c p= e= no-init format= color= audit door= show-secrets template-dir= for= q/quiet v/verbose h/help V/version
end

function __fish_krsi_sh_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_krsi_sh_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_krsi_sh_using_subcommand
    set -l cmd (__fish_krsi_sh_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s p -d 'Give the script this process as its `target`' -r
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s e -d 'Use this code instead of a file' -r
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s i -d 'After the script, open a prompt with its variables, functions and probes'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s c -d 'Start the command after `--` as the `target` of the script'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l no-init -d 'Do not run the start-up file of the interactive shell'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -s V -l version -d 'Print version'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "run" -d 'Run a script: a file, code, or standard input'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "check" -d 'Run scripts of checks, and report what passes and what fails'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "record" -d 'Run a script, and keep all events in a file'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "replay" -d 'Run a script over what was recorded'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "learn" -d 'Watch what processes do, and write a script that allows only that'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "explain" -d 'Explain a script\'s probes: what runs where, and what each filter became'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "why" -d 'Show which layer of the kernel refuses each failing system call'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "scripts" -d 'List the scripts that are found by name, or describe one'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "templates" -d 'List the templates, or describe one: hooks, params, event fields'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "doctor" -d 'Find out what this machine can do, by trying each hook'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "panic" -d 'Detach everything of krsi-sh on this system, whichever session it belongs to'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "pins" -d 'List the probes that are pinned, or look at one, change it, remove it'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "lab" -d 'Run a script in a throwaway virtual machine, or get a prompt there'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "redteam" -d 'Try the known ways round what a script refuses, in a throwaway virtual machine'
complete -c krsi-sh -n "__fish_krsi_sh_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s p -d 'Give the script this process as its `target`' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s e -d 'Use this code instead of a file' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s i -d 'After the script, open a prompt with its variables, functions and probes'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s c -d 'Start the command after `--` as the `target` of the script'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l only -d 'Run only this check; `*` stands for anything; may be repeated' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l skip -d 'Leave out this check, likewise' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l tag -d 'Run only checks with this tag; may be repeated' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l level -d 'Run only checks up to this level' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l explain -d 'Tell what a check does, why, and what to do if it fails, instead of running it' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l output -d 'Write a report to this file too; its end says in which format (.txt .json .ndjson .xml .tap .sarif .html), or FORMAT:FILE does; may be repeated' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l root -d 'Read facts below this directory, laid out like `/`: a mounted image, a made-up root; probes and programs are the running system\'s all the same' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l baseline -d 'Accept the failures that this file lists: a line each, ID DAY REASON' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l timeout -d 'End after this time; what was not run by then is inconclusive' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l jobs -d 'Number of scripts to run at the same time (default: one for each processor)' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l fail-on -d 'Failures below this severity do not change the exit code: info, low, medium, high, critical or never' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l worker -d 'Run one script in this process, for the process of this number' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l list -d 'List the checks instead of running them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l changed -d 'Say only what is different from the last run with the same paths'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s o -l output -d 'File to make; compressed if its name ends with .zst. One that is there is not touched' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l max-size -d 'Start another file when this one reaches this size, such as 100M' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l max-age -d 'Start another file when this one reaches this age, such as 1h' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l keep -d 'Keep this many of these files, the newest, and remove older ones' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s p -d 'Give the script this process as its `target`' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s e -d 'Use this code instead of a file' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l schema -d 'Print what a line may be, as JSON Schema, and do nothing else'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s c -d 'Start the command after `--` as the `target` of the script'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l against -d 'Compare with this script: print each event about which the two decide differently; exit code 4 if there is one' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -s e -d 'Use this code instead of a file' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s o -l output -d 'Profile to write; `-` for standard output. One that is there is not touched' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l refine -d 'Learn what this profile does not allow yet, and add it to its lists; in place, unless -o names another file' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l scope -d 'Learn from processes in this scope, as scripts write it: \'#{ exe: "/usr/sbin/nginx" }\'' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s p -d 'Give the script this process as its `target`' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s c -d 'Start the command after `--` as the `target` of the script'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand learn" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -s e -d 'Use this code instead of a file' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l instructions -d 'Show the filters\' instructions too'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -s p -d 'Watch this process and all that descends from it, until it ends' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l stack -d 'Tell also where in the program each of these calls was made, innermost first'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l tag -d 'Those with this id of ATT&CK, or with a part of it (T1055 is T1055.008, too); may be repeated' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l severity -d 'Those that are at least so severe: info, low, medium, high or critical' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l names -d 'Names alone, as shells complete them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand scripts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand templates" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l reason -d 'Why, which is noted with who, when, and what was attached' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand panic" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "list" -d 'List them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "show" -d 'Tell all about one'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "remove" -d 'Remove one: it refuses nothing from here on, and is detached unless a session holds it as well'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "observe" -d 'Have one observe: it refuses nothing from here on, and stays attached'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "resume" -d 'Give one the mode again that it was pinned in, and its lease from the beginning'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "hold" -d 'Renew one\'s lease, again and again, until this is ended; for a unit of systemd'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "clean" -d 'Remove the empty directories that a process has left which was killed while it made or removed a pin'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and not __fish_seen_subcommand_from list show remove observe resume hold clean help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from observe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "list" -d 'List them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "show" -d 'Tell all about one'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove one: it refuses nothing from here on, and is detached unless a session holds it as well'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "observe" -d 'Have one observe: it refuses nothing from here on, and stays attached'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Give one the mode again that it was pinned in, and its lease from the beginning'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "hold" -d 'Renew one\'s lease, again and again, until this is ended; for a unit of systemd'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "clean" -d 'Remove the empty directories that a process has left which was killed while it made or removed a pin'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand pins; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l kernel -d 'Kernel to boot: the path of an image (/boot/vmlinuz-…), or the name of a cached one' -r -F -a "(__fish_krsi_sh_kernels)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l with -d 'File to put into the guest, under /lab or at the path after a colon' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l timeout -d 'Time the guest may take, boot included (an interactive one has no limit of its own)' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l append -d 'Further words for the kernel\'s command line, such as `lockdown=integrity`' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l cpus -d 'Processors of the guest' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l memory -d 'Memory of the guest' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -s e -d 'Run this code instead of a script' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l icount -d 'Let guest time count instructions, so that measured ratios repeat exactly (slower)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand lab" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l kernel -d 'Kernel to boot: the path of an image (/boot/vmlinuz-…), or the name of a cached one' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l with -d 'File to put into the guest, under /lab or at the path after a colon' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l timeout -d 'Time the guest may take, boot included (an interactive one has no limit of its own)' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l append -d 'Further words for the kernel\'s command line, such as `lockdown=integrity`' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l cpus -d 'Processors of the guest' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l memory -d 'Memory of the guest' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l deed -d 'Something that the script refuses: `open PATH [r|w|rw]`, `exec PATH`, `connect ADDRESS PORT`, `socket FAMILY`; may be repeated' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l output -d 'Write a report to this file too, as `check` does: its end says in which format (.xml: JUnit), or FORMAT:FILE does; may be repeated' -r -F
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -s e -d 'Take this code instead of a script' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l format -d 'How standard output is written' -r -f -a "auto\t'json if standard output is not a terminal, otherwise text'
text\t'For people: users and errnos by name, sizes in KiB'
json\t'One JSON value a line (NDJSON), numbers as they are'
ndjson\t'Only for `check`. One JSON value a line, one for each check'
junit\t'Only for `check`. JUnit\'s XML, for continuous integration'
tap\t'Only for `check`. The Test Anything Protocol, version 14'
sarif\t'Only for `check`. SARIF 2.1.0, for code scanning'
html\t'Only for `check`. One page that needs nothing else'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l color -d 'Colour in text' -r -f -a "auto\t'If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`'
always\t'Always, NO_COLOR or not'
never\t'Never'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l door -d 'Attach probes only in this way; by default, in the first of these that the kernel allows' -r -f -a "lsm\t'On the LSM hooks; wants `bpf` in the kernel\'s list of LSMs'
fmod_ret\t'On the functions that call the LSM hooks; can also deny'
observe\t'Elsewhere; refuses nothing'"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l template-dir -d 'Directory with further templates, as objects named NAME.bpf.o; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l for -d 'End the session after this time, such as 10s or 5m; exit code 0' -r
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l icount -d 'Let guest time count instructions, so that measured ratios repeat exactly (slower)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l inside -d 'Do it here, which is in the guest'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l attacker -d 'Be the process that tries'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l audit -d 'Report denials, kills and signals instead of doing them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -l show-secrets -d 'Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -s q -l quiet -d 'No banner, no notes, no closing table'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -s v -l verbose -d 'More diagnostics on standard error; repeat for more'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand redteam" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "run" -d 'Run a script: a file, code, or standard input'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "check" -d 'Run scripts of checks, and report what passes and what fails'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "record" -d 'Run a script, and keep all events in a file'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "replay" -d 'Run a script over what was recorded'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "learn" -d 'Watch what processes do, and write a script that allows only that'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "explain" -d 'Explain a script\'s probes: what runs where, and what each filter became'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "why" -d 'Show which layer of the kernel refuses each failing system call'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "scripts" -d 'List the scripts that are found by name, or describe one'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "templates" -d 'List the templates, or describe one: hooks, params, event fields'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "doctor" -d 'Find out what this machine can do, by trying each hook'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "panic" -d 'Detach everything of krsi-sh on this system, whichever session it belongs to'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "pins" -d 'List the probes that are pinned, or look at one, change it, remove it'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "lab" -d 'Run a script in a throwaway virtual machine, or get a prompt there'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "redteam" -d 'Try the known ways round what a script refuses, in a throwaway virtual machine'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and not __fish_seen_subcommand_from run check record replay learn explain why scripts templates doctor panic pins lab redteam help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "list" -d 'List them'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "show" -d 'Tell all about one'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "remove" -d 'Remove one: it refuses nothing from here on, and is detached unless a session holds it as well'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "observe" -d 'Have one observe: it refuses nothing from here on, and stays attached'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "resume" -d 'Give one the mode again that it was pinned in, and its lease from the beginning'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "hold" -d 'Renew one\'s lease, again and again, until this is ended; for a unit of systemd'
complete -c krsi-sh -n "__fish_krsi_sh_using_subcommand help; and __fish_seen_subcommand_from pins" -f -a "clean" -d 'Remove the empty directories that a process has left which was killed while it made or removed a pin'

function __fish_krsi_sh_templates
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
