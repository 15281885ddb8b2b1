"""README.md and the pages in docs/ are right: their commands have the output that they show."""

import pytest

from page import PAGES, ROOT, NotRun, Unclear, Write, steps
from shell import Mismatch, Shell

# A test with an identity provider runs what this page shows.
ELSEWHERE = {"docs/users.md": "tests/deploy/test_users_page.py"}


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [page for page in PAGES if name(page) not in ELSEWHERE], ids=name)
def test_page(path, tmp_path, record_property):
    shell, step, problem = Shell(tmp_path), None, None
    try:
        for step in steps(path):
            if isinstance(step, NotRun):
                record_property("not run", f"{name(path)}:{step.line}: {step.reason}")
            else:
                record_property("file" if isinstance(step, Write) else "command", step.line)
            shell.take(step)
        shell.check_configurations()
    except Unclear as unclear:
        problem = f"{name(path)}: {unclear}"
    except Mismatch as mismatch:
        problem = f"{name(path)}:{step.line}:\n{mismatch}"
    finally:
        shell.close()
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_another_test_runs_the_page(page, test):
    assert f'"{page}"' in (ROOT / test).read_text()
