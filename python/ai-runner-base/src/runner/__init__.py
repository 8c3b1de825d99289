"""The import root of the newer generation of pipelines; pictures are in [0, 1]."""
