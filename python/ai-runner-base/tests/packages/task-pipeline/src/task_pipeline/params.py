"""Parameters, apart from the model."""

from runner.live.pipelines import BaseParams


class TaskParams(BaseParams):
    """How bright, and how many pictures for each."""

    brightness: float = 1.0
    copies: int = 2
    model: str = "small"
