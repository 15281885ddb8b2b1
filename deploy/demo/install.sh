#!/usr/bin/env bash
# Installs a Debian package as root, or prints the command to run.
set -euo pipefail

package=$1
if ! command -v apt-get >/dev/null; then
    printf 'error: %s is missing: install it with the package manager of your system\n' "$package" >&2
    exit 1
elif [ "$(id -u)" -ne 0 ]; then
    printf "error: %s is missing: run \`sudo apt-get install %s\`\n" "$package" "$package" >&2
    exit 1
fi
printf '%s is missing: installing it with apt-get\n' "$package"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
