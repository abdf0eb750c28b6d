#!/bin/sh
# Start Pillarbox on this machine: make what is missing, show the settings card, serve.
#
#   PILLARBOX_DATA             the data folder (default: ./data)
#   PILLARBOX_FIRST_ACCOUNT    the address of the first account, at the first start
set -eu
cd "$(dirname "$0")/.."
data=${PILLARBOX_DATA:-data}
scripts/venv.sh server
.venv/bin/python -m pillarbox.first_start "$data"
exec .venv/bin/pillarbox serve --config "$data/pillarbox.toml"
