"""Prints what the pages have: files, commands, and the blocks that are not run, with their reasons."""


def pytest_terminal_summary(terminalreporter):
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    found = [entry for report in reports for entry in report.user_properties]
    count = {kind: sum(entry[0] == kind for entry in found) for kind in ("command", "file", "not run")}
    for kind, reason in found:
        if kind == "not run":
            terminalreporter.write_line(f"not run: {reason}")
    terminalreporter.write_line(
        f"pages: {count['command']} commands run, {count['file']} files written, {count['not run']} blocks not run"
    )
