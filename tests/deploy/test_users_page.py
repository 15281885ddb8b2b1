"""The settings, commands and requests of docs/users.md do what the page says, through nginx.

The tests have ports and mounts of their own, so the page's addresses and host names are used as they stand.
"""

import base64
import ctypes
import json
import re
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import references
import schemas
from manifests import ROOT, build
from pods import KEYGATE, NGINX, Failed, playing
from test_running import KEYS, with_user_files

TEXT = (ROOT / "docs/users.md").read_text()
HOSTS = "127.0.0.1 localhost id.example.com session.internal shop.example\n"
MS_BIND = 0x1000
NGINX_HEAD = "events {}\nerror_log error.log;\npid nginx.pid;\ndaemon off;\n"
PATHS = "access_log off;\n" + "".join(
    f"{kind}_temp_path temp-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)

AUTH_JSON = '{"/orders": {"ALL": {"authorization": {"expression": "groups.staff", "public": false}}}}'


def section(title):
    return re.search(rf"^## {title}$(.*?)(?=^## |\Z)", TEXT, re.M | re.S).group(1)


def blocks(kind, text):
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def requests(text):
    """Each `$ curl` line of a section, with the line below it: what to expect."""
    return re.findall(r"^\$ (curl .*)\n(.*)$", "".join(blocks("console", text)), re.M)


def shell(command, folder):
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """An RSA key of an OpenID provider: its JWK set and its tokens."""

    def __init__(self, folder):
        self.folder = folder
        shell("openssl genrsa -out provider.pem 2048", folder)
        modulus = shell("openssl rsa -in provider.pem -noout -modulus", folder).removeprefix("Modulus=")
        key = {"kty": "RSA", "kid": "1", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}
        self.set = json.dumps({"keys": [key]})

    def token(self, **claims):
        claims = {"iss": "https://id.example.com/", "aud": "orders-api", "exp": int(time.time()) + 600} | claims
        parts = ({"alg": "RS256", "kid": "1"}, claims)
        message = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        command = ["openssl", "dgst", "-sha256", "-sign", self.folder / "provider.pem"]
        signed = subprocess.run(command, input=message.encode(), capture_output=True, check=True)
        return f"{message}.{base64url(signed.stdout)}"


def certificates(folder):
    """A CA, and certificates for the servers and for the client `ada`."""
    request = "openssl req -newkey rsa:2048 -nodes -subj"
    names = "subjectAltName=DNS:id.example.com,DNS:shop.example"
    shell("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -keyout ca.key -out ca.pem", folder)
    for name, subject in (("server", "/CN=server"), ("ada", "/CN=ada")):
        extension = f"-extfile <(echo {names})" if name == "server" else ""
        shell(
            f"{request} {subject} -keyout {name}.key -out {name}.csr && "
            f"openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem {extension}",
            folder,
        )
    shell("cp ca.pem clients.pem", folder)


@contextmanager
def serving(port, respond, tls=None):
    """A server that responds with a status and a body to each path and set of headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = respond(self.path, self.headers)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "server.pem", tls / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def echo(_path, headers):
    """The backend: the identity headers that it got."""
    return 200, "".join(f"{name}: {headers[name]}\n" for name in headers if name.lower().startswith("mia"))


def session(path, headers):
    assert path == "/me"
    if headers["cookie"] == "sid=s3":
        return 200, json.dumps({"sub": "ada", "groups": ["staff"]})
    return 401, ""


@contextmanager
def running(command, folder, log, **environment):
    with (folder / log).open("w") as output:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port, folder):
    for _ in range(1000):
        done = subprocess.run(["bash", "-c", f": </dev/tcp/127.0.0.1/{port}"], capture_output=True)
        if done.returncode == 0:
            return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on {port}: " + "".join(log.read_text() for log in folder.glob("*.log")))


@pytest.fixture
def folder(tmp_path):
    """A folder that is `/etc/keygate` of the page too, with its host names."""
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(bytes(hosts), b"/etc/hosts", None, MS_BIND, None) == 0
    certificates(tmp_path)
    yield tmp_path
    assert libc.umount2(b"/etc/hosts", 2) == 0


@contextmanager
def gateway(folder, settings, nginx, includes=ROOT / "nginx"):
    """The authorizer, the resolver without keys, the backend and nginx, as the page sets them up."""
    place = lambda text: text.replace("/etc/keygate", str(folder))
    (folder / "authorizer.yaml").write_text(place(settings))
    (folder / "policy.yaml").write_text(blocks("yaml", TEXT)[0])
    (folder / "keys.yaml").write_text("version: 1\nkeys: []\n")
    for include in Path(includes).glob("keygate*.conf"):
        (folder / include.name).write_text(include.read_text())
    (folder / "nginx.conf").write_text(NGINX_HEAD + nginx.replace("http {", "http {\n" + PATHS, 1))
    trusted = {"SSL_CERT_FILE": str(folder / "ca.pem")}
    with ExitStack() as stack:
        for command, log in (
            ([KEYGATE, "resolver", "--keys", "keys.yaml"], "resolver.log"),
            ([KEYGATE, "authorizer", "--config", "authorizer.yaml"], "authorizer.log"),
        ):
            stack.enter_context(running(command, folder, log, **trusted))
        stack.enter_context(serving(3000, echo))
        wait_for(7081, folder)
        wait_for(7082, folder)
        shell("until curl -sf http://127.0.0.1:7092/-/check-up; do sleep 0.02; done", folder)  # with keys
        command = [NGINX, "-p", folder, "-e", "error.log", "-c", folder / "nginx.conf"]
        stack.enter_context(running(command, folder, "nginx.log"))
        wait_for(8443 if "8443" in nginx else 8080, folder)
        yield


def assert_true(title, folder, token=""):
    """Sends each request of a section, and compares the response with what the page says."""
    found = requests(section(title))
    assert len(found) >= 2
    former = None
    for command, expected in found:
        command = f"TOKEN={token}; " + command.replace("curl -i", "curl -is --cacert ca.pem")
        response = shell(command, folder)
        if expected.startswith("the same"):
            assert response.splitlines()[-2:] == former.splitlines()[-2:]
            continue
        former = response
        assert response.split()[1] == expected[:3], (command, response)
        for detail in re.findall(r'"detail":"[a-z-]+"', expected):
            assert detail in response, (command, response)
        for name, value in re.findall(r"`(\w+: [^`]+)`|www-authenticate: (Bearer[^,;]*)", expected):
            wanted = name or f"www-authenticate: {value}"
            assert wanted.lower() in response.lower().splitlines(), (command, response)


def settings_of(title):
    return next(block for block in blocks("yaml", section(title)) if "authorizer.yaml" in block)


def server_of_the_page():
    return blocks("nginx", TEXT)[0]


def test_jwts(folder):
    provider = Provider(folder)
    title = "Log users in with JWTs"
    keys = serving(443, lambda *_: (200, provider.set), folder)
    with keys, gateway(folder, settings_of(title), server_of_the_page()):
        assert_true(title, folder, provider.token(sub="ada", groups=["staff"]))


def test_a_token_without_a_provider(folder):
    title = "Log users in with JWTs"
    [commands] = blocks("sh", section(title))
    token = shell(f"{commands}\necho $TOKEN", folder)
    settings = next(block for block in blocks("yaml", section(title)) if "try.yaml" in block)
    with gateway(folder, settings, server_of_the_page()):
        assert_true(title, folder, token)


def test_a_userinfo_service(folder):
    title = "Log users in with a userinfo service"
    with serving(9000, session), gateway(folder, settings_of(title), server_of_the_page()):
        assert_true(title, folder)


@pytest.mark.parametrize(("variable", "user"), [("USERINFO_URL", "mia-userid: ada"), ("TRUST_MIA_USER_HEADERS", None)])
def test_mia_platforms_environment(variable, user, folder):
    (folder / "auth.json").write_text(AUTH_JSON)
    page = (ROOT / "docs/from-mia-platform.md").read_text()
    command = next(block for block in blocks("sh", page) if variable in block)
    command = command.replace("/etc/keygate", str(folder)).replace("keygate authorizer", f"exec {KEYGATE} authorizer")
    with serving(9000, session), running(["bash", "-c", command], folder, "authorizer.log"):
        wait_for(7082, folder)
        # A user by a header is not believed from this address.
        request = "curl -is http://127.0.0.1:7082/auth/orders -H 'host: shop.example' -H 'miauserid: root' -H 'cookie: sid=s3'"
        response = shell(request, folder).splitlines()
        assert response[0].split()[1] == ("200" if user else "401")
        assert user is None or user in response


def yours(folder, settings):
    """What the page has a user put together for Kubernetes, with these settings."""
    kustomization = blocks("yaml", section("On Kubernetes"))[0]
    (folder / "keygate").symlink_to(ROOT)
    (folder / "kustomization.yaml").write_text(kustomization)
    (folder / "settings.yaml").write_text(settings)
    return build(folder)


def with_backend(manifests):
    backend = with_user_files("nginx").objects
    manifests.objects += [entry for entry in backend if entry["metadata"]["name"].startswith("backend")]
    return manifests


def test_the_files_for_kubernetes(folder):
    manifests = yours(folder, blocks("yaml", section("On Kubernetes"))[1])
    assert list(schemas.problems(manifests, schemas.VERSIONS[-1])) == []
    assert list(references.problems(manifests)) == []
    assert list(references.user_sources(manifests)) == []
    with playing(with_backend(manifests), folder / "played", KEYS):
        # There is no provider: the Pods start without it, and the check-up says why.
        [issuer] = json.loads(check_up())["issuers"]
        assert (issuer["issuer"], issuer["keys"]) == ("https://id.example.com/", 0)


def test_the_image_needs_a_ca_file(folder):
    settings = re.sub(r"^ +ca-file: .*\n", "", blocks("yaml", section("On Kubernetes"))[1], flags=re.M)
    played = playing(with_backend(yours(folder, settings)), folder / "played", KEYS)
    message = "the system has no CA certificates"
    with pytest.raises(Failed, match=message) as failed, played:
        pass
    assert str(failed.value).count(message) == 1


def check_up():
    """The check-up of the authorizer, once the first fetch of keys has failed."""
    for _ in range(1000):
        text = shell("curl -s http://127.0.0.1:7092/-/check-up", "/")
        if "lastError" in text:
            return text
        time.sleep(0.02)
    pytest.fail(text)


def test_every_cause_on_the_page_is_a_message_of_the_program():
    crates = ("users", "user-sources", "headers")
    sources = [path.read_text() for crate in crates for path in (ROOT / "crates" / crate / "src").rglob("*.rs")]
    text = re.sub(r"\\\n\s*", "", "\n".join(sources))
    literals = re.findall(r'error\(\s*"((?:[^"\\]|\\.)*)"', text)
    # A message that is a value alone would match everything.
    messages = [literal for literal in literals if re.sub(r"\{.*?\}", "", literal).strip(" :")]
    patterns = [re.sub(r"\\\{.*?\\\}", ".+", re.escape(message)) for message in messages]
    rows = [row.split(" | ")[1] for row in section("Troubleshooting").splitlines() if row.startswith("| ")][1:]
    causes = [cause for row in rows for cause in re.findall(r"`` (.+?) ``|(?<!`)`([^`]+)`(?!`)", row)]
    assert len(causes) > 12
    for cause in (double or single for double, single in causes):
        part = cause.strip("… ")
        assert any(part in message or re.match(pattern, part) for message, pattern in zip(messages, patterns)), cause


def test_trusted_headers(folder):
    title = "Log users in with headers from a trusted gateway"
    [command] = blocks("sh", section(title))
    includes = folder / "includes"
    (folder / "authorizer.yaml").write_text(settings_of(title))
    shell(command.replace("/etc/nginx", str(includes)).replace("keygate ", f"{KEYGATE} ", 1), folder)
    [server] = blocks("nginx", section(title))
    with gateway(folder, settings_of(title), f"http {{\ninclude keygate.conf;\n{server}}}\n", includes):
        assert_true(title, folder)


@pytest.mark.parametrize(
    ("words", "file", "constant"),
    [
        ("| a token | 16 KiB;", "users/src/jwt/token.rs", "MOST_BYTES: usize = 16 * 1024;"),
        ("| a JWK set | 256 KiB;", "user-sources/src/keys/fetcher.rs", "MOST_BYTES: usize = 256 * 1024;"),
        ("RSA keys of 2048 to 8192 bits", "users/src/jwks/key.rs", "= 2048..=8192;"),
        ("| a userinfo response | 64 KiB |", "user-sources/src/userinfo.rs", "MOST_BYTES: usize = 64 * 1024;"),
        ("| 32 levels;", "users/src/json.rs", "MOST_NESTED: usize = 32;"),
        ("| 3 s |", "user-sources/src/client.rs", "CONNECT_TIMEOUT: Duration = Duration::from_secs(3);"),
        ("| a fetch of keys | 5 s |", "user-sources/src/keys.rs", "fetch: Duration::from_secs(5),"),
        ("| 1.5 s |", "user-sources/src/keys.rs", "wait: Duration::from_millis(1500),"),
        ("at least 1 and at most 60 minutes", "user-sources/src/keys.rs", "fresh: (minutes(1), minutes(60)),"),
        ("they stay fresh for 10 minutes", "user-sources/src/keys.rs", "fresh_by_default: minutes(10),"),
        ("at most once every 10 seconds", "user-sources/src/keys.rs", "cooldown: Duration::from_secs(10),"),
        ("up to 30 seconds.", "user-sources/src/keys.rs", "longest_retry: Duration::from_secs(30),"),
        ("| 64 at once, and 1024 including", "user-sources/src/userinfo.rs", "MOST_AT_ONCE: usize = 64;"),
        ("| 16 MiB of tokens |", "user-sources/src/tokens.rs", "MOST_REMEMBERED: u64 = 16 * 1024 * 1024;"),
        ("| 10,000, and", "user-sources/src/userinfo.rs", "MOST_KEPT: usize = 10_000;"),
        ("and 16 MiB of responses |", "user-sources/src/userinfo.rs", "MOST_KEPT_BYTES: u64 = 16 * 1024 * 1024;"),
        ("`identity-header-limit` (default 4096)", "users/src/identity.rs", "LIMIT: usize = 4096;"),
    ],
)
def test_limits_on_the_page_are_those_of_the_program(words, file, constant):
    assert words in TEXT
    assert constant in (ROOT / "crates" / file).read_text()
