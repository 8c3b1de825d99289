"""A pipeline that is one function."""

import pkgutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field

import framerill
from framerill import Skip, _describe, _target, testing
from framerill.errors import ParamsError, TargetError

CLIP = testing.clip(frames=6, size=(32, 16))


class Light(framerill.Params):
    amount: int = Field(40, ge=0, le=255)


@framerill.pipeline
def edge_glow(frame):
    """Inverts every picture.

    And more.
    """
    return 255 - frame.pixels


@framerill.pipeline(shareable=True, name="lamp")
def brighten(frame, params: Light):
    return frame.with_pixels(np.minimum(frame.pixels, 255 - params.amount) + np.uint8(params.amount))


def test_it_answers_frames():
    run = testing.run(edge_glow, CLIP)
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_it_is_still_the_function():
    frame = framerill.VideoFrame(CLIP[0])
    assert (edge_glow(frame) == 255 - CLIP[0]).all()
    assert (brighten(frame, params=Light(amount=255)).pixels == 255).all()
    assert (edge_glow.__name__, edge_glow.__doc__.splitlines()[0]) == ("edge_glow", "Inverts every picture.")


def test_parameters_come_from_the_second_arguments_annotation_and_change():
    run = testing.run(brighten, CLIP, {"amount": 255}, updates={3: {"amount": 0}})
    assert run.frames[2].min() == 255
    assert (run.frames[3] == CLIP[3]).all()
    with pytest.raises(ParamsError, match="less than or equal to 255"):
        testing.run(brighten, CLIP, {"amount": 256})


def test_parameters_may_be_named_in_the_decorator():
    class Other(BaseModel):
        level: int = 3

    @framerill.pipeline(params=Other)
    def flat(frame, params):
        return np.full_like(frame.pixels, params.level)

    assert testing.run(flat, 1, {"level": 9}).frames[0].max() == 9


def test_parameters_may_be_taken_by_keyword_and_what_has_a_default_is_the_functions_own():
    @framerill.pipeline
    def flat(frame, step=1, *rest, params: Light = Light(amount=1), times=2, **more):  # noqa: B008  it does not change
        assert (rest, more) == ((), {})
        return np.full_like(frame.pixels, params.amount * step * times)

    run = testing.run(flat, CLIP, {"amount": 100}, updates={3: {"amount": 50}})
    assert (run.frames[2].max(), run.frames[3].max()) == (200, 100)
    assert flat(framerill.VideoFrame(CLIP[0])).max() == 2
    with pytest.raises(ParamsError, match="less than or equal to 255"):
        testing.run(flat, CLIP, {"amount": 256})

    @framerill.pipeline(params=Light)
    async def later(frame, *, params):
        yield np.full_like(frame.pixels, params.amount)

    assert testing.run(later, 1, {"amount": 9}).frames[0].max() == 9


def test_an_annotation_that_is_a_text_is_looked_up_where_the_function_stands():
    class Local(framerill.Params):
        level: int = 3

    def flat(frame, params):
        return np.full_like(frame.pixels, params.level)

    flat.__annotations__["params"] = "Local"
    assert testing.run(framerill.pipeline(flat), 1).frames[0].max() == Local().level
    flat.__annotations__["params"] = "Elsewhere"
    with pytest.raises(TypeError, match=r"`params: Elsewhere` of `flat` cannot be resolved .*params=\.\.\."):
        framerill.pipeline(flat)


@pytest.mark.parametrize("annotation", [None, Any])
def test_without_a_model_any_parameter_is_taken(annotation):
    def flat(frame, params):
        return np.full_like(frame.pixels, getattr(params, "level", 3))

    if annotation is not None:
        flat.__annotations__["params"] = annotation
    made = framerill.pipeline(flat)
    assert testing.run(made, 1).frames[0].max() == 3
    assert testing.run(made, 1, {"level": 9}).frames[0].max() == 9


def test_one_without_a_second_argument_takes_no_parameters():
    with pytest.raises(ParamsError, match="no parameter is called `level`; this pipeline takes none"):
        testing.run(edge_glow, CLIP, {"level": 9})


def test_it_may_be_async_or_yield():
    @framerill.pipeline
    async def later(frame):
        return frame

    @framerill.pipeline
    def twice(frame, params):
        yield frame
        yield 255 - frame.pixels

    @framerill.pipeline
    async def twice_later(frame):
        yield frame
        yield 255 - frame.pixels

    @framerill.pipeline
    def skips(frame):
        return Skip("no")

    assert testing.run(later, CLIP).passed == len(CLIP)
    for form in (twice, twice_later):
        run = testing.run(form, CLIP)
        assert len(run.frames) == 2 * len(CLIP)
        assert (run.frames[1] == 255 - CLIP[0]).all()
    assert testing.run(skips, CLIP).reasons == ["no"] * len(CLIP)


