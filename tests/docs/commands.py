"""Writes docs/reference/commands.md from the program's help; `make docs-commands`."""

import re
import subprocess
import sys

from page import ROOT

PAGE = ROOT / "docs/reference/commands.md"
HEAD = """# Commands

<!-- Written by `make docs-commands`, from the help of the program. -->

The program `keygate` runs the services and has all commands. A command writes its result to standard output, and
everything else to standard error. With `--output json`, the result is JSON.

| exit code | meaning |
|---|---|
| 0 | success: the file is valid, the request is allowed, the service is ready |
| 1 | failure: the file is invalid, the request is denied, a test case has a different decision |
| 2 | the command line or a setting is wrong |
"""


def page():
    return HEAD + "".join(section(command) for command in commands(["keygate"]))


def commands(command):
    """A command, and all of its subcommands."""
    yield command
    names = re.search(r"^Commands:\n((?:  .*\n|\n)+?)(?=^\S)", help_of(command), re.M)
    for name in re.findall(r"^  (\S+)", names[1] if names else "", re.M):
        if name != "help":
            yield from commands([*command, name])


def section(command):
    name = " ".join(command)
    lines = [line.rstrip() for line in help_of(command).rstrip().splitlines()]
    title = "" if len(command) == 1 else f"\n{'#' * min(len(command), 3)} {name}\n"
    return f"{title}\n```console\n$ {name} --help\n" + "\n".join(lines) + "\n```\n"


def help_of(command):
    program = ROOT / "target/debug/keygate"
    return subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True, check=True, env={}).stdout


if __name__ == "__main__":
    sys.stdout.write(page())
