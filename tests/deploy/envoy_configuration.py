"""The configuration of Envoy that Envoy Gateway, Istio and others make of the objects that the examples use."""

import re
from copy import deepcopy

EXTENSIONS = "type.googleapis.com/envoy.extensions"
EXT_AUTHZ = "envoy.filters.http.ext_authz"


def configuration(example, port, backend):
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route(example)]}]},
    }
    if (policy := example.named("ClientTrafficPolicy")) is not None:
        merge(manager, client_traffic(policy["spec"]))
    authorization = {"@type": f"{EXTENSIONS}.filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3"}
    merge(authorization, authorization_of(example))
    for patch in patches(example, EXT_AUTHZ):
        merge(authorization, patch)
    for patch in patches(example, None):
        merge(manager, patch)
    manager["http_filters"] = [
        {"name": EXT_AUTHZ, "typed_config": authorization},
        {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"}},
    ]
    listener = {
        "name": "http",
        "address": address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    keygate = cluster("keygate", 7084 if example.uses_grpc else 7080)
    if example.uses_grpc:
        keygate["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return {"static_resources": {"listeners": [listener], "clusters": [keygate, cluster("backend", backend)]}}


def merge(into, patch):
    """Merges as protobuf does, except that no list of the examples exists on both sides."""
    for name, value in deepcopy(patch).items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


def address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def cluster(name, port):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address("127.0.0.1", port)}}]}]
    return {"name": name, "connect_timeout": "1s", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def route(example):
    [rule] = example.named("HTTPRoute", "backend")["spec"]["rules"]
    removed = [
        name
        for entry in rule["filters"]
        if entry["type"] == "RequestHeaderModifier"
        for name in entry["requestHeaderModifier"]["remove"]
    ]
    return {"match": {"prefix": "/"}, "route": {"cluster": "backend"}, "request_headers_to_remove": removed}


def client_traffic(policy):
    """Translates a ClientTrafficPolicy."""
    removed = [{"remove": name} for name in policy["headers"]["earlyRequestHeaders"]["remove"]]
    mutation = {"@type": f"{EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation", "mutations": removed}
    return {
        "normalize_path": True,
        "merge_slashes": not policy["path"]["disableMergeSlashes"],
        "path_with_escaped_slashes_action": constant(policy["path"]["escapedSlashesAction"]),
        "common_http_protocol_options": {
            "headers_with_underscores_action": constant(policy["headers"]["withUnderscoresAction"])
        },
        "early_header_mutation_extensions": [
            {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": mutation}
        ],
    }


def constant(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def authorization_of(example):
    """Translates the SecurityPolicy, Istio's provider, or the HTTPRoute's filter."""
    if (policy := example.named("SecurityPolicy")) is not None:
        settings = policy["spec"]["extAuth"]
        http = settings.get("http", {})
        return ext_authz(
            settings["failOpen"], settings["timeout"], 403, http.get("path"),
            settings.get("headersToExtAuth"), http.get("headersToBackend"),
        )
    if example.providers:
        [(_, provider)] = [entry for entry in example.providers[0].items() if entry[0] != "name"]
        return ext_authz(
            provider["failOpen"], provider["timeout"], int(provider["statusOnError"]), provider.get("pathPrefix"),
            provider.get("includeRequestHeadersInCheck"), provider.get("headersToUpstreamOnAllow"),
            provider.get("headersToDownstreamOnDeny"),
        )
    http = example.named("HTTPRoute", "backend")["spec"]["rules"][0]["filters"][0]["externalAuth"]["http"]
    return ext_authz(False, "2s", 403, http["path"], http["allowedHeaders"], http["allowedResponseHeaders"])


def ext_authz(fail_open, timeout, status, path, sent, to_backend, to_client=None):
    settings = {"failure_mode_allow": fail_open, "status_on_error": {"code": status}}
    if path is None:
        return settings | {"grpc_service": {"timeout": timeout, "envoy_grpc": {"cluster_name": "keygate"}}}
    response = {"allowed_upstream_headers": names(to_backend)}
    if to_client:
        response["allowed_client_headers"] = names(to_client)
    service = {
        "server_uri": {"uri": "http://keygate", "cluster": "keygate", "timeout": timeout},
        "path_prefix": path,
        "authorization_response": response,
    }
    return settings | {"allowed_headers": names(sent), "http_service": service}


def names(list_of_names):
    return {"patterns": [{"exact": name, "ignore_case": True} for name in list_of_names]}


def patches(example, http_filter):
    """Yields what EnvoyFilters and EnvoyPatchPolicies change in an HTTP filter, or in the connection manager."""
    for entry in example.manifests.of_kind("EnvoyFilter"):
        for patch in entry["spec"]["configPatches"]:
            matched = patch["match"]["listener"]["filterChain"]["filter"].get("subFilter", {}).get("name")
            if matched == http_filter:
                yield patch["patch"]["value"]["typed_config"]
    for entry in example.manifests.of_kind("EnvoyPatchPolicy") if http_filter else []:
        for patch in entry["spec"]["jsonPatches"]:
            operation = patch["operation"]
            yield {operation["path"].removeprefix("/"): operation["value"]}
