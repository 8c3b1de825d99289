#!/usr/bin/env python3
"""What each way to write a Python pipeline costs a frame, and `noop` in Python beside Rust on the live path.

    benches/python.py [--frames 4000] [--seconds 12] [--json]

The measurements are those of `framerill bench python`; `docs/benchmarks.md` has the method. Exit code 1 when a judged
number misses its budget. What this machine cannot measure is said on stderr and judged nowhere.
"""

import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMERILL = ROOT / "target/release/framerill"
PYTHON = ROOT / ".venv/bin/python"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=4000, help="of each form")
    parser.add_argument("--seconds", type=int, default=12, help="of each stream")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    command = [FRAMERILL, "bench", "python"]
    command += ["--frames", str(args.frames), "--seconds", str(args.seconds)]
    command += ["--json"] if args.json else []
    python = os.environ.get("FRAMERILL_PYTHON", str(PYTHON))
    env = {**os.environ, "FRAMERILL_PYTHON": python}
    return subprocess.run(command, check=False, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
