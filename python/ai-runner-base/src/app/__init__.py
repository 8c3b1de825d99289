"""The import root of the earlier generation of pipelines; pictures are in [-1, 1]."""
