"""Clients of trickle channels, against the real server and against one that breaks its rules."""

import asyncio
import contextlib
import json
import subprocess

import pytest
from programs import PROGRAM, needs_program

from ai_runner_base.trickle import ChannelEnded, TrickleError
from app.live.trickle import TricklePublisher, TrickleSubscriber


@pytest.fixture(scope="module")
def channels():
    """The URL of a trickle server's channels."""
    command = [PROGRAM, "trickle", "serve", "--addr", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield json.loads(server.stdout.readline())["url"].rstrip("/")
        server.terminate()
        server.wait(10)


async def read(segment):
    data = b""
    while piece := await segment.read():
        data += piece
    return data


@needs_program
def test_what_is_published_is_read_in_order_to_the_end(channels, request):
    url = f"{channels}/{request.node.name}"
    sent = [b"first", bytes(range(256)) * 2048, b"last"]

    async def main():
        seen = []
        publisher, subscriber = TricklePublisher(url, "video/mp2t"), TrickleSubscriber(url, start_seq=0)
        await publisher.create()
        for nth, data in enumerate(sent):
            async with await publisher.next() as segment:
                assert segment.seq() == nth
                for at in range(0, len(data), 40_000):
                    await segment.write(data[at : at + 40_000])
            reading = await subscriber.next()
            assert (reading.seq, reading.content_type, reading.eos()) == (nth, "video/mp2t", False)
            seen.append(await read(reading))
        await publisher.close()
        # The request that was open for the next segment is ended with no bytes.
        while segment := await subscriber.next():
            assert await read(segment) == b""
        assert await subscriber.next() is None
        return seen

    assert asyncio.run(asyncio.wait_for(main(), 30)) == sent


@needs_program
def test_bytes_arrive_while_the_segment_is_written(channels, request):
    url = f"{channels}/{request.node.name}"

    async def main():
        publisher = TricklePublisher(url, "application/json")
        segment = await publisher.next()
        await segment.write(b"early")
        subscriber = TrickleSubscriber(url)
        reading = await subscriber.next()
        assert await reading.read() == b"early"
        await segment.write(b"late")
        assert await reading.read() == b"late"
        await segment.close()
        assert await reading.read() == b""
        await publisher.close()
        await subscriber.close()

    asyncio.run(asyncio.wait_for(main(), 30))


@needs_program
def test_a_channel_that_is_not_there_or_is_deleted_is_the_end(channels, request):
    url = f"{channels}/{request.node.name}"

    async def main():
        assert await TrickleSubscriber(url).next() is None
        publisher, other = TricklePublisher(url, "x/y"), TricklePublisher(url, "x/y", start_seq=3)
        segment = await publisher.next()
        await segment.write(b"x")
        waiting = await other.next()
        await publisher.close()
        # Its request was open when the channel was deleted; the answer says so.
        with pytest.raises(ChannelEnded):
            await waiting.close()
        with pytest.raises(ChannelEnded):
            await other.next()
        await other.close()

    asyncio.run(asyncio.wait_for(main(), 30))


@contextlib.asynccontextmanager
async def server(*answers):
    """Answers each connection with the next of `answers`, and closes it; the last one goes on for ever."""
    left, heads = list(answers), []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head.split(b"\r\n")[0].decode())
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening:
        yield f"http://{host}:{port}/c", heads


def answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def asked(*answers, tries=3):
    """The bodies that a subscriber reads of such answers, and what it asked for."""

    async def main():
        async with server(*answers) as (url, heads):
            bodies = []
            async with TrickleSubscriber(url, max_retries=tries) as subscriber:
                while segment := await subscriber.next():
                    bodies.append(await read(segment))
            return bodies, heads

    return asyncio.run(asyncio.wait_for(main(), 30))


GONE = answer(404)


def test_a_segment_that_is_not_there_any_more_leads_to_the_newest(monkeypatch):
    missing, found = answer(470, Lp_Trickle_Latest=9), answer(200, b"nine", Lp_Trickle_Seq=9)
    bodies, heads = asked(missing, found, GONE)
    assert bodies == [b"nine"]
    assert heads == ["GET /c/-2 HTTP/1.1", "GET /c/9 HTTP/1.1", "GET /c/10 HTTP/1.1"]
    assert asked(answer(470), GONE)[1] == ["GET /c/-2 HTTP/1.1", "GET /c/-1 HTTP/1.1"]


def test_an_answer_without_a_number_counts_as_the_one_that_was_asked_for():
    bodies, heads = asked(answer(200, b"a"), answer(200, b"b", Lp_Trickle_Seq=4), answer(200, b"c"), GONE)
    assert bodies == [b"a", b"b", b"c"]
    assert [head.split()[1] for head in heads] == ["/c/-2", "/c/-2", "/c/5", "/c/6"]


def test_errors_and_nonsense_are_tried_again_and_given_up(monkeypatch):
    monkeypatch.setattr("ai_runner_base.trickle.subscriber.PAUSE", 0.0)
    assert asked(answer(500), b"nonsense\r\n\r\n", answer(200, b"at last", Lp_Trickle_Seq=0), GONE)[0] == [b"at last"]
    bodies, heads = asked(answer(503))
    assert (bodies, len(heads)) == ([], 3)
    assert asked(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + answer(200, b"x", Lp_Trickle_Closed="terminated"))[0] == []


