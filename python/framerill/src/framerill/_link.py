"""One end of a frame link's socket: whole messages, descriptors, deadlines. A driver."""

from __future__ import annotations

import array
import select
import socket
from collections import deque

from . import _descriptor as wire
from ._pool import MAX_SLOTS
from .errors import LinkClosed, LinkError

_SEND_WITHIN_MS = 5000
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_RELEASES = [wire.release(slot) for slot in range(MAX_SLOTS)]


class Link:
    """A connected `SOCK_SEQPACKET` socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray(wire.BYTES + 1)
        self._postponed: deque[int] = deque()

    def fileno(self) -> int:
        """The socket's descriptor, -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Ends both directions. May be called twice."""
        self._socket.close()

    def end(self) -> None:
        """Ends both directions and leaves the descriptor: whoever waits for it sees the end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It has ended already.

    def recv(self) -> wire.Descriptor | None:
        """The next message, or None when none is there. Descriptors that come with it are closed."""
        try:
            length = self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LinkClosed(f"the frame link is closed: {error.strerror}") from error
        if length == 0:
            raise LinkClosed("the frame link is closed")
        return wire.decode(self._buffer, length)

    def recv_with(self) -> tuple[wire.Descriptor, list[int]] | None:
        """The next message and the descriptors that came with it, close-on-exec and the caller's."""
        space = socket.CMSG_SPACE(2 * 4)
        flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        try:
            data, ancillary, got, _ = self._socket.recvmsg(wire.BYTES + 1, space, flags)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LinkClosed(f"the frame link is closed: {error.strerror}") from error
        fds = descriptors(ancillary)
        if got & socket.MSG_CTRUNC:
            close_all(fds)
            raise LinkError("too many descriptors came with one message")
        if not data:
            close_all(fds)
            raise LinkClosed("the frame link is closed")
        try:
            return wire.decode(data, len(data)), fds
        except LinkError:
            close_all(fds)
            raise

    def send(self, message: bytes | bytearray) -> None:
        """Sends one message. The slots of both pools bound how many are under way, so that this hardly ever waits."""
        while True:
            try:
                self._socket.send(message, _FLAGS)
                return
            except BlockingIOError:
                self._wait_to_send()
            except OSError as error:
                raise LinkClosed(f"the frame link is closed: {error.strerror}") from error

    def send_with(self, message: bytes, fd: int) -> None:
        """Sends one message together with a descriptor."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        try:
            self._socket.sendmsg([message], rights, _FLAGS)
        except OSError as error:
            raise LinkClosed(f"the frame link is closed: {error.strerror}") from error

    def _wait_to_send(self) -> None:
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        if not poller.poll(_SEND_WITHIN_MS):
            raise LinkError("the other side of the frame link does not read")

    def release(self, slot: int) -> None:
        """Gives an input slot back. Neither waits nor locks: collections call it from anywhere."""
        try:
            self._socket.send(_RELEASES[slot], _FLAGS)
        except BlockingIOError:
            self._postponed.append(slot)
        except OSError:
            pass  # The link is gone, and the slot with it.

    @property
    def has_postponed(self) -> bool:
        """Whether releases wait for room in the socket."""
        return bool(self._postponed)

    def send_postponed(self) -> None:
        """Sends releases that had found no room; what finds none again waits on."""
        for _ in range(len(self._postponed)):
            self.release(self._postponed.popleft())


def descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors in a message's ancillary data."""
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
            fds.extend(numbers)
    return fds


def close_all(fds: list[int]) -> None:
    """Closes descriptors that nobody wants."""
    import os

    for fd in fds:
        os.close(fd)
