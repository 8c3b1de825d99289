"""The two import roots, each with black and white of its tensors."""

ROOTS = {"app": (-1.0, 1.0), "runner": (0.0, 1.0)}
