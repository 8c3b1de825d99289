"""An ASGI application that starts the runner behind it and passes every request on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from . import prepare
from .child import Child

if TYPE_CHECKING:
    from .live import LiveVideoToVideoPipeline

__all__ = ["Front"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
_LONGEST_HEAD = 64 * 1024
_CONNECT_WITHIN = 5.0
_SEND_WITHIN = 10.0
"""Seconds that the runner may take no piece of the request."""
_REQUEST_WITHIN = 30.0
"""Seconds that the caller may send nothing of a request that it has begun."""
_ANSWER_WITHIN = 60.0
"""Seconds until the runner's answer has begun; it gives its own up before."""
_BODY_WITHIN = 30.0
"""Seconds until the next piece of an answer that has begun; the runner has no endless ones."""
_TAKE_WITHIN = 30.0
"""Seconds that the caller may take no piece of the answer."""
_PIECE = 64 * 1024
_LONGEST_CHUNK = 64 * 1024 * 1024


class Front:
    """The application. It starts nothing for a pipeline that is served already; and only prepares in prepare mode."""

    routes: tuple[Any, ...] = ()
    """None of its own: the runner behind it knows its routes."""

    def __init__(self, pipeline: LiveVideoToVideoPipeline | None = None, arguments: list[str] | None = None) -> None:
        self._pipeline = pipeline
        self._arguments = arguments or []
        self._child: Child | None = None
        self._starting = threading.Lock()
        self._is_leaving = False
        self._gave_up: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection of the ASGI server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)
        else:
            raise NotImplementedError(f"the runner answers HTTP, not {scope['type']}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if prepare.is_asked(argv=()):
                    await asyncio.to_thread(self._prepare)
                try:
                    await asyncio.to_thread(self._url)
                except Exception as error:  # noqa: BLE001  the server is told, whatever it was
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._is_leaving = True
                await asyncio.to_thread(self._stop)
                await send({"type": "lifespan.shutdown.complete"})
                if self._gave_up is not None:
                    # The server would tell of an ordinary end.
                    _leave(self._gave_up or 1)
                return

    def _url(self) -> str:
        if self._pipeline is not None:
            return self._pipeline.url
        with self._starting:
            if self._child is None:
                # The server's own socket is the one that others reach.
                self._child = Child(["--host", "127.0.0.1", "--port", "0", *self._arguments], self._ended)
        return self._child.url()

    def _prepare(self) -> None:
        code = 0
        try:
            if self._pipeline is not None:
                prepare.prepare_or_exit(self._pipeline.spec or self._pipeline.model_id)
            else:
                code = Child(self._arguments).wait()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        # The server that asks would call it a failed start, whatever became of it.
        _leave(code)

    def _ended(self, code: int) -> None:
        if not self._is_leaving and self._child is not None and self._child.has_listened:
            # A runner that gave up takes its container along, as when it is the container's own process.
            self._gave_up = code
            os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
        if self._child is not None:
            self._child.stop()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            url = await asyncio.to_thread(self._url)
            address = urlsplit(url)
            opening = asyncio.open_connection(address.hostname, address.port, limit=_LONGEST_HEAD)
            reader, writer = await asyncio.wait_for(opening, _CONNECT_WITHIN)
        except Exception:  # noqa: BLE001  whatever it was, the caller gets an answer of the contract's form
            await _unreachable(send)
            return
        try:
            await _forward(scope, _head(scope, address.netloc), receive, send, reader, writer)
        finally:
            writer.close()


async def _forward(
    scope: Scope,
    head: bytes,
    receive: Receive,
    send: Send,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    begun = False
    try:
        # A server that refuses a request may answer and close before it has read all of it.
        with suppress(OSError, asyncio.TimeoutError):
            await _send_on(head, scope["method"], receive, writer)
        status, headers = await asyncio.wait_for(_answer_head(reader), _ANSWER_WITHIN)
        begun = True
        await _tell(send, {"type": "http.response.start", "status": status, "headers": headers})
        # `Connection: close` was asked for: the answer ends where its body does.
        async for piece in _body(reader, scope["method"], status, headers):
            await _tell(send, {"type": "http.response.body", "body": piece, "more_body": True})
        await _tell(send, {"type": "http.response.body", "body": b"", "more_body": False})
    except _Stalled:
        await _refuse(send, 400, "The request does not arrive.")
    except (OSError, EOFError, ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError):
        if begun:
            raise
        await _unreachable(send)


class _Stalled(Exception):  # noqa: N818  it says what the caller has done
    """The caller sends no more of its request."""


async def _hear(receive: Receive) -> MutableMapping[str, Any]:
    try:
        return await asyncio.wait_for(receive(), _REQUEST_WITHIN)
    except asyncio.TimeoutError:
        raise _Stalled from None


async def _tell(send: Send, message: MutableMapping[str, Any]) -> None:
    await asyncio.wait_for(send(message), _TAKE_WITHIN)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await asyncio.wait_for(writer.drain(), _SEND_WITHIN)


async def _send_on(head: bytes, method: str, receive: Receive, writer: asyncio.StreamWriter) -> None:
    message = await _hear(receive)
    has_body = bool(message.get("body")) or message.get("more_body", False)
    # A request of one piece goes out in one: whoever refuses it by its head has all of it by then.
    out = head + _length(method, has_body)
    while message["type"] == "http.request":
        body = message.get("body", b"")
        if body:
            out += b"%x\r\n%b\r\n" % (len(body), body)
        if not message.get("more_body", False):
            break
        await _write(writer, out)
        out, message = b"", await _hear(receive)
    await _write(writer, out + (b"0\r\n\r\n" if has_body else b""))


def _head(scope: Scope, behind: str) -> bytes:
    """The request's head for the server `behind`, up to how long its body is."""
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    target = path + (b"?" + query if query else b"")
    lines = [scope["method"].encode() + b" " + target + b" HTTP/1.1"]
    for name, value in scope["headers"]:
        if name.lower() == b"host" and not _came_over_loopback(scope):
            # Whoever listens for others is called as they like; the server behind goes by its own name.
            lines.append(b"host: " + behind.encode())
        elif name.lower() not in _HOP_BY_HOP and name.lower() not in (b"content-length", b"expect"):
            lines.append(name + b": " + value)
    lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n"


def _came_over_loopback(scope: Scope) -> bool:
    """Whether the caller reached an address that only this machine has: then its `Host` is judged as it is."""
    host = (scope.get("server") or ("", None))[0] or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _length(method: str, has_body: bool) -> bytes:
    if has_body:
        return b"transfer-encoding: chunked\r\n\r\n"
    return b"content-length: 0\r\n\r\n" if method in ("POST", "PUT", "PATCH") else b"\r\n"


async def _answer_head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[bytes, bytes]]]:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        status = int(first.partition(b" ")[2][:3])
        if status >= 200:
            break
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    return status, headers


