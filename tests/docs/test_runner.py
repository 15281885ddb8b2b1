"""The runner finds what is wrong in a page, and only that."""

import pytest

from page import Unclear, steps
from shell import Mismatch, Shell

ECHO = "<!-- run: demo_backend 127.0.0.1:3000 & -->\n"

RIGHT = {
    "output": "```console\n$ echo a b\na …\n```\n",
    "any lines": "```console\n$ seq 5\n1\n…\n5\n```\n",
    "continued": "```console\n$ echo a \\\n    b\na b\n$ cat <<END\n> c\n> END\nc\n```\n",
    "variables stay": "```console\n$ x=1\n$ echo $x\n1\n```\n",
    "a script": "```sh\n# a comment\nfor i in 1 2; do\n  echo $i\ndone\ntrue\n```\n",
    "a failure that is shown": "```console\n$ ls missing\nls: …\n```\n",
    "a file": "It is `a/b.txt`:\n\n```json\n{}\n```\n\nAdd this to `a/b.txt`:\n\n```json\n[]\n```\n\n"
    "```console\n$ cat a/b.txt\n{}\n[]\n```\n",
    "a key": "```console\n$ keygate keys create --keys k --client-type A --id a\nkg_a…\n…\n$ echo kg_a… | wc -c\n53\n```\n",
    "dates": "<!-- today: 2020-02-01 -->\n```console\n$ date -u -I\n2020-02-01\n$ date -u -I -d tomorrow\n2020-02-02\n```\n",
    "not run": "<!-- not run: it needs a cluster -->\n```console\n$ false\n```\n",
    "nginx": ECHO + "`/etc/nginx/conf.d/a.conf`:\n```nginx\nserver { listen 8080; return 204; }\n```\n"
    "```console\n$ nginx -s reload\n$ curl -i localhost:8080\nHTTP/1.1 204 …\n…\n```\n"
    "`/etc/nginx/conf.d/a.conf`:\n```nginx\nserver { listen 8080; location / { proxy_pass http://127.0.0.1:3000; } }\n```\n"
    '```console\n$ nginx -t && nginx -s reload\n…\n$ curl localhost:8080/a\n{\n…\n  "target": "/a"\n}\n```\n',
    "a service": "`policy.yaml`:\n```yaml\nversion: 1\nendpoints: [{path: /a}]\n```\n"
    "```console\n$ keygate authorizer --policy policy.yaml\n$ keygate authorizer --policy policy.yaml\n"
    "$ curl localhost:7092/-/healthz -o /dev/null -w '%{http_code}\\n'\n200\n```\n",
}

WRONG = {
    "output": "```console\n$ echo a\nb\n```\n",
    "missing output": "```console\n$ echo a\na\nb\n```\n",
    "more output": "```console\n$ seq 2\n1\n```\n",
    "exit code": "```console\n$ false\n```\n",
    "exit code in a script": "```sh\ntrue\nfalse\n```\n",
    "hidden command": "<!-- run: false -->\n",
    "a service": "```console\n$ keygate resolver --keys missing.yaml\n```\n",
    "an unknown key": "```console\n$ echo kg_…\nkg_…\n```\n",
    "nginx": "`/etc/nginx/conf.d/a.conf`:\n```nginx\nserver { wrong; }\n```\n```console\n$ nginx -t && nginx -s reload\n```\n",
    "an unsafe nginx.conf": "<!-- run: cp nginx/keygate*.conf . -->\n`nginx.conf`:\n```nginx\nhttp { include keygate.conf;\n"
    "server { include keygate-server.conf;\nlocation / { include keygate-authorize.conf; proxy_pass http://b/$arg_x; } } }\n```\n",
    "the shell ends": "```console\n$ exit\n$ true\n```\n",
}


def follow(folder, text):
    page = folder / "page.md"
    page.write_text(text)
    shell = Shell(folder)
    try:
        for step in steps(page):
            shell.take(step)
        shell.check_configurations()
    finally:
        shell.close()


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_a_right_page_passes(text, tmp_path):
    follow(tmp_path, text)


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_page_fails(text, tmp_path):
    with pytest.raises(Mismatch):
        follow(tmp_path, text)


@pytest.mark.parametrize("text", ["```yaml\na: 1\n```\n", "```console\nfalse\n```\n"])
def test_an_unclear_page_fails(text, tmp_path):
    with pytest.raises(Unclear):
        follow(tmp_path, text)
