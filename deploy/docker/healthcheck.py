#!/usr/bin/env python3
"""Ends with 0 while `/health` in this container answers anything but ERROR, else with 1 and a line that says why."""

import http.client
import json
import os
import sys

TIMEOUT = 4.0


def main() -> int:
    """Asks once."""
    port = int(os.environ.get("FRAMERILL_PORT") or os.environ.get("PORT") or "8000")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        status = json.loads(answer.read(65536))["status"]
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        return told(f"no answer from port {port}: {error!r}")
    if answer.status != http.client.OK or status == "ERROR":
        return told(f"{answer.status} {status}")
    return 0


def told(reason: str) -> int:
    """Says why it is not well."""
    sys.stderr.write(f"healthcheck: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
