"""Pictures over a trickle channel, there and back."""

import asyncio
import importlib
import importlib.util
from fractions import Fraction

import numpy as np
import pytest
from both_roots import ROOTS
from programs import needs_program
from test_trickle import channels  # noqa: F401  a fixture

TICK = Fraction(1, 90_000)
HAS_PYAV = importlib.util.find_spec("av") is not None


@pytest.mark.skipif(HAS_PYAV, reason="PyAV is installed")
def test_without_pyav_it_says_what_to_install(root):
    trickle = importlib.import_module(f"{root}.live.trickle")
    for call in (trickle.run_subscribe("http://127.0.0.1:1/c", print), trickle.run_publish("x", print)):
        with pytest.raises(ImportError, match=r"pip install 'ai-runner-base\[media\]'"):
            asyncio.run(call)


@needs_program
@pytest.mark.skipif(not HAS_PYAV, reason="PyAV is not installed: no pictures go over trickle channels")
def test_pictures_keep_their_times_and_levels_in_the_roots_range(root, channels):  # noqa: F811
    trickle = importlib.import_module(f"{root}.live.trickle")
    low, high = ROOTS[root]
    url = f"{channels}/media-{root}"
    times = [1_000_000 + nth * 9000 for nth in range(45)]
    levels = [(nth % 5) / 4 for nth in range(45)]
    told, events, frames = [], [], []

    def outputs():
        for time, level in zip(times, levels, strict=True):
            # The last level is beyond white: it is clamped.
            value = high + 3 if level == 1 else low + level * (high - low)
            yield trickle.VideoOutput(trickle.VideoFrame(np.full((1, 64, 96, 3), value, np.float32), time, TICK))

    async def main():
        created, arrived = asyncio.Event(), asyncio.Event()
        given = outputs()

        async def generate():
            await created.wait()
            output = next(given, None)
            if output is None or output.timestamp > times[0]:
                # A reader that comes late begins with the newest segment.
                await arrived.wait()
            return output

        def ingested(event, kind):
            events.append((event["type"], kind))
            arrived.set()

        publishing = asyncio.create_task(
            trickle.run_publish(url, generate, lambda: None, lambda event, kind: events.append((event["type"], kind)))
        )
        await trickle.TricklePublisher(url, "video/mp2t").create()
        reading = asyncio.create_task(trickle.run_subscribe(url, frames.append, told.append, ingested, 32, 32))
        created.set()
        await asyncio.gather(publishing, reading)

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [frame.timestamp for frame in frames] == times
    assert {frame.time_base for frame in frames} == {TICK}
    middle = [float(frame.tensor[0, 16, 16, 1]) for frame in frames]
    wanted = [low + level * (high - low) for level in levels]
    assert np.abs(np.array(middle) - wanted).max() < 0.03 * (high - low)
    assert frames[0].tensor.shape == (1, 32, 32, 3)
    assert (told[0]["video"]["codec"], told[0]["video"]["width"], "audio" in told[0]) == ("h264", 96, False)
    assert sorted(events) == [
        ("runner_receive_first_ingest_segment", "stream_trace"),
        ("runner_send_first_processed_segment", "stream_trace"),
    ]


@needs_program
@pytest.mark.skipif(not HAS_PYAV, reason="PyAV is not installed: no pictures go over trickle channels")
def test_a_channel_without_pictures_ends_quietly(channels):  # noqa: F811
    from runner.live.trickle import TricklePublisher, run_subscribe

    told, frames = [], []

    async def main():
        url = f"{channels}/nothing"
        async with TricklePublisher(url, "video/mp2t") as publisher:
            async with await publisher.next() as segment:
                await segment.write(b"no transport stream" * 100)
            began = asyncio.Event()
            reading = asyncio.create_task(run_subscribe(url, frames.append, told.append, lambda *_: began.set()))
            await began.wait()
        await reading

    asyncio.run(asyncio.wait_for(main(), 30))
    assert (frames, told) == ([], [None])
