"""The programs of the benchmark: built or installed once, inside this checkout where possible."""

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import traffic

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "target/tools/bench"
PYTHON = HOME / "python"
# Envoy, Traefik, Caddy and HAProxy, as in the tests.
GATEWAYS = ROOT / "target/tools/gateways"
PACKAGES = ["fastapi==0.165.0", "uvicorn[standard]==0.54.0"]
CRATES = {"oha": ["oha@1.16.0"], "akas": ["akas@2.4.18"]}
# nginx of the distribution: the one on PyPI is linked statically with another `malloc`, which causes several
# page faults per request.
DEBIAN = {"nginx": "nginx", "wrk": "wrk", "haproxy": "haproxy", "node": "nodejs"}
os.environ["PATH"] += ":/usr/sbin"  # Debian's servers; not in the path of ordinary users


class Tools:
    """The paths of the programs."""

    def __init__(self):
        self.keygate = Path(os.environ.get("KEYGATE", ROOT / "target/release/keygate"))
        self.oha, self.akas = HOME / "bin/oha", HOME / "bin/akas"
        self.uvicorn = PYTHON / "bin/uvicorn"

    def install(self, crates):
        """Installs everything except crates, which take minutes, and the named crates."""
        self.install_keygate()
        for program, package in DEBIAN.items():
            if shutil.which(program) is None:
                run(ROOT / "deploy/demo/install.sh", package)
        stamp = PYTHON / "packages"
        if not stamp.exists() or stamp.read_text() != str(PACKAGES):
            print("installing FastAPI from PyPI …", file=sys.stderr)
            run(sys.executable, "-m", "venv", "--clear", PYTHON)
            run(PYTHON / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
            stamp.write_text(str(PACKAGES))
        for program in crates:
            self.install_crate(program)
        self.nginx = shutil.which("nginx")
        self.envoy = GATEWAYS / "envoy/_bin/envoy"

    def install_keygate(self):
        if "KEYGATE" not in os.environ:
            run("cargo", "build", "--quiet", "--release", "--package", "keygate", "--bin", "keygate")
        # Envoy's service that allows every request.
        self.allow_all = ROOT / "target/release/examples/allow_all"
        run("cargo", "build", "--quiet", "--release", "--package", "keygate-envoy", "--example", "allow_all")

    def install_crate(self, program):
        if not (HOME / "bin" / program).exists():
            print(f"building {program} from crates.io: some minutes, once …", file=sys.stderr)
            run("cargo", "install", "--quiet", "--locked", "--root", HOME, *CRATES[program])

    def versions(self):
        """Returns the measured versions, for the report."""
        output = lambda *words: subprocess.run(  # noqa: E731
            [str(word) for word in words], capture_output=True, text=True
        )
        first = lambda run: (run.stdout + run.stderr).strip().splitlines()[0]  # noqa: E731
        return {
            "keygate": first(output(self.keygate, "--version")),
            "nginx": first(output(self.nginx, "-v")).removeprefix("nginx version: "),
            "haproxy": first(output("haproxy", "-v")),
            "node": first(output("node", "--version")),
            **{name.split("[")[0]: version for name, version in (p.split("==") for p in PACKAGES)},
            **gateways(),
            **{name: words[0].split("@")[1] for name, words in CRATES.items()},
        }

    def start_akas(self, lab, port):
        """Starts AKAS with digests of the keys, which it loads over HTTP."""
        admin = uuid.uuid4().hex
        argv = [self.akas, "serve", "--local", "--port", port, "--admin-key", admin,
                "--log-level", "warn"]  # like the others, no log of allowed requests; fmt: skip
        process = lab.start("authorization", argv, port)
        digests = [hashlib.sha256(traffic.key(n).encode()).hexdigest() for n in range(traffic.KEYS)]
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="keys"\r\n'
            f"content-type: text/plain\r\n\r\n" + "\n".join(digests) + f"\n\r\n--{boundary}--\r\n"
        )
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/load",
            data=body.encode(),
            headers={
                "content-type": f"multipart/form-data; boundary={boundary}",
                "authorization": f"Bearer {admin}",
            },
        )
        with urllib.request.urlopen(request) as response:
            response.read()
        return process


def run(*words):
    subprocess.run([str(word) for word in words], check=True, cwd=ROOT)


def gateways():
    """Returns the versions of the packages with gateways, from pip's folders."""
    folders = (folder.stem.split("-") for folder in sorted(GATEWAYS.glob("*.dist-info")))
    return {name.removesuffix("_bin"): version for name, version in folders}
