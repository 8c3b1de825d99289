"""Live pipelines, and the frames that they work on."""
