#!/usr/bin/env bash
# nginx as the reader has it: it is running already, so the first reload starts it. A reload ends when the new workers
# are there.
set -euo pipefail
PATH=${PATH#*:}

if [ "$*" != '-s reload' ]; then
    exec nginx "$@"
elif [ ! -s /run/nginx.pid ]; then
    exec nginx -e /var/log/nginx/error.log
fi
master=$(cat /run/nginx.pid)
former=$(cat "/proc/$master/task/$master/children")
nginx -s reload
for worker in $former; do
    for _ in {1..100}; do
        [[ $(tr '\0' ' ' 2>/dev/null </proc/"$worker"/cmdline) == *'worker process '* ]] || break
        [[ $(tr '\0' ' ' 2>/dev/null </proc/"$worker"/cmdline) != *'shutting down'* ]] || break
        sleep 0.05
    done
done
