"""Reads a channel, segment by segment."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from .wire import PIECE, Exchange, TrickleError

__all__ = ["SegmentReader", "TrickleSubscriber"]

NEWEST = -2
"""The newest segment that has begun."""
NEXT = -1
"""The segment that begins next."""
PAUSE = 0.5
_NO_SUCH_SEGMENT = 470


class SegmentReader:
    """One segment, which arrives while it is read."""

    def __init__(self, exchange: Exchange, seq: int | None) -> None:
        self._exchange = exchange
        self.seq = seq
        """Its number."""
        self.content_type = exchange.headers.get("content-type", "")

    async def read(self, chunk_size: int = PIECE) -> bytes:
        """What has come, up to `chunk_size` bytes; empty at the end. Raises TrickleError where it breaks off."""
        data = await self._exchange.read(chunk_size)
        if not data:
            await self.close()
        return data

    def eos(self) -> bool:
        """Whether this is no segment but the end of the channel. `TrickleSubscriber.next` gives None then."""
        return "lp-trickle-closed" in self._exchange.headers

    async def close(self) -> None:
        """Leaves the rest unread."""
        self._exchange.close()


class TrickleSubscriber:
    """A reader of the channel at `url`, from `start_seq` on: -2 is the present segment, -1 the next one.

    The next segment is asked for as soon as the present one begins, so that its first byte is not waited for twice.
    """

    def __init__(self, url: str, start_seq: int = NEWEST, max_retries: int = 5) -> None:
        self.base_url = url.rstrip("/")
        self.idx = start_seq
        self._tries = max_retries
        self._asked: asyncio.Task[Exchange | None] | None = None
        self._is_over = False

    async def __aenter__(self) -> TrickleSubscriber:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def next(self) -> SegmentReader | None:
        """Waits for the next segment to begin. None at the end of the channel, or when it cannot be had any more."""
        if self._is_over:
            return None
        asked, self._asked = self._asked, None
        exchange = await (asked if asked is not None else self._ask())
        if exchange is None:
            self._is_over = True
            return None
        seq = exchange.number("lp-trickle-seq")
        if seq is not None:
            self.idx = seq + 1
        elif self.idx >= 0:
            # A number that was asked for and answered is done, whatever the answer says.
            seq, self.idx = self.idx, self.idx + 1
        self._asked = asyncio.create_task(self._ask())
        return SegmentReader(exchange, seq)

    async def close(self) -> None:
        """Stops reading."""
        self._is_over = True
        asked, self._asked = self._asked, None
        if asked is None:
            return
        asked.cancel()
        for exchange in await asyncio.gather(asked, return_exceptions=True):
            if isinstance(exchange, Exchange):
                exchange.close()

    async def _ask(self) -> Exchange | None:
        for attempt in range(self._tries):
            url = f"{self.base_url}/{self.idx}"
            try:
                exchange = await self._get(url)
            except (OSError, EOFError, TrickleError) as error:
                logging.warning(f"{url} cannot be read: {error or type(error).__name__}")
                await self._pause(attempt)
                continue
            if "lp-trickle-closed" in exchange.headers or exchange.status == 404:
                exchange.close()
                return None
            if exchange.status == 200:
                return exchange
            exchange.close()
            if exchange.status == _NO_SUCH_SEGMENT:
                latest = exchange.number("lp-trickle-latest")
                self.idx = NEXT if latest is None else latest
                continue
            logging.warning(f"{url} is answered with {exchange.status}")
            await self._pause(attempt)
        logging.error(f"{self.base_url} is given up after {self._tries} tries")
        return None

    async def _get(self, url: str) -> Exchange:
        exchange = await Exchange.begin("GET", url, {})
        try:
            await exchange.answer()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _pause(self, attempt: int) -> None:
        if attempt + 1 < self._tries:
            await asyncio.sleep(PAUSE)
