"""Runs the proxy of an example: Traefik, nginx or Envoy, with a configuration made of the example's objects.

The controllers need a cluster and do not run here. Each function translates what the examples use as the
controller does; Services are on this machine.
"""

import re
import subprocess
import time
from contextlib import contextmanager

import yaml

from envoy_configuration import configuration
from manifests import ROOT
from pods import NGINX, get

GATEWAYS = ROOT / "target/tools/gateways"
PORT, BACKEND = 8080, 9000
PATIENCE = 10


class NotStarted(Exception):
    """The error for a proxy that ends, or that does not authorize requests in time."""


@contextmanager
def proxy(example, folder):
    """Runs the proxy, and yields when it authorizes requests."""
    command = PROXIES[example.name.partition("/")[0]](example, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        started = time.monotonic()
        while get(PORT, "/", host="api.example.com") not in (401, 403):
            if process.poll() is not None or time.monotonic() - started > PATIENCE:
                raise NotStarted((folder / "log").read_text())
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def local(text):
    """Replaces the name of Keygate's Service."""
    return text.replace("keygate-serve.keygate.svc.cluster.local", "127.0.0.1")


def traefik(example, folder):
    """Uses the file provider, whose middlewares have the fields of the custom resource."""
    middlewares = {entry["metadata"]["name"]: entry["spec"] for entry in example.manifests.of_kind("Middleware")}
    for spec in middlewares.values():
        if "chain" in spec:
            spec["chain"]["middlewares"] = [entry["name"] for entry in spec["chain"]["middlewares"]]
    [route] = example.named("IngressRoute", "backend")["spec"]["routes"]
    router = {
        "rule": route["match"],
        "middlewares": [entry["name"] for entry in route["middlewares"]],
        "service": "backend",
    }
    service = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{BACKEND}"}]}}
    routes = {"middlewares": middlewares, "routers": {"backend": router}, "services": {"backend": service}}
    (folder / "routes.yaml").write_text(local(yaml.safe_dump({"http": routes})))
    # The arguments that route.yaml documents; the middleware of the entry point is optional.
    documented = re.findall(r"^#   (--entryPoints\S+)", (example.folder / "route.yaml").read_text(), re.M)
    arguments = [argument for argument in documented if ".middlewares=" not in argument]
    assert len(arguments) == len(documented) - 1 == 2
    address = f"--entryPoints.web.address=127.0.0.1:{PORT}"
    return [GATEWAYS / "bin/traefik", address, *arguments, f"--providers.file.filename={folder / 'routes.yaml'}"]


NGINX_CONF = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    {http}
    server {{
        listen 127.0.0.1:{PORT};
        {server}
        location / {{
            {location}
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_pass http://127.0.0.1:{BACKEND};
        }}
    }}
}}
"""


def nginx(folder, **snippets):
    text = NGINX_CONF.format(folder=folder, PORT=PORT, BACKEND=BACKEND, **snippets)
    (folder / "nginx.conf").write_text(local(text))
    return [NGINX, "-e", "stderr", "-c", folder / "nginx.conf"]


def nginx_gateway_fabric(example, folder):
    """Puts each snippet into its context."""
    [rule] = example.named("HTTPRoute", "backend")["spec"]["rules"]
    texts = {"http": "", "http.server": "", "http.server.location": ""}
    for reference in rule["filters"]:
        snippets = example.named("SnippetsFilter", reference["extensionRef"]["name"])["spec"]["snippets"]
        for snippet in snippets:
            texts[snippet["context"]] += snippet["value"]
    return nginx(folder, http=texts["http"], server=texts["http.server"], location=texts["http.server.location"])


def ingress_nginx(example, folder):
    """Translates the annotations of external authentication."""
    prefix = "nginx.ingress.kubernetes.io/auth-"
    of = {
        name.removeprefix(prefix): value
        for name, value in example.named("Ingress", "backend")["metadata"]["annotations"].items()
    }
    headers = example.named("ConfigMap", of["proxy-set-headers"].rpartition("/")[2])["data"]
    sent = "\n".join(f'proxy_set_header "{name}" "{value}";' for name, value in headers.items())
    server = f"""
        location = /_external-auth {{
            internal;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_method {of["method"]};
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_http_version 1.1;
            {sent}
            set $target {of["url"]};
            proxy_pass $target;
        }}"""
    location = "auth_request /_external-auth;\n"
    for number, name in enumerate(of["response-headers"].split(",")):
        variable = name.replace("-", "_")
        location += f"auth_request_set $authHeader{number} $upstream_http_{variable};\n"
        location += f"proxy_set_header '{name}' $authHeader{number};\n"
    return nginx(folder, http="", server=server, location=location)


def envoy(example, folder):
    (folder / "envoy.yaml").write_text(local(yaml.safe_dump(configuration(example, PORT, BACKEND))))
    binary = GATEWAYS / "envoy/_bin/envoy"
    return [binary, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn", "-c", folder / "envoy.yaml"]


PROXIES = {
    "traefik": traefik,
    "nginx-gateway-fabric": nginx_gateway_fabric,
    "ingress-nginx": ingress_nginx,
    "envoy-gateway": envoy,
    "istio": envoy,
    "gateway-api": envoy,
}
