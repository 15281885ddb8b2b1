"""Reads a page: the files, commands and expected output that it shows, in order."""

import datetime
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMENT = re.compile(r"<!-- (not run|run|today|warnings): (.*?)\s-->", re.S)
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?!\d)")


@dataclass
class Write:
    """A file that the page shows."""

    line: int
    name: str
    text: str
    append: bool


@dataclass
class Command:
    """A command, and the output that the page shows, if any."""

    line: int
    text: str
    expected: list[str]


@dataclass
class NotRun:
    """A block that is marked as not run, or a page whose nginx configurations may have warnings."""

    line: int
    reason: str
    warnings: bool = False


class Unclear(Exception):
    """The page does not say what a block is."""


def markdown(path):
    return MarkdownIt("commonmark").enable("table").parse(path.read_text())


def steps(path):
    """Yields what to do for a page, from top to bottom."""
    days = datetime.timedelta()
    paragraph, reason = "", None
    for token in markdown(path):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for kind, text in COMMENT.findall(token.content):
                if kind == "today":
                    days = datetime.datetime.now(datetime.UTC).date() - datetime.date.fromisoformat(text)
                elif kind == "warnings":
                    yield NotRun(line, f"warnings of `keygate check --nginx` are allowed: {text}", warnings=True)
                elif kind == "run":
                    yield Command(line, text, [])
                else:
                    reason = text
        elif token.type == "inline":
            paragraph = token.content
        elif token.type == "fence":
            if reason:
                yield NotRun(line, " ".join(reason.split()))
            else:
                yield from block(token.info, moved(token.content, days), line, paragraph)
            paragraph, reason = "", None


def block(kind, text, line, paragraph):
    name = re.search(r"`([^`\s]+)`:$", paragraph)
    if kind == "console":
        yield from console(text.splitlines(), line + 1)
    elif kind == "sh":
        yield from script(text.splitlines(), line + 1)
    elif name:
        yield Write(line, name[1], text, append=paragraph.startswith("Add"))
    elif kind not in ("", "text"):
        raise Unclear(
            f"line {line}: a `{kind}` block without a file name: end the paragraph before it with the name and a colon,"
            " or put `<!-- not run: REASON -->` before the block"
        )


def console(lines, first):
    command = None
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            if command:
                yield command
            command = Command(number, line[2:], [])
        elif command is None:
            raise Unclear(f"line {number}: a `console` block starts with `$ ` and a command")
        elif not command.expected and (command.text.endswith("\\") or line.startswith("> ")):
            command.text += "\n" + line.removeprefix("> ")
        else:
            command.expected.append(line)
    if command:
        yield command


def script(lines, first):
    """The commands of a script: as many lines each as bash needs."""
    command = None
    for number, line in enumerate(lines, first):
        if command:
            command.text += "\n" + line
        elif line.strip() and not line.startswith("#"):
            command = Command(number, line, [])
        if command and complete(command.text):
            yield command
            command = None
    if command:
        yield command


def complete(text):
    if text.endswith("\\"):
        return False
    parsed = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
    return parsed.returncode == 0 and "here-document" not in parsed.stderr


def moved(text, days):
    """Moves all dates by some days."""
    return DATE.sub(lambda date: str(datetime.date.fromisoformat(date[0]) + days), text) if days else text
