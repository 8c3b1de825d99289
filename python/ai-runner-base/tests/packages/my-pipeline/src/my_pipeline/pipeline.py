from app.live.pipelines.interface import Pipeline
from app.live.pipelines.trickle import VideoFrame, VideoOutput
from .params import MyPipelineParams
import asyncio
import logging

class MyPipeline(Pipeline):
    # Link params class to pipeline
    Params = MyPipelineParams

    def __init__(self):
        super().__init__()
        self.frame_queue: asyncio.Queue[VideoOutput] = asyncio.Queue()
        self.initialized = False

    async def initialize(self, **params):
        """Initialize the pipeline with parameters."""
        logging.info(f"Initializing MyPipeline with params: {params}")
        # Your initialization logic here
        self.initialized = True

    async def put_video_frame(self, frame: VideoFrame, request_id: str):
        """Process an input frame."""
        # Your processing logic here
        # For example, a simple pass-through:
        output = VideoOutput(frame, request_id)
        await self.frame_queue.put(output)

    async def get_processed_video_frame(self) -> VideoOutput:
        """Get the next processed frame."""
        return await self.frame_queue.get()

    async def update_params(self, **params):
        """Update pipeline parameters."""
        logging.info(f"Updating params: {params}")
        # Return a Task if reload is needed, None otherwise
        return None

    async def stop(self):
        """Clean up resources."""
        self.frame_queue = asyncio.Queue()
        self.initialized = False

    @classmethod
    def prepare_models(cls):
        """Download/prepare models if needed."""
        logging.info("Preparing MyPipeline models")
        # Your model preparation logic
