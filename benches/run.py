#!/usr/bin/env python3
"""`framerill run` beside FFmpeg's own command line, measured in one run: speed, CPU, memory, start-up.

    benches/run.py [--frames 600] [--rounds 3] [--json]

Ratios are taken pair by pair, the two commands in turn, so that they hold when the machine's speed drifts.
CPU is user + system time of the whole process tree, from the kernel (wait4). Memory is the PSS of the whole tree
at its peak, shared frames (the memfd pools) apart. Exit code 1 when a number misses its row in SPECIFICATION.md.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMERILL = ROOT / "target/release/framerill"
PYTHON = ROOT / ".venv/bin/python"
INVERT = ROOT / "examples/invert-numpy/invert.py"

# FFmpeg's command line for the same decode, crop, scale, rgb24, encode.
FFMPEG = [
    "ffmpeg",
    "-v",
    "error",
    "-y",
    "-i",
    "{input}",
    "-vf",
    "crop=720:720,scale=512:512,format=rgb24",
    "-c:v",
    "libx264",
    "-preset",
    "superfast",
    "-crf",
    "20",
    "-an",
    "{output}",
]


def make_clip(path, frames, size="1280x720"):
    graph = f"testsrc2=size={size}:rate=30:duration={frames / 30},noise=alls=12:allf=t,format=yuv420p"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", graph]
    subprocess.run(
        [*command, "-c:v", "libx264", "-preset", "fast", str(path)], check=True
    )


def measure(command):
    """Wall and CPU seconds of a command and everything it waited for."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{error.decode()}")
    return wall, usage.ru_utime + usage.ru_stime


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as children:
                    found.extend(int(it) for it in children.read().split())
        except OSError:
            pass
    return found


def pss(pid):
    """PSS in KiB without the frame pools, and the pools' own."""
    own = pools = 0
    try:
        with open(f"/proc/{pid}/smaps") as smaps:
            in_pool = False
            for line in smaps:
                if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
                    in_pool = "memfd:framerill" in line
                elif line.startswith("Pss:"):
                    kib = int(line.split()[1])
                    pools, own = (pools + kib, own) if in_pool else (pools, own + kib)
    except OSError:
        pass
    return own, pools


def peak_memory(command):
    """The largest PSS of the tree in MB, pools apart."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = peak_pools = 0
    while child.poll() is None:
        sums = [pss(pid) for pid in tree(child.pid)]
        peak = max(peak, sum(own for own, _ in sums))
        peak_pools = max(peak_pools, sum(pools for _, pools in sums))
        time.sleep(0.05)
    return peak / 1000 * 1.024, peak_pools / 1000 * 1.024


def framerill(source, output, pipeline, *more):
    return [
        FRAMERILL,
        "run",
        source,
        "--pipeline",
        pipeline,
        "--size",
        "512x512",
        "--quiet",
        "-o",
        output,
        *more,
    ]


def start_up():
    """Median ms of `--version`, and of a bare Python with numpy and pydantic."""

    def median(command):
        return 1000 * statistics.median(measure(command)[0] for _ in range(9))

    return median([FRAMERILL, "--version"]), median(
        [PYTHON, "-c", "import numpy, pydantic"]
    )


def link():
    out = subprocess.run(
        [FRAMERILL, "bench", "link", "--json"], check=True, capture_output=True
    )
    return {row["name"]: row for row in json.loads(out.stdout)["rows"]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    rows = []

    def row(what, value, budget, unit="", at_most=True):
        rows.append(
            {
                "what": what,
                "value": round(value, 2),
                "budget": budget,
                "unit": unit,
                "ok": value <= budget if at_most else value >= budget,
                "at_most": at_most,
            }
        )

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        clip = folder / "clip.mp4"
        make_clip(clip, args.frames)
        speeds, cpus = [], []
        for _ in range(args.rounds):
            peer = [it.format(input=clip, output=folder / "peer.mp4") for it in FFMPEG]
            peer_wall, peer_cpu = measure(peer)
            wall, cpu = measure(framerill(clip, folder / "ours.mp4", "noop"))
            speeds.append(peer_wall / wall)
            cpus.append(cpu / peer_cpu)
            print(
                f"  ffmpeg {peer_wall:.2f} s wall {peer_cpu:.2f} s CPU · framerill {wall:.2f} s wall {cpu:.2f} s CPU",
                file=sys.stderr,
            )
        row(
            "run noop, speed to FFmpeg's",
            statistics.median(speeds),
            0.9,
            "×",
            at_most=False,
        )
        row("run noop, CPU to FFmpeg's", statistics.median(cpus), 1.2, "×")

        rust, pools = peak_memory(framerill(clip, folder / "ours.mp4", "noop"))
        python, _ = peak_memory(framerill(clip, folder / "ours.mp4", INVERT))
        row("memory, Rust worker", rust, 90, "MB")
        row("memory, Python worker", python, 150, "MB")
        print(f"  shared frames {pools:.1f} MB", file=sys.stderr)

        small = "lavfi:testsrc2=size=320x240:rate=30:duration="
        one, _ = peak_memory(framerill(small + "60", folder / "a.mp4", "noop"))
        twenty, _ = peak_memory(framerill(small + "1200", folder / "b.mp4", "noop"))
        row("memory, 20 minutes to 1 minute", twenty / one, 1.05, "×")

    version, bare_python = start_up()
    row("framerill --version", version, 20, "ms")
    rows_of_link = link()
    rust_noop, python_noop = (
        rows_of_link["rust worker, noop"],
        rows_of_link["python worker, noop"],
    )
    row("worker ready, Rust", rust_noop["ready_ms"], 50, "ms")
    row(
        "worker ready, Python, above bare",
        python_noop["ready_ms"] - bare_python,
        150,
        "ms",
    )
    row(
        "frame link p50, Rust invert",
        rows_of_link["rust worker, invert"]["p50_us"],
        40,
        "µs",
    )
    row(
        "frame link p50, Python invert",
        rows_of_link["python worker, invert"]["p50_us"],
        90,
        "µs",
    )
    row("frame link p99 to ping-pong, Rust", rust_noop["p99_to_pingpong"], 2, "×")
    row("frame link p99 to ping-pong, Python", python_noop["p99_to_pingpong"], 2, "×")

    if args.json:
        print(json.dumps({"rows": rows}, indent=2, ensure_ascii=False))
    else:
        for it in rows:
            sign = "≤" if it["at_most"] else "≥"
            mark = "ok" if it["ok"] else "MISSED"
            print(
                f"{it['what']:<40} {it['value']:>9} {it['unit']:<3} {sign} {it['budget']:<6} {mark}"
            )
    return 0 if all(it["ok"] for it in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
