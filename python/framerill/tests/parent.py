"""A parent and media made by hand from the schema pages: what a worker process is driven with."""

import array
import fcntl
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

from framerill import _descriptor as wire

TIMEOUT = 20.0
PAGE = 4096


class Worker:
    """A worker process and the parent's end of its control socket."""

    def __init__(self, *args, control="stdin", env=None, **popen):
        ours, theirs = socket.socketpair()
        if control == "stdin":
            popen = {"stdin": theirs, "stdout": subprocess.DEVNULL, **popen}
        else:
            popen["pass_fds"] = [theirs.fileno()]
            env = {**(env or {}), control: str(theirs.fileno())}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "framerill.worker", *args], env={**os.environ, **(env or {})}, **popen
        )
        theirs.close()
        ours.settimeout(TIMEOUT)
        self.socket = ours
        self.asked = 0
        self.links = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for it in (self.socket, self.process.stdin, self.process.stdout, self.process.stderr, *self.links):
            if it is not None:
                it.close()
        self.process.kill()
        self.process.wait()

    def send_raw(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def send(self, message, fds=(), announced=None):
        count = len(fds) if announced is None else announced
        body = json.dumps({**message, **({"fds": count} if count else {})}).encode()
        self.send_raw(struct.pack("<I", len(body)) + body, fds)

    def ask(self, kind, fds=(), **fields):
        """Sends a request and returns its id."""
        self.asked += 1
        self.send({"type": kind, "id": self.asked, **fields}, fds)
        return self.asked

    def read(self):
        """The next message. EOFError once the worker has closed its end."""
        (length,) = struct.unpack("<I", self._exactly(4))
        assert 1 <= length <= 1 << 20
        return json.loads(self._exactly(length))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def wait_for(self, *kinds):
        """The next message of one of these kinds; heartbeats and the like are passed over, errors are not."""
        while True:
            message = self.read()
            if message["type"] in kinds:
                return message
            assert message["type"] not in ("error", "rejected"), message

    def wait_for_error(self):
        """The next `error`, whatever comes before it."""
        deadline = time.monotonic() + TIMEOUT
        while (message := self.read())["type"] != "error":
            assert time.monotonic() < deadline, f"no error in {TIMEOUT:g} s"
        return message

    def call(self, kind, *answers, fds=(), **fields):
        """Sends a request and returns its answer."""
        asked = self.ask(kind, fds, **fields)
        message = self.wait_for(*answers)
        assert message["id"] == asked
        return message

    def load(self, target, **params):
        return self.call("load", "ready", pipeline=target, params=params)

    def exit_code(self):
        return self.process.wait(TIMEOUT)


class Media:
    """Media's end of a frame link, and its input pool. Level pictures of 32 x 16."""

    width, height = 32, 16

    def __init__(self, worker, slots=8, incarnation=1, stream="s", **fields):
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(TIMEOUT)
        self.socket = near
        worker.links.append(near)
        self.bytes = self.width * self.height * 3
        self.fd, self.memory = sealed(slots * PAGE)
        asked = worker.ask("attach", [far.fileno()], stream=stream, incarnation=incarnation, **fields)
        far.close()
        self.offer(slots)
        answer, (pool,) = self.read_with()
        assert (answer.type, answer.format, answer.width, answer.height) == (wire.POOL, 1, self.width, self.height)
        assert fcntl.fcntl(pool, 1034) & 0x17 == 0x17
        self.outputs = mmap.mmap(pool, answer.slot * answer.nbytes, prot=mmap.PROT_READ)
        self.output_bytes = answer.nbytes
        os.close(pool)
        assert worker.wait_for("attached")["id"] == asked

    def close(self):
        self.socket.close()

    def offer(self, slots, fd=None, nbytes=PAGE):
        offer = wire.pool(slots, nbytes, 1, self.width, self.height)
        rights = array.array("i", [self.fd if fd is None else fd])
        self.socket.sendmsg([offer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def read_with(self):
        data, ancillary, _, _ = self.socket.recvmsg(129, socket.CMSG_SPACE(8))
        fds = array.array("i")
        for *_, raw in ancillary:
            fds.frombytes(raw)
        if not data:
            raise EOFError
        return wire.decode(data, len(data)), list(fds)

    def read(self):
        return self.read_with()[0]

    def frame(self, frame, slot=0, level=None, **fields):
        """Sends a frame; the slot is the caller's to choose."""
        if level is not None:
            self.memory[slot * PAGE : slot * PAGE + self.bytes] = bytes([level]) * self.bytes
        usual = {
            "nbytes": self.bytes, "pts": frame * 3000, "tb_num": 1, "tb_den": 90_000,
            "format": 1, "width": self.width, "height": self.height,
        }  # fmt: skip
        self.send(wire.Descriptor(slot=slot, frame=frame, **{**usual, **fields}).encode())

    def send(self, message):
        self.socket.send(message)

    def until(self, *kinds):
        """Messages up to the first of these kinds, that one included."""
        messages = [self.read()]
        while messages[-1].type not in kinds:
            messages.append(self.read())
        return messages

    def round_trip(self, frame, level=0):
        """Sends one frame and returns its answer once its slot is back too."""
        self.frame(frame, frame % 8, level)
        messages = [self.read(), self.read()]
        (answer,) = [it for it in messages if it.type != wire.RELEASE]
        assert [it.slot for it in messages if it.type == wire.RELEASE] == [frame % 8]
        return answer

    def sample(self, answer):
        """The first sample of an answer in the worker's pool."""
        return self.outputs[answer.slot * self.output_bytes]


def sealed(total, seals=0x17):
    fd = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, total)
    memory = mmap.mmap(fd, total)
    fcntl.fcntl(fd, 1033, seals)
    return fd, memory
