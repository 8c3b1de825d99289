#!/usr/bin/env python3
"""Stands for the program `framerill`: writes down how it was started, and ends, or waits for a signal."""

import json
import os
import signal
import sys

told = os.environ["FAKE"]
kept = ("HOST", "FRAMERILL_DEFAULT_HOST", "PORT", "FRAMERILL_PYTHON", "MODEL_ID")
with open(told, "a", encoding="utf-8") as file:
    file.write(json.dumps({"argv": sys.argv[1:], "env": {k: os.environ[k] for k in kept if k in os.environ}}) + "\n")
code = int(os.environ.get("FAKE_EXIT", "0"))
if os.environ.get("FAKE_WAITS"):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if os.environ.get("FAKE_GIVES_UP"):
        is_killed = os.environ["FAKE_GIVES_UP"] == "killed"
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL) if is_killed else os._exit(7))
        signal.setitimer(signal.ITIMER_REAL, 1.0)
    print(json.dumps({"event": "listening", "url": "http://127.0.0.1:9"}), flush=True)
    signal.pause()
sys.exit(code)
