"""Media's side of a frame link with pictures from memory, for tests: the same pools, the same messages."""

from __future__ import annotations

import array
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from . import _descriptor as wire
from ._caps import Array, Caps
from ._link import close_all, descriptors
from ._pool import OutputPool, PeerPool
from .errors import LinkError

DEPTH = 2
"""Frames that a worker has at once: one at work, and the next at hand."""
_OWN_SLOTS = 2
_PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Answer:
    """One output picture."""

    frame: int
    """Id of the frame that it answers."""
    index: int
    of: int
    """0 when it comes with its own time and nobody knows how many there will be."""
    pts: int
    passthrough: bool
    process_ns: int
    pixels: Array


class FakeMedia(threading.Thread):
    """Sends pictures, keeps what comes back, and ends the link after the last answer."""

    def __init__(
        self,
        sock: socket.socket,
        pictures: Sequence[Array],
        caps: Caps,
        history: int,
        interval: int,
        depth: int = DEPTH,
    ) -> None:
        super().__init__(name="fake-media", daemon=True)
        self.answers: list[Answer] = []
        self.skipped: list[int] = []
        self.failure: LinkError | None = None
        self._socket = sock
        self._pictures = pictures
        self._caps = caps
        self._interval = interval
        self._depth = depth
        self._pool = OutputPool(caps, history + depth + _OWN_SLOTS)
        self._peer: PeerPool | None = None
        self._outstanding: dict[int, int] = {}
        self._taken: set[int] = set()
        self._open: int | None = None
        self._sent = 0

    def run(self) -> None:
        """Plays the whole clip."""
        try:
            self._exchange_pools()
            while self._sent < len(self._pictures):
                if not self._send_next():
                    self._take()
            self._socket.send(wire.eos())
            while self._take() != wire.EOS:
                pass
            if self._outstanding:
                raise LinkError(f"the worker ends with {len(self._outstanding)} frame(s) unanswered")
        except LinkError as error:
            self.failure = error
        except OSError:
            pass  # The other side failed, and says why itself.
        finally:
            self._socket.close()
            self._pool.close()

    def _exchange_pools(self) -> None:
        caps, pool = self._caps, self._pool
        offer = wire.pool(pool.slots, pool.slot_bytes, caps.code, caps.width, caps.height)
        rights = array.array("i", [pool.fd])
        self._socket.sendmsg([offer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        self._wait()
        data, ancillary, _, _ = self._socket.recvmsg(wire.BYTES + 1, socket.CMSG_SPACE(8), socket.MSG_CMSG_CLOEXEC)
        fds = descriptors(ancillary)
        try:
            answer = wire.decode(data, len(data))
            if answer.type != wire.POOL or len(fds) != 1:
                raise LinkError("the worker lends its pool first")
            self._peer = PeerPool(fds[0], answer.slot, answer.nbytes)
        finally:
            close_all(fds)

    def _send_next(self) -> bool:
        if self._sent == len(self._pictures) or len(self._outstanding.keys() - self._taken) >= self._depth:
            return False
        slot = self._pool.take()
        if slot is None:
            return False
        frame = self._sent
        self._pool.picture(slot)[...] = self._pictures[frame]
        self._pool.publish(slot)
        message = wire.Descriptor(
            slot=slot,
            nbytes=self._caps.nbytes,
            frame=frame,
            pts=frame * self._interval,
            tb_num=1,
            tb_den=90_000,
            format=self._caps.code,
            width=self._caps.width,
            height=self._caps.height,
        )
        self._outstanding[frame] = slot
        self._sent += 1
        self._socket.send(message.encode())
        return True

    def _take(self) -> int:
        self._wait()
        data = self._socket.recv(wire.BYTES + 1)
        if not data:
            raise ConnectionResetError
        message = wire.decode(data, len(data))
        if message.type == wire.RELEASE:
            self._pool.released(message.slot)
        elif message.type == wire.SKIP:
            self._gone(self._due(message.frame))
            if message.frame != self._open:
                self.skipped.append(message.frame)
            self._open = None
        elif message.type == wire.TAKEN:
            if message.frame not in self._outstanding:
                raise LinkError(f"frame {message.frame} was taken, which is not out")
            self._taken.add(message.frame)
        elif message.type == wire.FRAME:
            self._answer(message)
        return message.type

    def _answer(self, message: wire.Descriptor) -> None:
        parent = self._due(message.parents[-1] if message.parents else None)
        is_open = message.of == 0
        if not is_open and message.nth >= message.of:
            raise LinkError(f"answer {message.nth} of {message.of}")
        passthrough = bool(message.flags & wire.PASSTHROUGH)
        if passthrough and message.slot != self._outstanding[parent]:
            raise LinkError("a passed frame names its own slot")
        if passthrough:
            pixels = self._pool.picture(message.slot).copy()
        elif self._peer is not None and message.slot < self._peer.slots:
            caps = Caps.of_code(message.format, message.width, message.height)
            if caps.nbytes > self._peer.slot_bytes:
                raise LinkError("an answer does not fit into its slot")
            pixels = self._peer.array(message.slot, caps.shape, caps.dtype).copy()
            self._socket.send(wire.release(message.slot))
        else:
            raise LinkError("an answer lies outside the pool")
        answer = Answer(parent, message.nth, message.of, message.pts, passthrough, message.process_ns, pixels)
        self.answers.append(answer)
        if is_open:
            self._open = parent
        elif message.nth + 1 == message.of:
            self._gone(parent)

    def _gone(self, frame: int) -> None:
        del self._outstanding[frame]
        self._taken.discard(frame)

    def _due(self, got: int | None) -> int:
        due = next(iter(self._outstanding), None)
        if got is None or got != due:
            raise LinkError(f"an answer to frame {got} where frame {due} is due")
        return due

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        while not poller.poll(_PATIENCE_MS):
            pass
