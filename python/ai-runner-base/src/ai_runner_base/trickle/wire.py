"""One HTTP/1.1 exchange on a connection of its own: what trickle's clients do once a segment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

__all__ = ["ChannelEnded", "Exchange", "TrickleError"]

TOTAL = 300.0
"""Seconds that an exchange may wait for its answer's head."""
PIECE = 32 * 1024
_LONGEST_HEAD = 64 * 1024
_LONGEST_CHUNK = 1 << 30


class TrickleError(Exception):
    """A channel cannot be read or written; the message says why."""


class ChannelEnded(TrickleError):  # noqa: N818  an ordinary way for a channel to be
    """The channel is closed, or was never there."""


class Exchange:
    """A request under way, and its answer. Made by `begin`."""

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
        """Connects and sends the head. Raises OSError."""
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
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=_LONGEST_HEAD)
        exchange = cls(reader, writer)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            await writer.drain()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def send(self, data: bytes) -> None:
        """One chunk of the request's body. Raises OSError."""
        if data:
            self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await self._writer.drain()

    async def end(self) -> None:
        """The end of a chunked body. Raises OSError."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def answer(self) -> None:
        """Waits for the answer's head, over any number of interim ones. Raises OSError, EOFError, TrickleError."""
        await asyncio.wait_for(self._answer(), TOTAL)

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
            data = await self._read(most)
        except (EOFError, OSError, ValueError, asyncio.LimitOverrunError) as error:
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
        await exchange.answer()
    finally:
        exchange.close()
    return exchange.status
