"""Runs without a server, a GPU or a network."""

import pytest
from external_pipeline_example.pipeline import ExternalPipelineExample
from framerill import errors, testing

CLIP = testing.clip(frames=8)


def test_without_strength_nothing_changes():
    run = testing.run(ExternalPipelineExample, CLIP, {"strength": 0.0})
    assert all((got == sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_the_whole_strength_is_the_negative():
    run = testing.run(ExternalPipelineExample, CLIP, {"strength": 1.0})
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_parameters_change_while_it_runs():
    run = testing.run(ExternalPipelineExample, CLIP, {"strength": 1.0}, updates={4: {"strength": 0.0}})
    assert (run.frames[3] == 255 - CLIP[3]).all()
    assert (run.frames[4] == CLIP[4]).all()


def test_parameters_out_of_bounds_are_refused():
    with pytest.raises(errors.ParamsError, match="less than or equal to 1"):
        testing.run(ExternalPipelineExample, CLIP, {"strength": 1.5})
