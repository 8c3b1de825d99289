#!/usr/bin/env bash
# try-wheel.sh FOLDER: installs the wheels of the folder into a fresh virtual environment, and runs what they bring. What they
# need comes from the environment of development, so that no index is asked.
set -euo pipefail
[ $# = 1 ] || {
  echo "usage: scripts/try-wheel.sh FOLDER" >&2
  exit 2
}
wheels=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
python=${FRAMERILL_PYTHON:-$(pwd)/.venv/bin/python}
tried=$(mktemp -d)
trap 'rm -rf "$tried"' EXIT

"$python" tests/packages/packer.py <<<"{\"out\": \"$tried/index\", \"repack\": [\"numpy\", \"pydantic\"]}"
"$python" -m venv "$tried/venv"
"$tried/venv/bin/python" -m pip install -q --disable-pip-version-check --no-index --find-links "$tried/index" "$wheels"/*.whl

# Nothing of this clone is near: neither its Python nor its programs.
cd "$tried"
export PATH="$tried/venv/bin:/usr/bin:/bin"
unset FRAMERILL_PYTHON FRAMERILL_MEDIA PYTHONPATH VIRTUAL_ENV
framerill --version
python -c 'import framerill; print("framerill", framerill.__version__, "for authors")'
cat >mirror.py <<'END'
from framerill import Pipeline, VideoFrame


class Mirror(Pipeline):
    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(frame.pixels[:, ::-1])
END
framerill run lavfi:testsrc2=size=128x96:rate=12:duration=1 --pipeline ./mirror.py --quiet -o mirrored.mp4
[ -s mirrored.mp4 ]
framerill doctor
