"""`python -m app.tools.prepare_models --pipeline NAME`: downloads and compiles what a pipeline needs."""

import sys

from ai_runner_base.prepare import command

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
