#!/usr/bin/env bash
# The shell of one page, inside its namespaces: `enter.sh FOLDER STATUS`. It reads commands from standard input, each
# with a NUL at its end; their output goes to FOLDER/output, and their exit codes to STATUS. Nothing that it changes in
# /etc or /run is visible outside.
set -euo pipefail
folder=$1
exec 3>"$2"

python3 - <<'PYTHON'
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
PYTHON

# /etc: files are copied, folders are links to the machine's, but nginx's is a copy without sites.
mkdir "$folder/etc"
mount --rbind /etc "$folder/etc"
mount -t tmpfs tmpfs /etc
for entry in "$folder"/etc/*; do
    if [ -d "$entry" ] && [ "${entry##*/}" != nginx ]; then
        ln -s "$entry" /etc/
    else
        cp -r "$entry" /etc/ 2>/dev/null || true
    fi
done
rm -f /etc/nginx/sites-enabled/*
mkdir -p /etc/keygate

mount -t tmpfs tmpfs /run
mkdir -p /run/keygate /run/lock
for path in /var/log/nginx /var/lib/nginx; do
    mount -t tmpfs tmpfs "$path"
done

set +euo pipefail
while IFS= read -r -d '' REPLY; do
    eval "$REPLY" </dev/null >"$1/output" 2>&1 3>&-
    echo $? >&3
done
