"""Imports a file and runs each pipeline that it defines on eight pictures: `exercise.py FILE`."""

import importlib.util
import sys
from pathlib import Path

import framerill
from framerill import testing

# What a document may use and a machine need not have.
OPTIONAL = ("torch",)
SKIPPED = 77


def main(path: Path) -> int:
    """Ends with 77, and a line that says why, where a package that documents may use is not here."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        for made in vars(module).values():
            is_class = isinstance(made, type) and issubclass(made, framerill.Pipeline)
            if is_class and made.__module__ == path.stem:
                answers = testing.run(made, testing.clip(frames=8, size=(64, 48)))
                assert answers.frames or answers.skipped, f"{made.__name__} answers nothing"
                print(f"ran {made.__name__}")
    except ImportError as error:
        if error.name not in OPTIONAL:
            raise
        print(f"{error.name} is not installed")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