async def _body(reader: asyncio.StreamReader, method: str, status: int, headers: list[tuple[bytes, bytes]]) -> Any:
    named = dict(headers)
    chunked = named.get(b"transfer-encoding", b"").lower() == b"chunked"
    headers[:] = [it for it in headers if it[0] not in _HOP_BY_HOP]
    if method == "HEAD" or status in (204, 304):
        return
    if chunked:
        while piece := await asyncio.wait_for(_chunk(reader), _BODY_WITHIN):
            yield piece
        return
    left = int(named[b"content-length"]) if b"content-length" in named else None
    while left != 0:
        reading = reader.read(_PIECE if left is None else min(_PIECE, left))
        piece = await asyncio.wait_for(reading, _BODY_WITHIN)
        if not piece:
            if left is None:
                return
            raise EOFError("the answer broke off")
        left = None if left is None else left - len(piece)
        yield piece


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
    if not 0 <= size <= _LONGEST_CHUNK:
        raise ValueError("a chunk's size is out of range")
    piece = await reader.readexactly(size)
    await reader.readexactly(2)
    return piece


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _unreachable(send: Send) -> None:
    await _refuse(send, 500, "The runner cannot be reached.")


async def _refuse(send: Send, status: int, why: str) -> None:
    body = b'{"detail":{"msg":"%b"}}' % why.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await _tell(send, {"type": "http.response.start", "status": status, "headers": headers})
    await _tell(send, {"type": "http.response.body", "body": body})
