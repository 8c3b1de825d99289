"""The child's end of the control socket: framing, descriptors, bounds. A driver, blind to what messages mean."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import threading
from typing import Any

from ._json import encoded
from ._link import close_all, descriptors
from .errors import ProtocolError

MAX_MESSAGE = 1 << 20
"""Bytes of what this side says."""
MAX_REQUEST = 24 << 20
"""Bytes of what the parent says: parameters may hold pictures."""
MAX_FDS = 8
_SEND_WITHIN = struct.pack("@ll", 5, 0)
_LENGTH = struct.Struct("<I")
_LONGEST_TEXT = 200_000

Message = dict[str, Any]


def leave_to_parent(*numbers: signal.Signals) -> None:
    """Signals that are the parent's alone. What an author starts does not inherit that, as it would SIG_IGN."""
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)


class ParentGone(Exception):  # noqa: N818  an ordinary way for a worker to end
    """The parent closed its end, or takes nothing any more."""

    exit_code = 0


class DescriptorLost(ParentGone):
    """Our own end is closed, or is another thing by now: the author's code closed what was not its own."""

    exit_code = 88


def is_lost(error: OSError) -> bool:
    """Whether a socket of ours is none any more."""
    return error.errno in (errno.EBADF, errno.ENOTSOCK)


def _gone(error: OSError) -> ParentGone:
    return DescriptorLost() if is_lost(error) else ParentGone()


class Control:
    """A connected `SOCK_STREAM` socket. `send` may be called from several threads; `recv` belongs to one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_WITHIN)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Lets go of the socket."""
        self._socket.close()

    def send(self, message: Message) -> None:
        """Sends one message; a text that makes it too long is shortened. Raises ParentGone."""
        body = encode(message)
        try:
            with self._sending:
                self._socket.sendall(_LENGTH.pack(len(body)) + body)
        except OSError as error:
            raise _gone(error) from error

    def recv(self) -> tuple[Message, list[int]]:
        """The next message and its descriptors, close-on-exec and the caller's. Raises ParentGone, ProtocolError."""
        fds: list[int] = []
        try:
            head = self._exactly(_LENGTH.size, fds, may_end=True)
            (length,) = _LENGTH.unpack(head)
            if not 1 <= length <= MAX_REQUEST:
                raise ProtocolError(f"a message of {length} bytes")
            message = parse(self._exactly(length, fds, may_end=False))
            announced = message.get("fds", 0)
            if announced != len(fds):
                raise ProtocolError(f"{len(fds)} descriptors came where {announced} were announced")
        except BaseException:
            close_all(fds)
            raise
        return message, fds

    def _exactly(self, count: int, fds: list[int], *, may_end: bool) -> bytearray:
        buffer = bytearray(count)
        view = memoryview(buffer)
        while view:
            try:
                got, ancillary, flags, _ = self._socket.recvmsg_into(
                    [view], socket.CMSG_SPACE(MAX_FDS * 4), socket.MSG_CMSG_CLOEXEC
                )
            except OSError as error:
                raise _gone(error) from error
            fds.extend(descriptors(ancillary))
            if flags & socket.MSG_CTRUNC or len(fds) > MAX_FDS:
                raise ProtocolError("too many descriptors")
            if not got:
                if may_end and len(view) == count:
                    raise ParentGone
                raise ProtocolError("the control socket ended inside a message")
            view = view[got:]
        return buffer


def parse(body: bytes | bytearray) -> Message:
    """The JSON object in a message's body. Raises ProtocolError."""
    try:
        message = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("a message that is not a JSON object")
    return message


def encode(message: Message) -> bytes:
    """A message's body, at most `MAX_MESSAGE` bytes."""
    body = encoded(message)
    return body if len(body) <= MAX_MESSAGE else encoded(_shortened(message))


def _shortened(message: Message) -> Message:
    """Long texts lose their middle; what else is long goes."""
    short: Message = {}
    for key, value in message.items():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            half = _LONGEST_TEXT // 2
            short[key] = f"{value[:half]}\n... {len(value) - 2 * half} characters left out ...\n{value[-half:]}"
        elif len(encoded(value)) <= _LONGEST_TEXT:
            short[key] = value
    return short


def take() -> Control:
    """The control socket: descriptor 0, or the one that `FRAMERILL_CONTROL_FD` numbers.

    Descriptor 0 is replaced by `/dev/null` and stdout joins stderr, so that what a pipeline prints is log. With the
    variable, 0 and 1 stay as they are: a person sits at them.
    """
    import fcntl
    import sys

    number = os.environ.pop("FRAMERILL_CONTROL_FD", None)
    given = 0 if number is None else int(number)
    fd = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, 3)
    if number is None:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(line_buffering=True)
    else:
        os.close(given)
    return Control(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd))
