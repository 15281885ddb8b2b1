"""SECURITY.md names tests that exist."""

import re

from page import ROOT

FOLDERS = [ROOT / "crates", ROOT / "tests"]


def test_the_named_tests_exist():
    rows = re.findall(r"^\| (?!class|---)(?:.*) \| (.*) \|$", (ROOT / "SECURITY.md").read_text(), re.M)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 40
    files = [path for folder in FOLDERS for path in folder.rglob("*") if "target" not in path.parts]
    functions = {
        name for path in files if path.suffix == ".rs" for name in re.findall(r"\bfn (\w+)", path.read_text())
    } | {target.stem for target in (ROOT / "tests/fuzz/fuzz_targets").iterdir()}
    paths = {str(path.relative_to(ROOT)) for path in files}
    missing = {
        name
        for name in named
        if name not in functions and not any(path == name or path.endswith(f"/{name}") for path in paths)
    }
    assert not missing