def test_a_segment_that_breaks_off_is_told_and_the_next_one_is_read():
    broken = b"HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"

    async def main():
        async with server(broken, answer(200, b"whole", Lp_Trickle_Seq=1), GONE) as (url, _):
            subscriber = TrickleSubscriber(url)
            with pytest.raises(TrickleError, match="breaks off"):
                await read(await subscriber.next())
            assert await read(await subscriber.next()) == b"whole"
            await subscriber.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_publisher_drops_a_segment_that_cannot_be_sent_and_goes_on():
    async def main():
        async with server(answer(500)) as (url, heads), TricklePublisher(url, "x/y") as publisher:
            for _ in range(2):
                async with await publisher.next() as segment:
                    for _ in range(100):
                        await segment.write(b"x" * 65_536)
        return heads

    heads = asyncio.run(asyncio.wait_for(main(), 30))
    assert [it for it in heads if it.startswith("POST")] == [f"POST /c/{nth} HTTP/1.1" for nth in range(3)]
    assert heads[-1] == "DELETE /c HTTP/1.1"


def test_a_publisher_whose_channel_is_not_there_is_told_so():
    async def main():
        async with server(GONE) as (url, _):
            publisher = TricklePublisher(url, "x/y")
            segment = await publisher.next()
            with pytest.raises(ChannelEnded):
                await segment.close()
            with pytest.raises(ChannelEnded):
                await publisher.next()
            with pytest.raises(TrickleError, match="404"):
                await publisher.create()
            await publisher.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_url_that_is_none_is_refused():
    async def main():
        assert await TrickleSubscriber("ftp://x/c", max_retries=1).next() is None
        with pytest.raises(TrickleError, match="begins with http"):
            await TricklePublisher("ftp://x/c", "x/y").create()

    asyncio.run(main())


SOON = 0.05
"""A deadline that has to pass, in seconds."""
HEAD = b"HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\n"


@contextlib.asynccontextmanager
async def stalled(says=b"", reads=True):
    """Takes every connection, says this much and no more, and closes nothing itself."""
    over = asyncio.Event()
    seen = []

    async def serve(reader, writer):
        seen.append((reader, writer))
        writer.write(says)
        if not reads:
            writer.transport.pause_reading()
        await over.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening:
        try:
            yield f"{host}:{port}/c", seen
        finally:
            over.set()


def test_a_connection_that_does_not_become_one_is_given_up(monkeypatch):
    monkeypatch.setattr("ai_runner_base.trickle.wire.CONNECT_WITHIN", SOON)

    async def main():
        async with stalled() as (url, _):
            # Nobody answers the first word of TLS.
            with pytest.raises(TrickleError, match=r"no connection to 127\.0\.0\.1:\d+ for 0\.05 s"):
                await TricklePublisher(f"https://{url}", "x/y").create()

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("says", [b"", HEAD])
def test_an_answer_that_does_not_come_or_stops_in_its_head_is_given_up(monkeypatch, says):
    monkeypatch.setattr("ai_runner_base.trickle.wire.HEAD_WITHIN", SOON)
    monkeypatch.setattr("ai_runner_base.trickle.wire.ANSWER_WITHIN", SOON)
    monkeypatch.setattr("ai_runner_base.trickle.publisher.ANSWER_WITHIN", SOON)
    monkeypatch.setattr("ai_runner_base.trickle.subscriber.PAUSE", 0.0)

    async def main():
        async with stalled(says) as (url, seen):
            assert await TrickleSubscriber(f"http://{url}", max_retries=2).next() is None
            assert len(seen) == 2
            publisher = TricklePublisher(f"http://{url}", "x/y")
            with pytest.raises(TrickleError, match=r"does not answer for 0\.05 s"):
                await publisher.create()
            await (await publisher.next()).close()
            await publisher.close()

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    "says",
    [
        b"Content-Length: 9\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0",
    ],
)
def test_a_segment_that_stops_in_its_body_is_given_up(monkeypatch, says):
    monkeypatch.setattr("ai_runner_base.trickle.wire.READ_WITHIN", SOON)

    async def main():
        async with stalled(HEAD + says) as (url, _), TrickleSubscriber(f"http://{url}") as subscriber:
            segment = await subscriber.next()
            assert await segment.read() == b"abc"
            with pytest.raises(TrickleError, match=r"breaks off: nothing comes for 0\.05 s"):
                await segment.read()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_server_that_takes_nothing_is_given_up_and_its_connection_with_all_that_was_not_sent(monkeypatch):
    monkeypatch.setattr("ai_runner_base.trickle.wire.SEND_WITHIN", SOON)
    monkeypatch.setattr("ai_runner_base.trickle.wire.ANSWER_WITHIN", SOON)
    monkeypatch.setattr("ai_runner_base.trickle.publisher._REFUSED_WITHIN", SOON)

    async def main():
        async with stalled(reads=False) as (url, seen):
            publisher = TricklePublisher(f"http://{url}", "x/y")
            segment = await publisher.next()
            # More than both sockets hold.
            await segment.write(bytes(64 << 20))
            reader, writer = seen[0]
            writer.transport.resume_reading()
            assert len(await reader.read()) < 64 << 20
            await segment.close()
            await publisher.close()

    asyncio.run(asyncio.wait_for(main(), 30))
