#!/usr/bin/env python3
"""A live stream's cost, delay, memory and start, beside FFmpeg's own command line for the same clip in the same run.

    benches/live.py [--seconds 12] [--starts 1000] [--json]

The measurements are those of `framerill bench live`; `docs/benchmarks.md` has the method. Exit code 1 when a judged
number misses its budget. What this machine cannot measure is said on stderr and judged nowhere.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMERILL = ROOT / "target/release/framerill"
PYTHON = ROOT / ".venv/bin/python"


def measured(seconds, starts):
    """The report of `framerill bench live`."""
    command = [FRAMERILL, "bench", "live", "--json"]
    command += ["--seconds", str(seconds), "--starts", str(starts)]
    python = os.environ.get("FRAMERILL_PYTHON", str(PYTHON))
    out = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        env={**os.environ, "FRAMERILL_PYTHON": python},
    )
    # A missed number is an exit code of 1 too; a failure has no report.
    if out.returncode not in (0, 1) or not out.stdout:
        sys.exit(out.returncode or 1)
    return json.loads(out.stdout)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=12, help="of each stream")
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    report = measured(args.seconds, args.starts)
    rows = report["rows"]
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            budget, mark = "", ""
            if row["budget"] is not None:
                budget = f"≤ {row['budget']:<6g}"
                mark = "ok" if row["ok"] else "MISSED"
            print(
                f"{row['what']:<46} {row['value']:>9.2f} {row['unit']:<4} {budget} {mark}".rstrip()
            )
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
