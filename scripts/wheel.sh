#!/usr/bin/env bash
# wheel.sh FOLDER: builds the wheels into it: framerill, the Python package and both programs for the system that this runs on,
# and ai-runner-base. FRAMERILL_WHEEL_PROFILE=dev takes cargo's dev profile.
set -euo pipefail
[ $# = 1 ] || {
  echo "usage: scripts/wheel.sh FOLDER" >&2
  exit 2
}
mkdir -p "$1"
wheels=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

maturin=1.16.0
setuptools=80.9.0
profile=${FRAMERILL_WHEEL_PROFILE:-release}
target=$(pwd)/target
tools=$target/wheel/tools

[ "$("$tools/bin/maturin" --version 2>/dev/null)" = "maturin $maturin" ] || {
  "${PYTHON:-python3}" -m venv "$tools"
  "$tools/bin/python" -m pip install -q --disable-pip-version-check "maturin==$maturin" "setuptools==$setuptools"
}

cargo build --locked --profile "$profile" -p framerill-av --bin framerill-media
programs=$target/${profile/#dev/debug}
strip=()
[ "$profile" = dev ] || strip=(--strip)

# maturin takes the programs of one crate; the other one goes in as data, which pip puts beside it. It leaves out what git ignores,
# and so everything below target/.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
mkdir -p "$source/framerill.data/scripts" "$source/src"
sed "s#^manifest-path = \"\([^\"]*\)\".*#manifest-path = \"$(pwd)/\1\"#" deploy/wheel/pyproject.toml >"$source/pyproject.toml"
cp -r python/framerill/src/framerill "$source/src"
find "$source/src" -name __pycache__ -prune -exec rm -rf {} +
cp python/framerill/README.md LICENSE-APACHE LICENSE-MIT "$source"
cp crates/worker/src/filters/font/LICENSE "$source/LICENSE-font"
cp /usr/share/common-licenses/GPL-2 "$source/LICENSE-framerill-media"
install -m 755 "$programs/framerill-media" "$source/framerill.data/scripts"
[ "$profile" = dev ] || strip "$source/framerill.data/scripts/framerill-media"
(cd "$source" && "$tools/bin/maturin" build -q --locked --profile "$profile" "${strip[@]}" --target-dir "$target" --out "$wheels")

# setuptools builds where the sources lie.
cp -r python/ai-runner-base "$source/ai-runner-base"
"$tools/bin/python" -m pip wheel -q --no-deps --no-build-isolation -w "$wheels" "$source/ai-runner-base"
