"""Writes a channel, segment by segment."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from .wire import ANSWER_WITHIN, ChannelEnded, Exchange, TrickleError, once

__all__ = ["SegmentWriter", "TricklePublisher"]

_REFUSED_WITHIN = 1.0
_FAILURES = (OSError, EOFError, TrickleError)


class SegmentWriter:
    """One segment under way. As a context manager it is closed at the end."""

    def __init__(self, publisher: TricklePublisher, exchange: Exchange | None, seq: int) -> None:
        self._publisher = publisher
        self._exchange = exchange
        self._seq = seq

    def seq(self) -> int:
        """Its number."""
        return self._seq

    async def __aenter__(self) -> SegmentWriter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def write(self, data: bytes) -> None:
        """Sends bytes on. What is left of a segment whose connection broke is dropped; the next one is not affected."""
        if self._exchange is None:
            return
        try:
            await self._exchange.send(data)
        except _FAILURES as error:
            await self._broke(error)

    async def close(self) -> None:
        """Ends the segment and waits for the server's word. Raises ChannelEnded when there is no such channel."""
        exchange = self._exchange
        if exchange is None:
            return
        try:
            await exchange.end()
            await exchange.answer(ANSWER_WITHIN)
        except _FAILURES as error:
            await self._broke(error)
            return
        self._exchange = None
        exchange.close()
        self._publisher.judge(exchange, self._seq)

    async def _broke(self, error: BaseException) -> None:
        exchange, self._exchange = self._exchange, None
        logging.warning(f"segment {self._seq} breaks off, the rest is dropped: {error or type(error).__name__}")
        if exchange is None:
            return
        # A server that will not have the segment says so before it closes.
        try:
            await exchange.answer(_REFUSED_WITHIN)
        except _FAILURES:
            return
        finally:
            exchange.close()
        self._publisher.judge(exchange, self._seq)


class TricklePublisher:
    """A writer of the channel at `url`. The next segment's request is opened as soon as the present one is in use."""

    def __init__(self, url: str, mime_type: str, start_seq: int = 0) -> None:
        self.base_url = url.rstrip("/")
        self.mime_type = mime_type
        self.idx = start_seq
        self._opened: asyncio.Task[Exchange | None] | None = None
        self._is_ended = False

    async def __aenter__(self) -> TricklePublisher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def create(self) -> None:
        """Creates the channel, where the server lets anybody. Raises TrickleError, OSError."""
        status = await once("POST", self.base_url, {"Expect-Content": self.mime_type})
        if status != 200:
            raise TrickleError(f"{self.base_url} is not created: the server answers {status}")

    async def next(self) -> SegmentWriter:
        """Begins the next segment. Raises ChannelEnded when there is no such channel, or no longer."""
        if self._is_ended:
            raise ChannelEnded(f"the channel {self.base_url} is closed, or there is none")
        opened, self._opened = self._opened, None
        seq = self.idx
        exchange = await (opened if opened is not None else self._open(seq))
        self.idx = seq + 1
        self._opened = asyncio.create_task(self._open(self.idx))
        return SegmentWriter(self, exchange, seq)

    async def close(self) -> None:
        """Ends the request that is open with no bytes, and deletes the channel."""
        opened, self._opened = self._opened, None
        if opened is not None:
            (exchange,) = await asyncio.gather(opened, return_exceptions=True)
            if isinstance(exchange, Exchange):
                await self._end(exchange)
        if self._is_ended:
            return
        self._is_ended = True
        try:
            await once("DELETE", self.base_url)
        except _FAILURES as error:
            logging.warning(f"{self.base_url} is not deleted: {error or type(error).__name__}")

    def judge(self, exchange: Exchange, seq: int) -> None:
        """Takes a segment's answer. Raises ChannelEnded when it says that there is no such channel."""
        if exchange.status == 404 or "lp-trickle-closed" in exchange.headers:
            self._is_ended = True
            raise ChannelEnded(f"the channel {self.base_url} is closed, or there is none")
        if exchange.status != 200:
            logging.warning(f"segment {seq} of {self.base_url} is answered with {exchange.status}")

    async def _open(self, seq: int) -> Exchange | None:
        url = f"{self.base_url}/{seq}"
        try:
            return await Exchange.begin("POST", url, {"Content-Type": self.mime_type, "Transfer-Encoding": "chunked"})
        except _FAILURES as error:
            logging.warning(f"{url} cannot be written: {error or type(error).__name__}")
            return None

    async def _end(self, exchange: Exchange) -> None:
        try:
            await exchange.end()
            await exchange.answer(ANSWER_WITHIN)
        except _FAILURES:
            return
        finally:
            exchange.close()
