#!/usr/bin/env python3
"""`framerill trickle serve` under load, beside a bare relay in the same run and the Go server's numbers.

    benches/trickle.py [--seconds 12] [--json]

The loads, the generator and the relay are those of `framerill bench trickle`; `docs/benchmarks.md` has the method.
Judged is the CPU in that of the bare relay (at most 2 ×), and that no write comes late at 800 channels. The absolute
figures stand beside what a busy Go server took on such a machine and what this server is to reach on it. Exit code 1
when a judged number misses.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMERILL = ROOT / "target/release/framerill"
MOST_CPU_TO_RELAY = 2.0

# Load, what is measured, key of the report, unit, the Go server's, to reach.
FIGURES = [
    ("200 channels", "server CPU a write", "cpu_us_a_write", "µs", "65", 33),
    ("200 channels", "resident memory", "memory_mb", "MB", "204", 85),
    ("200 channels", "write to read p50", "write_to_read_p50_ms", "ms", "0.30", 0.25),
    (
        "200 channels",
        "write to read p99",
        "write_to_read_p99_ms",
        "ms",
        "1.4 to 2.9",
        1.0,
    ),
    (
        "50 segments a second",
        "first byte p50",
        "first_byte_p50_ms",
        "ms",
        "0.33",
        0.25,
    ),
    ("50 segments a second", "first byte p99", "first_byte_p99_ms", "ms", "0.81", 0.6),
    ("64 readers", "write to read p50", "write_to_read_p50_ms", "ms", "1.75", 1.3),
    ("bulk, 1 reader", "server CPU a GB", "cpu_s_a_gb", "s", "0.78", 0.6),
    ("bulk, 8 readers", "server CPU a GB", "cpu_s_a_gb", "s", "0.34", 0.34),
    ("bulk, 64 readers", "server CPU a GB", "cpu_s_a_gb", "s", "0.27", 0.27),
    ("bulk, 64 readers", "resident memory", "memory_mb", "MB", "145 to 174", 110),
    ("800 channels", "late writes", "late_writes", "", "overloaded", 0),
]


def measured(seconds):
    """The rows of `framerill bench trickle`, by the name of their load."""
    out = subprocess.run(
        [FRAMERILL, "bench", "trickle", "--json", "--seconds", str(seconds)],
        check=True,
        stdout=subprocess.PIPE,
    )
    return {row["name"]: row for row in json.loads(out.stdout)["rows"]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=12, help="of each load")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    rows = measured(args.seconds)
    judged = {
        f"{name}, CPU to the bare relay's": (
            row["cpu_to_relay"],
            row["cpu_to_relay"] <= MOST_CPU_TO_RELAY,
        )
        for name, row in rows.items()
    }
    late = rows["800 channels"]["late_writes"]
    judged["800 channels, late writes"] = (late, late == 0)

    if args.json:
        print(json.dumps(list(rows.values()), indent=2))
    else:
        for what, (value, ok) in judged.items():
            limit = 0 if "late" in what else MOST_CPU_TO_RELAY
            print(f"{what:<46} {value:>7.2f} ≤ {limit:<4} {'ok' if ok else 'MISSED'}")
        print(
            f"\n{'absolute, for comparison':<46} {'here':>9} {'relay':>9} {'Go':>12} {'to reach':>9}"
        )
        for load, what, key, unit, go, target in FIGURES:
            name = f"{load}, {what}" + (f" ({unit})" if unit else "")
            row = rows[load]
            here, relay = row[key], row["relay"][key]
            print(f"{name:<46} {here:>9.2f} {relay:>9.2f} {go:>12} {target:>9}")
    return 0 if all(ok for _, ok in judged.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
