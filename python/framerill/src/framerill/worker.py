"""`python -m framerill.worker [TARGET]`: a worker process.

Speaks `schema/child-protocol.md` over descriptor 0, a connected unix socket; with `FRAMERILL_CONTROL_FD=N` over
descriptor N, and then 0 and 1 stay the terminal's. TARGET only names the process: `load` decides which pipeline runs.
"""

from __future__ import annotations

import sys

__all__: list[str] = []


def _main() -> None:
    import stat
    from os import environ, fstat

    if "FRAMERILL_CONTROL_FD" not in environ and not stat.S_ISSOCK(fstat(0).st_mode):
        sys.stderr.write(
            "framerill.worker: started by hand? It is framerill that starts it, with a socket as descriptor 0.\n"
            "To run a pipeline: framerill run clip.mp4 --pipeline ./mine.py\n"
        )
        sys.exit(2)
    from ._worker import main

    main(sys.argv)


if __name__ == "__main__":
    _main()
