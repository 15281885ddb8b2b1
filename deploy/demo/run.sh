#!/usr/bin/env bash
# Runs the demo until Ctrl-C: resolver, authorizer, an echoing backend, and nginx or Envoy in front.
# `make run` and `make demo-envoy` build the programs and call it, the latter with GATEWAY=envoy. The
# environment sets the ports: PORT (of the gateway), RESOLVER_PORT, AUTHORIZER_PORT,
# RESOLVER_OPERATIONS_PORT, AUTHORIZER_OPERATIONS_PORT, BACKEND_PORT, and with Envoy RESOLVER_GRPC_PORT and
# AUTHORIZER_GRPC_PORT. NGINX and ENVOY name other programs, DEMO_PROGRAMS another build.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=${DEMO_PROGRAMS:-$root/target/debug}

gateway=${GATEWAY:-nginx}

PORT=${PORT:-8080}
RESOLVER_PORT=${RESOLVER_PORT:-7081}
AUTHORIZER_PORT=${AUTHORIZER_PORT:-7082}
RESOLVER_OPERATIONS_PORT=${RESOLVER_OPERATIONS_PORT:-7091}
AUTHORIZER_OPERATIONS_PORT=${AUTHORIZER_OPERATIONS_PORT:-7092}
BACKEND_PORT=${BACKEND_PORT:-9000}
RESOLVER_GRPC_PORT=${RESOLVER_GRPC_PORT:-7084}
AUTHORIZER_GRPC_PORT=${AUTHORIZER_GRPC_PORT:-7085}
ports=(PORT RESOLVER_PORT AUTHORIZER_PORT RESOLVER_OPERATIONS_PORT AUTHORIZER_OPERATIONS_PORT BACKEND_PORT)

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

find_nginx() {
    # On Debian, /usr/sbin is not in the path of ordinary users.
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "${NGINX:-nginx}"
}

is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

check_ports() {
    local name
    for name in "${ports[@]}"; do
        if is_taken "${!name}"; then
            fail "port ${!name} is in use; choose another, e.g. \`make $target $name=$((${!name} + 1))\`"
        fi
    done
}

# Copies the includes into nginx's directory, with the ports of this run.
write_nginx_configuration() {
    mkdir "$run/temp"
    cp "$root"/nginx/*.conf "$run"
    sed -i \
        -e "s/127\.0\.0\.1:8080;/127.0.0.1:$PORT;/" \
        -e "s/127\.0\.0\.1:9000;/127.0.0.1:$BACKEND_PORT;/" \
        -e "s/127\.0\.0\.1:7081 /127.0.0.1:$RESOLVER_PORT /" \
        -e "s/127\.0\.0\.1:7082 /127.0.0.1:$AUTHORIZER_PORT /" \
        "$run/nginx.conf" "$run/keygate.conf"
}

# Copies Envoy's example, with the ports of this run.
write_envoy_configuration() {
    sed \
        -e "s/port_value: 8080 /port_value: $PORT /" \
        -e "s/port_value: 9000 /port_value: $BACKEND_PORT /" \
        -e "s/port_value: 7084 /port_value: $RESOLVER_GRPC_PORT /" \
        -e "s/port_value: 7085 /port_value: $AUTHORIZER_GRPC_PORT /" \
        "$root/deploy/envoy/grpc-pair.yaml" >"$run/envoy.yaml"
}

# Starts a program in the background, with a name for messages, and waits until it listens.
start() {
    local name=$1 port=$2
    shift 2
    "$@" &
    children[$!]=$name
    for _ in $(seq 100); do
        is_taken "$port" && return
        kill -0 $! 2>/dev/null || fail "$name did not start"
        sleep 0.1
    done
    fail "$name does not listen on port $port"
}

# shellcheck disable=SC2329 # the traps below call it
stop() {
    trap - EXIT INT TERM
    local child
    for child in "${!children[@]}"; do
        kill -TERM "$child" 2>/dev/null || true
    done
    wait
    rm -rf "$run"
}

case $gateway in
nginx)
    target=run
    find_nginx >/dev/null || "$root/deploy/demo/install.sh" nginx
    nginx=$(find_nginx) || fail "${NGINX:-nginx} is not on the path"
    ;;
envoy)
    target=demo-envoy
    envoy=${ENVOY:-$root/target/tools/gateways/envoy/_bin/envoy}
    [ -x "$envoy" ] || fail "$envoy is missing: \`make demo-envoy\` installs it"
    ports+=(RESOLVER_GRPC_PORT AUTHORIZER_GRPC_PORT)
    ;;
*) fail "GATEWAY is \`$gateway\`, not nginx or envoy" ;;
esac
for program in "$programs/keygate" "$programs/examples/demo_backend"; do
    [ -x "$program" ] || fail "$program is missing: \`make $target\` builds it"
done
check_ports

declare -A children=()
run=$(mktemp -d "${TMPDIR:-/tmp}/keygate-demo.XXXXXX")
trap 'stop; printf "\nstopped\n"; exit 0' INT TERM
trap stop EXIT
# nginx's workers are another user if its master is root.
chmod 755 "$run"
resolver_grpc=() authorizer_grpc=()
case $gateway in
nginx) write_nginx_configuration ;;
envoy)
    write_envoy_configuration
    resolver_grpc=(--grpc-listen "127.0.0.1:$RESOLVER_GRPC_PORT")
    authorizer_grpc=(--grpc-listen "127.0.0.1:$AUTHORIZER_GRPC_PORT")
    ;;
esac

export KEYGATE_LOG_FORMAT=${KEYGATE_LOG_FORMAT:-text}
start backend "$BACKEND_PORT" "$programs/examples/demo_backend" "127.0.0.1:$BACKEND_PORT"
start resolver "$RESOLVER_PORT" "$programs/keygate" resolver --keys "$root/deploy/demo/keys.yaml" \
    --listen "127.0.0.1:$RESOLVER_PORT" --operations "127.0.0.1:$RESOLVER_OPERATIONS_PORT" \
    "${resolver_grpc[@]}"
start authorizer "$AUTHORIZER_PORT" "$programs/keygate" authorizer \
    --policy "$root/deploy/demo/policy.yaml" \
    --listen "127.0.0.1:$AUTHORIZER_PORT" --operations "127.0.0.1:$AUTHORIZER_OPERATIONS_PORT" \
    "${authorizer_grpc[@]}"
case $gateway in
nginx) start nginx "$PORT" "$nginx" -p "$run" -c nginx.conf -e "$run/error.log" -g 'daemon off;' ;;
envoy) start Envoy "$PORT" "$envoy" --disable-hot-restart --log-level warning -c "$run/envoy.yaml" ;;
esac

cat <<TEXT

Keygate is running. $gateway listens on port $PORT, and sends an authorization request to Keygate for each client
request. In another terminal, try:

  curl -i http://127.0.0.1:$PORT/orders -H 'client-key: demo-key-of-client-a'
    200: client A is allowed, and the backend receives \`client-type\` but no key

  curl -i http://127.0.0.1:$PORT/orders -H 'client-key: demo-key-of-client-c'
    403: client C is denied, and the reason is \`expression-false\`

  curl -i http://127.0.0.1:$PORT/orders -H 'client-key: demo-key-of-nobody'
    401: the key is not in the keys file, and the reason is \`unknown-key\`

The policy is in deploy/demo/policy.yaml, and the keys are in deploy/demo/keys.yaml. Press Ctrl-C to stop the demo.

TEXT

# If one program exits, the demo ends.
ended=0
wait -n -p ended || true
fail "${children[$ended]} exited unexpectedly"
