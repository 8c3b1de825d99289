#!/usr/bin/env bash
# Installs what building and testing need on Debian 12: system packages, Python packages into .venv, cargo's tools.
# Does nothing that is done already. Without root it prints the one command that an administrator has to run.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  ca-certificates clang ffmpeg fonts-dejavu-core gcc git libavcodec-dev libavdevice-dev libavfilter-dev libavformat-dev
  libavutil-dev libc6-dev libclang-dev libswresample-dev libswscale-dev make nasm pkg-config procps python3 python3-venv util-linux
)

# What tests need beside them.
test_packages=(postgresql)
[ "${1:-}" != tools ] || packages+=("${test_packages[@]}")

fail() {
  echo "setup: $*" >&2
  exit 3
}

system_packages() {
  command -v dpkg-query >/dev/null || fail "this is not Debian: install FFmpeg 5.1 or newer with its headers, clang, pkg-config, Python 3.10 or newer with venv, then set SKIP_APT=1"
  local missing=() package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup: packages are missing. An administrator has to run, once:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 3
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A mirror that is being updated fails once; a second failure is a real one.
  apt-get update -q || {
    echo "setup: apt-get update failed; trying once more" >&2
    apt-get update -q || fail "apt-get update failed twice; look at the lines above, then run make again"
  }
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # Tests start servers of their own; the package would start one that nobody asked for.
    apt-get install -q -y --no-install-recommends postgresql-common \
      || fail "apt-get install failed; look at the lines above, then run make again"
    [ ! -e /etc/postgresql-common/createcluster.conf ] || sed -i -E 's/^#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  apt-get install -q -y --no-install-recommends "${missing[@]}" \
    || fail "apt-get install failed; look at the lines above, then run make again"
}

rust() {
  command -v cargo >/dev/null || fail "cargo is missing: install Rust 1.95 (https://rustup.rs)"
}

# A Python that can make virtual environments, 3.10 or newer.
find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.10 or newer with venv: install python3 and python3-venv"
}

python_packages() {
  local stamp=.venv/.setup wanted
  # The folder counts too: a virtual environment that was moved does not work.
  wanted=$({ pwd; cat python/framerill/requirements-dev.txt python/*/pyproject.toml scripts/setup.sh; } | sha256sum)
  [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  local python
  python=$(find_python)
  echo "setup: Python packages into .venv"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check -r python/framerill/requirements-dev.txt
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -e python/framerill -e python/ai-runner-base
  echo "$wanted" >"$stamp"
}

# What environments of the other Pythons here need in tests; without it those tests are skipped.
wheels_of_other_pythons() {
  local python version
  for python in python3.{10..14} "$HOME"/.pyenv/versions/3.*/bin/python3; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    [[ "$version" =~ ^3\.1[0-4]$ ]] && [ ! -e "target/wheels/.$version" ] || continue
    mkdir -p target/wheels
    .venv/bin/python -m pip download -q --disable-pip-version-check --only-binary :all: --python-version "$version" \
      -d target/wheels numpy 'pydantic>=2' && touch "target/wheels/.$version" ||
      echo "setup: no wheels for Python $version: tests of its environments are skipped"
  done
}

# cargo_tool NAME VERSION: into target/tools, unless some version is on the PATH or there already.
cargo_tool() {
  local name=$1 version=$2
  local have
  have=$("$name" --version 2>/dev/null || "target/tools/bin/$name" --version 2>/dev/null || true)
  [ -n "$have" ] && return
  echo "setup: building $name $version (once, some minutes)"
  # Lightly optimised it builds in a fraction of the time, and nobody waits for it to run.
  CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install -q --locked --root target/tools --version "$version" "$name"
}

[ -n "${SKIP_APT:-}" ] || system_packages
rust
python_packages
if [ "${1:-}" = tools ]; then
  wheels_of_other_pythons
  cargo_tool cargo-nextest 0.9.151
  cargo_tool cargo-deny 0.20.2
fi
