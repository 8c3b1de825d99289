"""A live pipeline in processes of its own, and calls to it over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import threading
from typing import Any
from urllib.parse import urlsplit

from . import prepare, program
from .batch import HealthCheck, Pipeline
from .child import Child
from .spec import PipelineSpec

__all__ = ["InferenceError", "LiveVideoToVideoPipeline", "ROUTE"]

ROUTE = "live-video-to-video"
_TIMEOUT = 10.0


class InferenceError(RuntimeError):
    """A stream was not begun, or the runner does not say how it is; the message is the runner's."""


class LiveVideoToVideoPipeline(Pipeline):
    """The pipeline of that name or spec, served by one `framerill serve`, which is started once.

    `start_app` starts it where others reach it. Whatever else is asked of it first, or `begin`, starts it on a port of
    127.0.0.1. Calling it begins a stream. In prepare mode it starts nothing. Raises ProgramMissing.
    """

    def __init__(self, model_id: str | PipelineSpec, model_dir: str = "") -> None:
        self.spec = model_id if isinstance(model_id, PipelineSpec) else None
        self.model_id = self.spec.name if self.spec is not None else str(model_id)
        self.child: Child | None = None
        """Its server, once that is begun."""
        self._beginning = threading.Lock()
        if not prepare.is_asked():
            program.find()

    def begin(self) -> Child:
        """Starts its server, unless that has been. Raises InferenceError in prepare mode."""
        with self._beginning:
            if self.child is None:
                if prepare.is_asked():
                    raise InferenceError("models are prepared in this process, and nothing is served")
                self.child = Child([*self.arguments(), "--host", "127.0.0.1", "--port", "0"])
            return self.child

    def arguments(self) -> list[str]:
        """Which pipeline, for `framerill serve`."""
        return ["--pipeline", self.spec.target() if self.spec is not None else self.model_id]

    @property
    def name(self) -> str:
        """`live-video-to-video`."""
        return ROUTE

    @property
    def url(self) -> str:
        """Where its container API is; waits until it listens. Raises DidNotStart."""
        return self.begin().url()

    @property
    def router(self) -> Any:
        """Its routes as an ASGI application, which passes each request on."""
        from .front import Front

        return Front(self)

    def __call__(  # type: ignore[override]
        self,
        *,
        subscribe_url: str,
        publish_url: str,
        control_url: str = "",
        events_url: str = "",
        params: dict[str, Any] | None = None,
        request_id: str = "",
        manifest_id: str = "",
        stream_id: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """Begins a stream between trickle channels. Raises InferenceError."""
        asked = {
            "subscribe_url": subscribe_url,
            "publish_url": publish_url,
            "control_url": control_url,
            "events_url": events_url,
            "params": params or {},
            "gateway_request_id": request_id or more.get("gateway_request_id", ""),
            "manifest_id": manifest_id,
            "stream_id": stream_id,
            "model_id": more.get("model_id", ""),
        }
        status, answer = self._ask("POST", f"/{ROUTE}", asked)
        if status != http.client.OK:
            raise InferenceError(f"the stream was not begun: {_said(answer)}")
        return dict(answer)

    def get_health(self) -> HealthCheck:
        """How it is. Raises InferenceError where the runner cannot say."""
        status, answer = self._ask("GET", "/health")
        if status != http.client.OK:
            raise InferenceError(_said(answer))
        return HealthCheck.model_validate(answer)

    def stop(self) -> None:
        """Ends its processes in order: streams close their channels first."""
        if self.child is not None:
            self.child.stop()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=_TIMEOUT)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        token = os.environ.get("FRAMERILL_AUTH_TOKEN") or os.environ.get("AUTH_TOKEN")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InferenceError(f"the runner does not answer: {error}") from error
        finally:
            connection.close()


def _said(answer: Any) -> str:
    detail = answer.get("detail") if isinstance(answer, dict) else answer
    return str(detail["msg"]) if isinstance(detail, dict) and "msg" in detail else json.dumps(detail)
