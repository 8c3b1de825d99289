"""One HTTP/1.1 exchange on a connection of its own: what trickle's clients do once a segment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

__all__ = ["ChannelEnded", "Exchange", "TrickleError"]

CONNECT_WITHIN = 10.0
"""Seconds until a connection is there, its encryption included."""
SEND_WITHIN = 30.0
"""Seconds in which the server takes more of what is sent."""
HEAD_WITHIN = 300.0
"""Seconds until an answer's head is there: a segment that is asked for may take as long to begin."""
READ_WITHIN = 300.0
"""Seconds in which more of an answer's body comes."""
ANSWER_WITHIN = 10.0
"""Seconds until the answer to a request that waits for nothing."""
PIECE = 32 * 1024
_LONGEST_HEAD = 64 * 1024
_LONGEST_CHUNK = 1 << 30


class TrickleError(Exception):
    """A channel cannot be read or written; the message says why."""


class ChannelEnded(TrickleError):  # noqa: N818  an ordinary way for a channel to be
    """The channel is closed, or was never there."""


_T = TypeVar("_T")


async def _within(seconds: float, work: Awaitable[_T], what: str) -> _T:
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise TrickleError(f"{what} for {seconds:g} s") from None


class Exchange:
    """A request under way, and its answer. Made by `begin`. Every wait for the server has its deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_chunked = False
        self._left: int | None = None
        self._over = False
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    async def begin(cls, method: str, url: str, headers: Mapping[str, str]) -> Exchange:
        """Connects and sends the head. Raises OSError, TrickleError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrickleError(f"a channel's URL begins with http:// or https://, not `{url}`")
        tls = None
        if parts.scheme == "https":
            import ssl

            # Orchestrators sign their own certificates.
            tls = ssl.create_default_context()
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        port = parts.port or (443 if tls else 80)
        opening = asyncio.open_connection(parts.hostname, port, ssl=tls, limit=_LONGEST_HEAD)
        reader, writer = await _within(CONNECT_WITHIN, opening, f"no connection to {parts.netloc.rpartition('@')[2]}")
        exchange = cls(reader, writer)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            await exchange._send(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def send(self, data: bytes) -> None:
        """One chunk of the request's body. Raises OSError, TrickleError."""
        if data:
            await self._send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """The end of a chunked body. Raises OSError, TrickleError."""
        await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        if not self._writer.transport.get_write_buffer_size():
            # No turn for others: a server that refuses closes behind its answer, which is read before the next write.
            return await self._writer.drain()
        try:
            await _within(SEND_WITHIN, self._writer.drain(), "the server takes nothing")
        except TrickleError:
            # Closed in order, it would wait for ever with what it could not send.
            self._writer.transport.abort()
            raise

    async def answer(self, within: float | None = None) -> None:
        """Waits for the answer's head, over any number of interim ones, for `within` seconds or `HEAD_WITHIN`.

        Raises OSError, EOFError, TrickleError.
        """
        await _within(HEAD_WITHIN if within is None else within, self._answer(), "the server does not answer")

    async def _answer(self) -> None:
        while True:
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError as error:
                raise TrickleError("the head of the answer is too long") from error
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            words = first.split(" ", 2)
            if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
                raise TrickleError(f"the answer is no HTTP/1.1: {first:.60}")
            self.status = int(words[1])
            if self.status >= 200:
                break
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self._is_chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length", "")
        if not self._is_chunked and length.isdigit():
            self._left = int(length)

    async def read(self, most: int = PIECE) -> bytes:
        """Up to `most` bytes of the body as they come; empty at its end. Raises TrickleError where it breaks off."""
        if self._over:
            return b""
        try:
            data = await _within(READ_WITHIN, self._read(most), "nothing comes")
        except (EOFError, OSError, ValueError, asyncio.LimitOverrunError, TrickleError) as error:
            self._over = True
            raise TrickleError(f"the segment breaks off: {error}") from error
        self._over = not data
        return data

    async def _read(self, most: int) -> bytes:
        if not self._is_chunked:
            if self._left == 0:
                return b""
            data = await self._reader.read(most if self._left is None else min(most, self._left))
            if self._left is not None:
                if not data:
                    raise EOFError("the connection is closed")
                self._left -= len(data)
            return data
        if not self._left:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if not 0 <= size <= _LONGEST_CHUNK:
                raise ValueError("a chunk's size is out of range")
            self._left = size
            if size == 0:
                return b""
        data = await self._reader.read(min(most, self._left))
        if not data:
            raise EOFError("the connection is closed")
        self._left -= len(data)
        if self._left == 0:
            await self._reader.readexactly(2)
        return data

    def number(self, name: str) -> int | None:
        """A header that is a number."""
        try:
            return int(self.headers[name])
        except (KeyError, ValueError):
            return None

    def close(self) -> None:
        """Closes the connection."""
        self._over = True
        self._writer.close()


async def once(method: str, url: str, headers: Mapping[str, str] | None = None) -> int:
    """A request without a body, and its answer's status. Raises OSError, EOFError, TrickleError."""
    exchange = await Exchange.begin(method, url, {"Content-Length": "0", **(headers or {})})
    try:
        await exchange.answer(ANSWER_WITHIN)
    finally:
        exchange.close()
    return exchange.status
