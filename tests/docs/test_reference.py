"""The tables of docs/reference/ name what the program has: all of it, and nothing else."""

import json
import re
import subprocess

from page import ROOT

KEYGATE = ROOT / "target/debug/keygate"
REFERENCE = ROOT / "docs/reference"


def rows(page, title=None):
    """The cells of the tables of a page, or of a section, without their heads."""
    text = (REFERENCE / page).read_text()
    if title:
        text = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    lines = re.findall(r"^\| (`.*) \|$", text, re.M)
    return [re.split(r"(?<!\\) \| ?|(?<!\\)\| ", line) for line in lines]


def keygate(*arguments):
    return subprocess.run([KEYGATE, *arguments], capture_output=True, text=True, check=True, env={}).stdout


def written(default):
    match default:
        case None | []:
            return "–"
        case list():
            return f"`{', '.join(default)}`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{default}`"


def test_settings():
    schema = json.loads(keygate("schema", "settings"))["properties"]
    table = {name.strip("`"): (flag, default) for name, flag, default, _ in settings()}
    assert set(table) == set(schema)
    flags = set(re.findall(r"--([a-z-]+) <", keygate("serve", "--help"))) - {"config"}
    assert {name for name, (flag, _) in table.items() if flag == "yes"} == flags
    for name, (_, default) in table.items():
        if name not in ("listen", "operations"):
            assert default == written(schema[name].get("default")), name


def settings():
    return [row for row in rows("settings.md") if len(row) == 4]


def test_fields_of_the_policy_file():
    schema = json.loads(keygate("schema", "policy"))
    fields = {name for kind in ("endpoint", "route", "rule") for name in schema["$defs"][kind]["properties"]}
    table = [row[0].strip("`") for row in rows("policy-file.md", "Fields")]
    assert sorted(table) == sorted(fields | set(schema["properties"]))


def test_fields_of_the_keys_file():
    schema = json.loads(keygate("schema", "keys"))
    fields = schema["properties"]["keys"]["items"]
    fields = schema["$defs"][fields["$ref"].rsplit("/", 1)[1]] if "$ref" in fields else fields
    assert {row[0].strip("`") for row in rows("keys-file.md")} == set(fields["properties"])
