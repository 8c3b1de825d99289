"""What becomes of each picture."""

import numpy as np
import numpy.typing as npt
from framerill import Pipeline, VideoFrame

from .params import ExternalPipelineExampleParams


class ExternalPipelineExample(Pipeline):
    """Turns pictures towards their negative."""

    Params = ExternalPipelineExampleParams
    params: ExternalPipelineExampleParams

    @classmethod
    def prepare_models(cls) -> None:
        """Fetches what `load` needs, ahead of time: `framerill pipelines prepare` runs it."""

    def load(self) -> None:
        """Loads the model, before the first frame. Import heavy packages here."""
        self.levels = np.arange(256)

    def process(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        """Answers a frame with an array, a tensor or a frame of its size, or with `framerill.Skip("why")`."""
        turned = self.levels + self.params.strength * (255 - 2 * self.levels)
        table: npt.NDArray[np.uint8] = np.rint(turned).astype(np.uint8)
        return table[frame.pixels]
