"""The first code of the README runs."""

from pathlib import Path

from framerill import testing
from framerill._target import find

README = Path(__file__).parents[1] / "README.md"


def test_the_first_pipeline_runs_and_has_its_parameters(tmp_path):
    code = README.read_text().split("```python\n")[1].split("```")[0]
    path = tmp_path / "my_pipeline.py"
    path.write_text(code)
    pipeline = find(str(path)).pipeline
    assert pipeline.Params().strength == 0.8
    clip = testing.clip(frames=6, size=(64, 48))
    answers = testing.run(pipeline, clip)
    assert len(answers.frames) == 6
    assert all((answer == picture).all() for answer, picture in zip(answers.frames, clip, strict=True))
