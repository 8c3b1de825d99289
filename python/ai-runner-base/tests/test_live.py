"""The guide's package and one with its own main on a real live runner: pictures, parameters, events."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import threading
import urllib.request

import pytest
from programs import PROGRAM, needs_program

from app.live.trickle import TricklePublisher, TrickleSubscriber

pytestmark = [
    needs_program,
    pytest.mark.skipif(
        PROGRAM is not None and not PROGRAM.with_name("framerill-media").is_file(),
        reason="framerill-media is not built: no pictures",
    ),
]
WITHIN = 120


class Server:
    """A live runner that Python started, with channels beside it, and what it says."""

    def __init__(self, command, **env):
        settings = {
            "FRAMERILL_BIN": str(PROGRAM), "FRAMERILL_TRICKLE": "127.0.0.1:0", "FRAMERILL_INTERNAL_PORT": "0",
            "HOST": "127.0.0.1", "PORT": "0", **env,
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAMERILL_")}
        kept.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            command, env={**kept, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said = []
        self.changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr:
            with self.changed:
                self.said.append(line)
                self.changed.notify_all()

    def until_said(self, *words):
        """Waits for a line with all of these words."""
        with self.changed:
            found = self.changed.wait_for(
                lambda: any(all(word in line for word in words) for line in self.said), WITHIN
            )
        assert found, "".join(self.said)

    def post(self, path, body):
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def close(self):
        self.process.terminate()
        code = self.process.wait(WITHIN)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def started(command, **env):
            server = Server(command, **env)
            stack.callback(server.close)
            return server

        yield started


def start(server, channels, name, **params):
    """Begins a stream of that name, whose source goes on until the server ends."""
    publisher = subprocess.Popen(
        [PROGRAM, "trickle", "publish", f"{channels}{name}", "lavfi:testsrc2=size=640x360:rate=30"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    urls = {f"{kind}_url": f"{channels}{name}-{kind}" for kind in ("publish", "control", "events")}

    async def create():
        for url in urls.values():
            await TricklePublisher(url, "x/y").create()

    asyncio.run(create())
    server.post("/live-video-to-video", {"subscribe_url": f"{channels}{name}", **urls, "params": params})
    return publisher, urls


async def segments(url, path):
    """The pts of the pictures of each segment of a channel, from the next one on."""
    async with TrickleSubscriber(url) as subscriber:
        while segment := await subscriber.next():
            data = b""
            while piece := await segment.read():
                data += piece
            path.write_bytes(data)
            shown = subprocess.run(
                ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts", "-of", "csv=p=0",
                 path],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            yield sorted(int(line.rstrip(",")) for line in shown.stdout.split())


async def until_shown(url, path, wanted):
    """Waits for a segment whose pictures are wanted."""
    async for pts in segments(url, path):
        if wanted(pts):
            return
    raise AssertionError("the channel is over")


def has_copies(pts):
    """Whether one input has two outputs: they are half of a thirtieth of a second apart, and inputs are not."""
    return any(later - earlier == 1500 for earlier, later in itertools.pairwise(pts))


async def event(url, wanted):
    """The first event that is wanted."""
    async with TrickleSubscriber(url) as subscriber:
        while segment := await subscriber.next():
            data = b""
            while piece := await segment.read():
                data += piece
            if data and wanted(said := json.loads(data)["event"]):
                return said
    raise AssertionError("the channel is over")


async def tell(publisher, params):
    async with await publisher.next() as segment:
        await segment.write(json.dumps(params).encode())


def test_the_guides_package_runs_live_and_takes_parameters(environment, serve, tmp_path):
    server = serve([environment, "-m", "app.main", "--json"], PIPELINE="my-pipeline", MODEL_ID="my-pipeline")
    listening = json.loads(server.process.stdout.readline())
    server.url = listening["url"]
    server.until_said("state OFFLINE")
    publisher, urls = start(server, listening["trickle"], "guide", strength=0.5)

    async def live():
        await until_shown(urls["publish_url"], tmp_path / "segment.ts", bool)
        control = TricklePublisher(urls["control_url"], "application/json")
        refused = asyncio.create_task(
            event(urls["events_url"], lambda it: it["type"] == "error" and "updating" in it["message"])
        )
        await tell(control, {"strength": 1.0})
        await asyncio.to_thread(server.until_said, "Updating params: {'strength': 1.0")
        await tell(control, {"strength": 3.0})
        assert "strength" in (await refused)["message"]
        await until_shown(urls["publish_url"], tmp_path / "segment.ts", bool)

    try:
        asyncio.run(asyncio.wait_for(live(), WITHIN))
    finally:
        publisher.terminate()
        publisher.wait()
    version = json.load(urllib.request.urlopen(server.url + "/version", timeout=10))
    assert (version["pipeline"], version["model_id"]) == ("my-pipeline", "my-pipeline")
    assert server.close() == 143


def test_a_package_with_its_own_main_reloads_by_a_task_and_gives_several_pictures(environment, serve, tmp_path):
    server = serve([environment.with_name("task-pipeline")])
    server.url = server.process.stdout.readline().split()[-1]
    channels = server.process.stdout.readline().split()[-1]
    server.until_said("state OFFLINE")
    publisher, urls = start(server, channels, "task", brightness=0.25, copies=2)

    async def live():
        await until_shown(urls["publish_url"], tmp_path / "segment.ts", has_copies)
        control = TricklePublisher(urls["control_url"], "application/json")
        await tell(control, {"model": "large", "copies": 1})
        await asyncio.to_thread(server.until_said, "reloading large")
        await until_shown(urls["publish_url"], tmp_path / "segment.ts", lambda pts: pts and not has_copies(pts))

    try:
        asyncio.run(asyncio.wait_for(live(), WITHIN))
    finally:
        publisher.terminate()
        publisher.wait()
