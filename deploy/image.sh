#!/usr/bin/env bash
# Builds the container image with docker, podman or buildah, whichever works.
# IMAGE sets its name (default keygate:VERSION), BUILDER the builder. `make image` calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
image=${IMAGE:-keygate:$version}

# A client without a running service cannot build.
can_build() {
    command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1
}

if [ -z "${BUILDER:-}" ]; then
    for builder in docker podman buildah; do
        can_build "$builder" && BUILDER=$builder && break
    done
fi
case ${BUILDER:-} in
docker) docker build --file deploy/Dockerfile --tag "$image" . ;;
# The OCI format does not support health checks.
podman | buildah) "$BUILDER" build --format docker --file deploy/Dockerfile --tag "$image" . ;;
*)
    echo 'error: the image needs a running docker, podman or buildah' >&2
    exit 1
    ;;
esac
printf 'built %s\n' "$image"
