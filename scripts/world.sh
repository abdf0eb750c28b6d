#!/bin/sh
# Run the tests of tests/world in namespaces of their own: network, mounts and processes. All that
# they start, mount and name ends with them, and the machine keeps its own.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

is_root || fail "network namespaces need root." "make world, as root"
# Files for the while are in memory, and apart from those of others.
# shellcheck disable=SC2016
exec unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
    mount -t tmpfs tmpfs /tmp
    exec .venv/bin/pytest -m world -p no:randomly tests/world "$@"' world "$@"
