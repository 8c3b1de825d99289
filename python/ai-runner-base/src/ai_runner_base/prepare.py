"""Prepare mode: downloads and compiles what a pipeline needs, and serves nothing."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from framerill import pipelines
from framerill.errors import TargetError

from .spec import PipelineSpec

__all__ = ["command", "is_asked", "prepare", "prepare_or_exit"]

FLAG = "--prepare-models"


def is_asked(env: Mapping[str, str] | None = None, argv: Sequence[str] | None = None) -> bool:
    """Whether `PREPARE_MODELS=1` is set, or `--prepare-models` is among the arguments."""
    env = os.environ if env is None else env
    argv = sys.argv[1:] if argv is None else argv
    return env.get("PREPARE_MODELS") == "1" or FLAG in argv


def prepare(pipeline: str | PipelineSpec) -> None:
    """Calls `prepare_models` of the pipeline that a spec, a path `package.module:Class` or an installed name means.

    Raises framerill's TargetError where there is none, and what the pipeline raises.
    """
    _say_where_models_lie()
    pipelines.prepare(pipeline.target() if isinstance(pipeline, PipelineSpec) else pipeline)


def _say_where_models_lie() -> None:
    # The same as a server's: what is fetched now is found there when it is served.
    told = os.environ.get("FRAMERILL_MODEL_DIR") or os.environ.get("MODEL_DIR")
    root = told or os.path.expanduser("~/.lpData/models")
    for name in ("MODEL_DIR", "HUGGINGFACE_HUB_CACHE", "DIFFUSERS_CACHE"):
        os.environ[name] = root if name == "MODEL_DIR" else os.environ.get(name) or root
    os.environ["HF_HUB_OFFLINE"] = "0"


def prepare_or_exit(pipeline: str | PipelineSpec) -> None:
    """The same; whatever goes wrong is told on stderr and ends the process with exit code 1."""
    try:
        prepare(pipeline)
    except TargetError as error:
        if error.traceback:
            sys.stderr.write(error.traceback)
        hint = f"\n  {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  the border to the author's prepare_models, which may exit, too
        traceback.print_exc()
        sys.exit(1)


def command(argv: Sequence[str]) -> int:
    """`--pipeline NAME|MODULE:CLASS [--pipeline-name NAME] [--verbose]`."""
    from argparse import ArgumentParser

    from .log import config_logging

    parser = ArgumentParser(prog="prepare_models", description="Downloads and compiles what a pipeline needs.")
    parser.add_argument("--pipeline", required=True, help="an installed pipeline's name, or package.module:Class")
    parser.add_argument("--pipeline-name", default="", help="the name that it is served by")
    parser.add_argument("--verbose", action="store_true", help="say more")
    asked = parser.parse_args(argv)
    config_logging(log_level=10 if asked.verbose else None)
    path = asked.pipeline
    prepare_or_exit(PipelineSpec(name=asked.pipeline_name, pipeline_cls=path) if ":" in path else path)
    return 0
