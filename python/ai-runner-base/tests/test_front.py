"""The ASGI application that stands before the runner: each of its waits ends."""

import asyncio
import contextlib
import json

import pytest

from ai_runner_base import front

SOON = 0.2
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


class Behind:
    """A pipeline whose runner is at that port."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture
def soon(monkeypatch):
    """Brings one deadline near; the others stay where they are."""
    return lambda name: monkeypatch.setattr(front, name, SOON)


@contextlib.asynccontextmanager
async def runner(answer):
    """A server on a free port, which treats each connection so."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Caller:
    """A request, in pieces, and what is answered."""

    def __init__(self, *pieces, method="POST", goes_on=False, takes=True):
        self.pieces = [{"type": "http.request", "body": it, "more_body": True} for it in pieces]
        if not goes_on:
            self.pieces.append({"type": "http.request", "body": b"", "more_body": False})
        self.scope = {"type": "http", "method": method, "path": "/health", "headers": [], "server": None}
        self.takes = takes
        self.told = []

    async def receive(self):
        return self.pieces.pop(0) if self.pieces else await asyncio.Event().wait()

    async def send(self, message):
        if not self.takes:
            await asyncio.Event().wait()
        self.told.append(message)

    @property
    def answer(self):
        return self.told[0]["status"], b"".join(it.get("body", b"") for it in self.told[1:])


def ask(caller, answer):
    async def run():
        async with runner(answer) as port:
            # The test ends even where a deadline is missing.
            await asyncio.wait_for(front.Front(Behind(port))(caller.scope, caller.receive, caller.send), 20)

    asyncio.run(run())


async def says_nothing(reader, writer):
    await reader.read()
    writer.close()


def test_a_connection_that_does_not_come_about_is_an_answer(soon, monkeypatch):
    soon("_CONNECT_WITHIN")

    async def never(*_, **__):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", never)
    caller = Caller()

    async def run():
        await asyncio.wait_for(front.Front(Behind(1))(caller.scope, caller.receive, caller.send), 20)

    asyncio.run(run())
    assert unreachable(caller)


def unreachable(caller):
    status, body = caller.answer
    return (status, json.loads(body)) == (500, {"detail": {"msg": "The runner cannot be reached."}})


def test_a_runner_that_says_nothing_is_not_waited_for(soon):
    soon("_ANSWER_WITHIN")
    caller = Caller()
    ask(caller, says_nothing)
    assert unreachable(caller)


def test_a_runner_that_stops_within_its_head_is_not_waited_for(soon):
    soon("_ANSWER_WITHIN")

    async def half(reader, writer):
        writer.write(HEAD[:20])
        await says_nothing(reader, writer)

    caller = Caller()
    ask(caller, half)
    assert unreachable(caller)


@pytest.mark.parametrize(
    "begun", [HEAD + b"ab", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4\r\nc"]
)
def test_an_answer_that_stops_within_its_body_breaks_off(soon, begun):
    soon("_BODY_WITHIN")

    async def half(reader, writer):
        writer.write(begun)
        await says_nothing(reader, writer)

    caller = Caller(method="GET")
    # Whoever serves the application closes the connection then: there is no way to take a status back.
    with pytest.raises(asyncio.TimeoutError):
        ask(caller, half)
    assert caller.answer == (200, b"ab")


def test_a_runner_that_takes_no_request_may_still_answer(soon):
    soon("_SEND_WITHIN")

    async def refuses(reader, writer):
        await reader.readexactly(1)
        reader._transport.pause_reading()
        writer.write(HEAD + b"full")
        await asyncio.sleep(0)

    caller = Caller(*[b"x" * 1_000_000] * 40)
    ask(caller, refuses)
    assert caller.answer == (200, b"full")


def test_a_runner_that_takes_no_request_and_says_nothing_is_not_waited_for(soon):
    soon("_SEND_WITHIN")
    soon("_ANSWER_WITHIN")

    async def deaf(reader, writer):
        reader._transport.pause_reading()
        await asyncio.Event().wait()

    caller = Caller(*[b"x" * 1_000_000] * 40)
    ask(caller, deaf)
    assert unreachable(caller)


def test_a_caller_that_stops_within_its_request_is_answered(soon):
    soon("_REQUEST_WITHIN")
    caller = Caller(b"{", goes_on=True)
    ask(caller, says_nothing)
    status, body = caller.answer
    assert (status, json.loads(body)) == (400, {"detail": {"msg": "The request does not arrive."}})


def test_a_caller_that_takes_no_answer_is_left(soon):
    soon("_TAKE_WITHIN")

    async def answers(reader, writer):
        writer.write(HEAD + b"done")
        await says_nothing(reader, writer)

    caller = Caller(takes=False)
    with pytest.raises(asyncio.TimeoutError):
        ask(caller, answers)
    assert caller.told == []
