#!/bin/sh
# Installs what WHEELS holds, a folder that whoever starts the container mounts. It needs no index.
set -eu
exec uv pip install --no-index --find-links "${WHEELS:-/wheels}" my-pipeline
