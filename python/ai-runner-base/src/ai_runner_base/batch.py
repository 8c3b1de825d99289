"""The interface of batch pipelines, and what a server tells of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["HealthCheck", "Pipeline", "Version"]


class HealthCheck(BaseModel):
    """How a pipeline is."""

    status: Literal["LOADING", "OK", "ERROR", "IDLE"] = "OK"


class Version(BaseModel):
    """What is served."""

    pipeline: str
    model_id: str
    version: str


class Pipeline(ABC):
    """A pipeline that answers requests, one call each, with routes of its own. Needs FastAPI to be served."""

    @abstractmethod
    def __init__(self, model_id: str, model_dir: str) -> None:
        """Loads the model `model_id` from the folder `model_dir`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in `/version`."""

    @abstractmethod
    def __call__(self, **kwargs: Any) -> Any:
        """One request."""

    def get_health(self) -> HealthCheck:
        """How it is; well, unless it says otherwise."""
        return HealthCheck(status="OK")

    @property
    @abstractmethod
    def router(self) -> Any:
        """Its routes: a FastAPI router."""
