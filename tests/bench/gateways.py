"""Configurations of the gateways: one worker each, no access log, connections kept alive."""

import json

import traffic

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    map_hash_bucket_size 128;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""

# To the backend, the same in every nginx.
TO_BACKEND = """
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_set_header host $host;
"""


def nginx(folder, http):
    return NGINX.format(folder=folder, http=http)


def upstream(name, address):
    return f"    upstream {name} {{ server {address}; keepalive 128; keepalive_requests 1000000; }}\n"


def proxy(port, backend, location, server="", http=""):
    """nginx in front of the backend, with a variant's lines at each level."""
    return f"""{upstream("backend", f"127.0.0.1:{backend}")}{http}
    server {{
        listen 127.0.0.1:{port};
{server}
        location / {{
{location}{TO_BACKEND}        }}
    }}
"""


def fixed_response(listen, headers):
    """An nginx that sends the same empty response to every request: the minimum for a service."""
    lines = "".join(f'add_header {name} "{value}"; ' for name, value in headers.items())
    return f'    server {{ listen {listen}; location / {{ {lines}return 200 ""; }} }}\n'


BACKEND = """    server {{
        listen 127.0.0.1:{port};
        location / {{ add_header seen-client-type $http_client_type; return 200 "ok\\n"; }}
    }}
"""


# A typical configuration of auth_request.
AUTH_REQUEST_LOCATION = """
            auth_request /_auth;
            auth_request_set $client_type $upstream_http_client_type;
            proxy_set_header client-type $client_type;
"""


def authorization_location(name, address, extra=""):
    return f"""
        location = {name} {{
            internal;
            proxy_pass {address};
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_pass_request_body off;
            proxy_set_header content-length "";
            proxy_set_header original-request-uri $request_uri;
            proxy_set_header original-request-method $request_method;
            proxy_set_header original-request-host $host;
            {extra}
        }}
"""


# Tuning as in docs/speed.md: the lines of the includes, and their replacements.
NEEDED_HEADERS = (
    "proxy_pass_request_headers on;",
    """proxy_pass_request_headers off;
    proxy_set_header client-key $http_client_key;
    proxy_set_header secret $http_secret;
    proxy_set_header cookie $http_cookie;
    proxy_set_header origin $http_origin;
    proxy_set_header access-control-request-method $http_access_control_request_method;
    proxy_set_header traceparent $http_traceparent;""",
)
DECISION_CACHE = (
    "proxy_cache off;",
    """proxy_cache keygate_decisions;
    proxy_cache_key "$request_method $host $request_uri $keygate_isbackoffice|$http_client_key|$http_secret|$http_cookie";
    proxy_cache_valid 200 1s;""",
)


def cache_path(folder):
    return f"    proxy_cache_path {folder} keys_zone=keygate_decisions:10m inactive=10s use_temp_path=off;\n"


def nginx_map():
    """nginx alone: a map from key to client type, and the allowed client types of each endpoint."""
    keys = "".join(
        f'        "{traffic.key(number)}" {traffic.client_type(number)};\n' for number in range(traffic.KEYS)
    )
    http = f'    map $http_client_key $client_type {{\n        default "";\n{keys}    }}\n'
    locations = ""
    for endpoint in range(traffic.ENDPOINTS):
        locations += f"""
        location {traffic.prefix(endpoint)}/ {{
            if ($client_type !~ ^({"|".join(traffic.allowed(endpoint))})$) {{ return 403; }}
            proxy_set_header client-type $client_type;
            proxy_set_header client-key "";
{TO_BACKEND}        }}
"""
    return http, locations


def haproxy(folder, port, backend):
    keys = [f"{traffic.key(number)} {traffic.client_type(number)}" for number in range(traffic.KEYS)]
    (folder / "keys.map").write_text("\n".join(keys) + "\n")
    pairs = [
        f"{name}:{traffic.prefix(endpoint)[1:]}"
        for endpoint in range(traffic.ENDPOINTS)
        for name in traffic.allowed(endpoint)
    ]
    (folder / "allowed.lst").write_text("\n".join(pairs) + "\n")
    return f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend in
    bind 127.0.0.1:{port}
    http-request set-var(txn.client) req.hdr(client-key),map({folder}/keys.map)
    http-request deny deny_status 401 unless {{ var(txn.client) -m found }}
    http-request set-var(txn.endpoint) path,field(2,/)
    http-request deny deny_status 403 unless {{ var(txn.client),concat(:,txn.endpoint) -f {folder}/allowed.lst }}
    http-request set-header client-type %[var(txn.client)]
    http-request del-header client-key
    default_backend out
backend out
    server backend 127.0.0.1:{backend}
"""


def envoy(port, backend, filters=(), routes=None, clusters=()):
    """Envoy in front of the backend, configured in JSON, which is valid YAML."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "HTTP1",
        "normalize_path": True,
        "merge_slashes": True,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": routes or [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                }
            ]
        },
        "http_filters": [
            *filters,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    return json.dumps({
        "static_resources": {
            "listeners": [{
                "address": socket_address(port),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
                }]}],
            }],
            "clusters": [cluster("backend", backend), *clusters],
        }
    })  # fmt: skip


def socket_address(port):
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}["address"]


def cluster(name, port):
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(port)}}]}],
        },
    }


API_KEY_AUTH = "envoy.filters.http.api_key_auth"
RBAC = "envoy.filters.http.rbac"
RBAC_TYPE = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3."


def envoy_keys_and_rules():
    """Envoy alone: api_key_auth identifies the client, and each route has the RBAC rule of its endpoint."""
    filters = [
        {
            "name": API_KEY_AUTH,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
                "credentials": [
                    {"key": traffic.key(number), "client": traffic.client_type(number)}
                    for number in range(traffic.KEYS)
                ],
                "key_sources": [{"header": "client-key"}],
                "forwarding": {"header": "client-type", "hide_credentials": True},
            },
        },
        {"name": RBAC, "typed_config": {"@type": RBAC_TYPE + "RBAC", "rules": {"action": "ALLOW", "policies": {}}}},
    ]

    def rule(endpoint):
        principals = [
            {"header": {"name": "client-type", "string_match": {"exact": name}}}
            for name in traffic.allowed(endpoint)
        ]
        policy = {"permissions": [{"any": True}], "principals": principals}
        return {"rules": {"action": "ALLOW", "policies": {"clients": policy}}}

    routes = [
        {
            "match": {"path_separated_prefix": traffic.prefix(endpoint)},
            "route": {"cluster": "backend"},
            "typed_per_filter_config": {RBAC: {"@type": RBAC_TYPE + "RBACPerRoute", "rbac": rule(endpoint)}},
        }
        for endpoint in range(traffic.ENDPOINTS)
    ]
    return filters, routes
