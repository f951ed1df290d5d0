"""``fokkerplanck completion``: a script by which bash and zsh complete commands and arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

SHELLS = ("bash", "zsh")
# zsh has bash's `complete` and `compgen` too, once it is told so.
ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
# After a dash the options of the command; else its words, and files where it takes them.
SCRIPT = """\
_fokkerplanck() {{
    local IFS=$'\\n' word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local options= offers= files=yes cases=$'{cases}'
    if [[ $COMP_CWORD -eq 1 ]]; then
        offers=$'{commands}' options=$'{options}' files=
    else
        case "${{COMP_WORDS[1]}}" in
{arguments}
        esac
        case "${{COMP_WORDS[1]}} $before" in
{values}
        esac
    fi
    [[ "$word" == -* ]] && offers="$options" files=
    COMPREPLY=($(compgen -W "$offers" -- "$word"; [[ -n "$files" ]] && compgen -f -- "$word"))
}}
complete -o filenames -F _fokkerplanck fokkerplanck
"""


def completion(parser: argparse.ArgumentParser, cases: Iterable[str], shell: str) -> str:
    """The script; ``cases`` are the names that may stand for CASE beside files."""
    (subparsers,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    arguments, values = [], []
    for name, command in subparsers.choices.items():
        words = ""
        for action in command._actions:
            if action.choices and action.option_strings:
                before = "|".join(f'"{name} {option}"' for option in action.option_strings)
                values.append(f"            {before}) offers=$'{_lines(action.choices)}' files= ;;")
            elif action.choices:
                words = f" offers=$'{_lines(action.choices)}' files="
            elif action.metavar == "CASE":
                words = ' offers="$cases"'
        options = _lines(command._option_string_actions)
        arguments.append(f"            {name}) options=$'{options}'{words} ;;")
    script = SCRIPT.format(
        cases=_lines(cases),
        commands=_lines(subparsers.choices),
        options=_lines(parser._option_string_actions),
        arguments="\n".join(arguments),
        values="\n".join(values),
    )
    return ZSH + script if shell == "zsh" else script


def _lines(words: Iterable[object]) -> str:
    return r"\n".join(map(str, words))
