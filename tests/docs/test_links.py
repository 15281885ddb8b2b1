"""Every relative link of the Markdown files leads to a file, and to a heading where it names one."""

import re

import pytest

from page import PAGES, ROOT, markdown

FILES = sorted({*PAGES, *ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "tests/docs").glob("*.md")})


def children(token):
    yield token
    for child in token.children or []:
        yield from children(child)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    found, tokens = [], markdown(path)
    for opening, inline in zip(tokens, tokens[1:]):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children if child.type in ("text", "code_inline"))
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            repeated = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in found)
            found.append(f"{anchor}-{repeated}" if repeated else anchor)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path):
    wrong = []
    for token in markdown(path):
        for child in children(token):
            target = child.attrGet("href") or child.attrGet("src")
            if not target or re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists() or (anchor and anchor not in anchors(file)):
                wrong.append(f"{path.relative_to(ROOT)}:{token.map[0] + 1}: {target}")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_every_page_is_linked():
    linked = set()
    for path in PAGES:
        for token in markdown(path):
            linked |= {
                (path.parent / child.attrGet("href").partition("#")[0]).resolve()
                for child in children(token)
                if child.attrGet("href")
            }
    assert not set(PAGES) - linked - {ROOT / "README.md"}