def described(function, entry_point=None):
    return _describe.describe(_target.Found(function.__framerill_pipeline__(), "x", "file", entry_point))


def test_it_is_described_as_a_class_is():
    description = described(edge_glow)
    assert (description["name"], description["summary"]) == ("edge-glow", "Inverts every picture.")
    assert description["params_schema"]["properties"] == {}
    assert described(edge_glow, "entry")["name"] == "entry"
    description = described(brighten, "entry")
    assert (description["name"], description["shareable"], description["defaults"]) == ("lamp", True, {"amount": 40})


def test_attributes_are_checked_as_a_class_s_are():
    @framerill.pipeline(pixel_format="gray8", history=2, max_frame_time=1, tensor_range=(0.0, 1.0), device="cpu")
    def gray(frame):
        return frame.pixels // 2

    assert testing.run(gray, CLIP).frames[0].shape == (16, 32)
    kind = gray.__framerill_pipeline__()
    assert (kind.history, kind.max_frame_time, kind.tensor_range, kind.device) == (2, 1, (0.0, 1.0), "cpu")
    with pytest.raises(TargetError, match="no pixel format is called 'rgb'"):
        testing.run(framerill.pipeline(pixel_format="rgb")(lambda frame: frame), CLIP)
    with pytest.raises(TypeError, match="has no argument `formt`; there are: params, name, summary, pixel_format"):
        framerill.pipeline(formt="rgb24")(lambda frame: frame)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (type("Glow", (), {}), r"write `class Glow\(framerill.Pipeline\):`"),
        ("glow", "for functions, not for 'glow'"),
        (lambda: None, r"`<lambda>` takes nothing, .* write `def <lambda>\(frame\):`"),
        (
            lambda frame, params, more: None,
            r"takes frame, params, more, .* parameters \(`params`\); give more a default",
        ),
        (
            lambda frame, *, more: None,
            "takes frame, more, and a pipeline is called with a frame; give more a default, or",
        ),
        (lambda frame, other, *, params: None, "takes frame, other, params, .*; give other a default, or write"),
        (lambda *, params: None, "takes params, .* write `def"),
    ],
)
def test_what_is_no_such_function_is_refused_where_it_stands(function, said):
    with pytest.raises(TypeError, match=said):
        framerill.pipeline(function)


def test_parameters_without_an_argument_and_annotations_without_a_model_are_refused():
    with pytest.raises(TypeError, match="no second argument"):
        framerill.pipeline(params=Light)(lambda frame: frame)

    def odd(frame, params: int):
        return frame

    with pytest.raises(TypeError, match="`params` of `odd` is a pydantic model, not <class 'int'>"):
        framerill.pipeline(odd)


SOURCE = """
import framerill
from beside import imported

@framerill.pipeline
def mine(frame):
    "It is mine."
    return frame

@framerill.pipeline
def _hidden(frame):
    return frame
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "of_functions.py").write_text(SOURCE)
    (tmp_path / "beside.py").write_text(
        "import framerill\n@framerill.pipeline\ndef imported(frame):\n    return frame\n"
    )
    return tmp_path


def command(*args, cwd):
    """In a process of its own, which imports what other tests have not."""
    code = "import sys; from framerill import pipelines; sys.exit(pipelines._main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *args], cwd=cwd, capture_output=True, text=True, check=False)


def test_a_file_means_the_one_function_that_it_defines(folder):
    import json

    for target in ("of_functions.py", "of_functions.py:mine", "of_functions:mine"):
        done = command("describe", target, cwd=folder)
        answer = json.loads(done.stdout)
        assert (done.returncode, answer["name"], answer["summary"]) == (0, "mine", "It is mine."), answer
    (folder / "of_functions.py").write_text(SOURCE.replace("_hidden", "other"))
    answer = json.loads(command("describe", "of_functions.py", cwd=folder).stdout)
    assert answer["hint"] == "name one: of_functions.py:mine, of_functions.py:other"
    answer = json.loads(command("describe", "of_functions.py:othr", cwd=folder).stdout)
    assert answer["hint"] == "did you mean `other`? there are: mine, other"


def test_an_entry_point_may_name_a_function(folder):
    import json

    info = folder / "plates_pack-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plates-pack\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[ai_runner.pipelines]\nplate = of_functions:mine\n")
    answer = json.loads(command("describe", "plate", cwd=folder).stdout)
    assert (answer["name"], answer["summary"]) == ("plate", "It is mine.")


def test_importing_every_module_leaves_the_decorator_its_name():
    names = [f"framerill.{it.name}" for it in pkgutil.iter_modules(framerill.__path__)]
    script = (
        f"import {', '.join(names)}\nfrom framerill import _function\nassert framerill.pipeline is _function.pipeline"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
