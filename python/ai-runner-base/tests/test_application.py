"""What starts the program `framerill`, with which arguments; prepare mode; and real runners behind it."""

import contextlib
import http.client
import importlib
import importlib.util
import json
import os
import queue
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from programs import PROGRAM, needs_program

from ai_runner_base import application, child, prepare, program
from ai_runner_base.batch import HealthCheck, Pipeline, Version
from runner.live.pipelines.noop import Noop

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
FAKE = HERE / "fake_framerill.py"
SETTINGS = ("HOST", "PORT", "PIPELINE", "MODEL_ID", "PREPARE_MODELS", "AUTO_INSTALL_PIPELINE", "AUTH_TOKEN",
            "FRAMERILL_BIN", "FRAMERILL_HOST", "FRAMERILL_PORT", "FRAMERILL_PYTHON")  # fmt: skip


@pytest.fixture
def env(tmp_path):
    """Variables of a process that finds the stand-in, and nothing of this machine's settings."""
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**clean, "FRAMERILL_BIN": str(FAKE), "FAKE": str(tmp_path / "told")}


def run(arguments, env, **options):
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=60, **options)


def script(text, env, *arguments):
    return run(["-c", textwrap.dedent(text), *arguments], env)


@contextlib.contextmanager
def running(arguments, env, **options):
    """A process that is ended with the block, however that ends."""
    with subprocess.Popen([sys.executable, *arguments], env=env, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def told(env):
    """How the stand-in was started, each time."""
    path = Path(env["FAKE"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def has_ended(process):
    """Whether the process of a pidfd, which is closed, ends within ten seconds."""
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


def test_the_program_is_named_or_beside_this_python_or_on_the_path(tmp_path):
    beside, elsewhere = tmp_path / "bin", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
        (folder / "framerill").symlink_to("/bin/true")
    python = str(beside / "python")
    path = {"PATH": str(elsewhere)}
    assert program.find({**path, "FRAMERILL_BIN": "/bin/true"}, python) == "/bin/true"
    assert program.find(path, python) == str(beside / "framerill")
    (beside / "framerill").unlink()
    assert program.find(path, python) == str(elsewhere / "framerill")
    with pytest.raises(program.ProgramMissing, match="FRAMERILL_BIN is `/nothing`"):
        program.find({"FRAMERILL_BIN": "/nothing"}, python)
    with pytest.raises(program.ProgramMissing, match=r"neither beside .* nor on the PATH"):
        program.find({"PATH": str(beside)}, python)


def test_python_m_main_becomes_the_server_and_listens_everywhere(root, env):
    env["MODEL_ID"] = "noop"
    done = run(["-m", f"{root}.main", "--port", "9"], env)
    assert done.returncode == 0, done.stderr
    assert told(env) == [
        {
            "argv": ["serve", "--port", "9"],
            "env": {"FRAMERILL_DEFAULT_HOST": "0.0.0.0", "MODEL_ID": "noop", "FRAMERILL_PYTHON": sys.executable},
        }
    ]


def test_an_address_and_a_python_that_are_named_stay(root, env):
    done = run(["-m", f"{root}.main"], {**env, "HOST": "127.0.0.1", "FRAMERILL_PYTHON": "other", "FAKE_EXIT": "3"})
    assert done.returncode == 3
    (it,) = told(env)
    assert it["argv"] == ["serve"]
    assert (it["env"]["HOST"], it["env"]["FRAMERILL_PYTHON"]) == ("127.0.0.1", "other")


@pytest.mark.parametrize("how", [["-m", "app.main"], ["-c", "from runner.app import start_app; start_app()"]])
def test_without_the_program_it_says_what_to_do(env, how):
    done = run(how, {**env, "FRAMERILL_BIN": "/nothing"})
    assert (done.returncode, done.stdout) == (3, "")
    assert (
        done.stderr == "error: FRAMERILL_BIN is `/nothing`, which is no program; name the program `framerill` with it\n"
    )


def test_start_app_serves_a_spec_where_it_is_asked_to_and_returns(root, env):
    done = script(
        f"""
        from {root}.app import start_app
        from {root}.live.pipelines import PipelineSpec
        spec = PipelineSpec(pipeline_cls="mine:MyPipeline", initial_params={{"a": 1}})
        start_app(spec, "127.0.0.1", 9, log_level="info")
        start_app(host="::1")
        start_app()
        print("returned")
        """,
        env,
    )
    assert (done.returncode, done.stdout) == (0, "returned\n"), done.stderr
    assert "passed over: log_level" in done.stderr
    assert {it["env"]["FRAMERILL_DEFAULT_HOST"] for it in told(env)} == {"0.0.0.0"}
    spec, *others = [it["argv"] for it in told(env)]
    assert json.loads(spec.pop(2)) == {"name": "my", "pipeline_cls": "mine:MyPipeline", "initial_params": {"a": 1}}
    assert spec == ["serve", "--pipeline", "--host", "127.0.0.1", "--port", "9", "--json"]
    assert others == [["serve", "--host", "::1", "--json"], ["serve", "--json"]]


def test_a_live_pipeline_is_begun_once_where_start_app_is_asked_to_serve_it(root, env):
    done = script(
        f"""
        from {root}.app import start_app
        from {root}.live.pipelines import PipelineSpec
        from {root}.pipelines.live_video_to_video import LiveVideoToVideoPipeline
        start_app(LiveVideoToVideoPipeline(PipelineSpec(pipeline_cls="mine:MyPipeline")), "127.0.0.1", 9)
        start_app(LiveVideoToVideoPipeline("noop"))
        """,
        env,
    )
    assert done.returncode == 0, done.stderr
    spec, name = [it["argv"] for it in told(env)]
    assert json.loads(spec.pop(2)) == {"name": "my", "pipeline_cls": "mine:MyPipeline", "initial_params": {}}
    assert spec == ["serve", "--pipeline", "--host", "127.0.0.1", "--port", "9", "--json"]
    assert name == ["serve", "--pipeline", "noop", "--json"]


def test_a_live_pipeline_that_is_asked_anything_is_begun_once_on_loopback(root, env):
    done = script(
        f"""
        from {root}.pipelines.live_video_to_video import LiveVideoToVideoPipeline
        pipeline = LiveVideoToVideoPipeline("noop")
        print(pipeline.child)
        assert pipeline.url == pipeline.url == "http://127.0.0.1:9"
        assert pipeline.begin() is pipeline.child
        pipeline.stop()
        """,
        {**env, "FAKE_WAITS": "1"},
    )
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
    assert [it["argv"] for it in told(env)] == [
        ["serve", "--pipeline", "noop", "--host", "127.0.0.1", "--port", "0", "--json"]
    ]


def test_start_app_passes_a_signal_on_and_a_failure_is_its_own(env):
    done = script("from runner.app import start_app; start_app(); print('no')", {**env, "FAKE_EXIT": "2"})
    assert (done.returncode, done.stdout) == (2, "")
    text = "from runner.app import start_app; start_app(); print('returned')"
    with running(["-c", text], {**env, "FAKE_WAITS": "1"}, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == "serving at http://127.0.0.1:9\n"
        server.send_signal(signal.SIGTERM)
        assert server.communicate(timeout=30)[0] == "returned\n"
        assert server.returncode == 0


def test_whoever_watches_a_server_hears_what_a_shell_would_say_of_its_end(env, monkeypatch):
    heard = queue.Queue()
    for name in ("FRAMERILL_BIN", "FAKE"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("FAKE_WAITS", "1")
    server = child.Child([], heard.put)
    assert server.url() == "http://127.0.0.1:9"
    server.signal(signal.SIGKILL)
    assert (heard.get(timeout=30), server.wait()) == (128 + signal.SIGKILL, 128 + signal.SIGKILL)


class Batch(Pipeline):
    name, router = "text-to-image", None

    def __init__(self, model_id, model_dir): ...
    def __call__(self, **kwargs): ...


class Other:
    """No pipeline, of the script that is run."""

    __module__ = "__main__"


NOOP = 'PipelineSpec(pipeline_cls="runner.live.pipelines.noop:Noop")'


@pytest.mark.parametrize("function", ["start_app", "create_app"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("invert", "not 'invert'; write LiveVideoToVideoPipeline('invert') instead"),
        ("mine:Mine", "not 'mine:Mine'; write PipelineSpec(pipeline_cls='mine:Mine') instead"),
        ({"pipeline_cls": "secret"}, "not a dict; write PipelineSpec(**it) instead"),
        (Batch, "not the class `Batch`; write an instance: Batch(...) instead"),
        (Noop, f"not the class `Noop`; write {NOOP} instead"),
        (Noop(), f"not an instance of `Noop`; write {NOOP} instead"),
        (Other, 'not the class `Other`; write PipelineSpec(pipeline_cls="package.module:Class") instead'),
        (3, 'not an instance of `int`; write PipelineSpec(pipeline_cls="package.module:Class") instead'),
    ],
)
def test_what_is_no_pipeline_is_refused_with_what_to_write_instead(function, given, said):
    with pytest.raises(TypeError) as raised:
        getattr(application, function)(given)
    told = str(raised.value)
    assert told.startswith(f"{function} takes a PipelineSpec, a LiveVideoToVideoPipeline, another instance of `Pipelin")
    assert told.endswith(said)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_no_server_outlives_whoever_started_it(env, number):
    text = """
    import signal
    from app.pipelines.live_video_to_video import LiveVideoToVideoPipeline
    pipeline = LiveVideoToVideoPipeline("noop")
    print(pipeline.begin().pid, pipeline.url, flush=True)
    signal.pause()
    """
    waits = {**env, "FAKE_WAITS": "1"}
    with running(["-c", textwrap.dedent(text)], waits, stdout=subprocess.PIPE) as owner:
        pid = int(owner.stdout.readline().split()[0])
        server = os.pidfd_open(pid)
        owner.send_signal(number)
        owner.wait(30)
    assert has_ended(server), "the server is still there"


PREPARED = """
from {root}.live.pipelines.noop import Noop
class Prepares(Noop):
    @classmethod
    def prepare_models(cls):
        print("prepared", flush=True)
class PreparesLater(Noop):
    @classmethod
    async def prepare_models(cls):
        print("prepared", flush=True)
class Fails(Noop):
    @classmethod
    def prepare_models(cls):
        raise RuntimeError("no disk")
class Exits(Noop):
    @classmethod
    def prepare_models(cls):
        raise SystemExit(3)
class ExitsWell(Noop):
    @classmethod
    async def prepare_models(cls):
        raise SystemExit(0)
class Cancels(Noop):
    @classmethod
    def prepare_models(cls):
        raise GeneratorExit
"""
START = "from {root}.app import start_app\nfrom {root}.live.pipelines import PipelineSpec\n"


@pytest.mark.parametrize(
    "pipeline",
    [
        "PipelineSpec(pipeline_cls='its_pipelines:Prepares')",
        "PipelineSpec(pipeline_cls='its_pipelines:PreparesLater')",
        "__import__('{root}.pipelines.live_video_to_video', fromlist=['x']).LiveVideoToVideoPipeline("
        "PipelineSpec(pipeline_cls='its_pipelines:Prepares'))",
    ],
)
@pytest.mark.parametrize(("arguments", "more"), [([], {"PREPARE_MODELS": "1"}), (["--prepare-models"], {})])
def test_prepare_mode_prepares_whatever_start_app_is_given_and_serves_nothing(
    root, env, tmp_path, pipeline, arguments, more
):
    (tmp_path / "its_pipelines.py").write_text(PREPARED.format(root=root))
    env = {**env, **more, "PYTHONPATH": str(tmp_path)}
    done = script(f"{START}start_app({pipeline})\nprint('returned')".format(root=root), env, *arguments)
    assert (done.returncode, done.stdout) == (0, "prepared\nreturned\n"), done.stderr
    assert told(env) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Fails", "RuntimeError: no disk"),
        ("Exits", "SystemExit: 3"),
        ("ExitsWell", "SystemExit: 0"),
        ("Cancels", "GeneratorExit"),
    ],
)
def test_preparing_that_fails_is_exit_code_1_with_the_authors_traceback(root, env, tmp_path, kind, said):
    (tmp_path / "its_pipelines.py").write_text(PREPARED.format(root=root))
    env = {**env, "PREPARE_MODELS": "1", "PYTHONPATH": str(tmp_path)}
    text = f"{START}start_app(PipelineSpec(pipeline_cls='its_pipelines:{kind}'))\nprint('returned')"
    text = text.format(root=root)
    done = script(text, env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "its_pipelines.py" in done.stderr
    assert said in done.stderr


def test_python_m_main_prepares_what_the_environment_names(root, env, tmp_path):
    (tmp_path / "its_pipelines.py").write_text(PREPARED.format(root=root))
    env = {**env, "PREPARE_MODELS": "1", "PYTHONPATH": str(tmp_path), "PIPELINE": "live-video-to-video"}
    done = run(["-m", f"{root}.main"], {**env, "MODEL_ID": "its_pipelines:Prepares"})
    assert (done.returncode, done.stdout, told(env)) == (0, "prepared\n", [])
    done = run(["-m", f"{root}.main"], {**env, "MODEL_ID": "its_pipelines:Fails"})
    assert (done.returncode, told(env)) == (1, [])
    # What is not installed here is framerill's to find, in an environment of its own.
    done = run(["-m", f"{root}.main"], {**env, "MODEL_ID": "elsewhere"})
    assert (done.returncode, told(env)[0]["argv"]) == (0, ["serve"])


def test_the_command_prepares_by_name_or_path(root, env, tmp_path):
    (tmp_path / "its_pipelines.py").write_text(PREPARED.format(root=root))
    env = {**env, "PYTHONPATH": str(tmp_path)}
    command = ["-m", f"{root}.tools.prepare_models", "--pipeline"]
    assert run([*command, "its_pipelines:Prepares", "--pipeline-name", "mine"], env).stdout == "prepared\n"
    assert run([*command, "its_pipelines:Fails"], env).returncode == 1
    done = run([*command, "nowhere:Nothing"], env)
    assert (done.returncode, "no module is called `nowhere`" in done.stderr) == (1, True)


def test_only_1_asks_to_prepare():
    assert prepare.is_asked({"PREPARE_MODELS": "1"}, [])
    assert prepare.is_asked({}, ["x", "--prepare-models"])
    for value in ("", "0", "true"):
        assert not prepare.is_asked({"PREPARE_MODELS": value}, ["--prepare"])


def test_operation_ids_are_the_routes_names(root):
    class Route:
        name, operation_id = "health", None

    class App:
        routes = (Route(), object())

    importlib.import_module(f"{root}.app").use_route_names_as_operation_ids(App)
    assert App.routes[0].operation_id == "health"


def test_a_batch_pipeline_is_well_unless_it_says_otherwise_and_needs_fastapi(root):
    assert Batch("m", "d").get_health() == HealthCheck(status="OK")
    assert Version(pipeline="p", model_id="m", version="1").model_dump() == {
        "pipeline": "p", "model_id": "m", "version": "1"
    }  # fmt: skip
    with pytest.raises(TypeError):
        Pipeline("m", "d")
    if importlib.util.find_spec("fastapi") is None:
        with pytest.raises(ImportError, match=r"pip install 'ai-runner-base\[batch\]'"):
            importlib.import_module(f"{root}.app").create_app(Batch("m", "d"))


# Real runners


needs_uvicorn = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="uvicorn is not installed")


@pytest.fixture
def real(monkeypatch, env):
    """The variables of a real runner, whose infer takes any free port."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMERILL_BIN", str(PROGRAM))
    monkeypatch.setenv("FRAMERILL_INTERNAL_PORT", "0")
    return dict(os.environ)


@needs_program
def test_a_live_pipeline_is_served_and_called(root, real, monkeypatch):
    monkeypatch.setenv("AUTH_TOKEN", "secret")
    live = importlib.import_module(f"{root}.pipelines.live_video_to_video")
    from ai_runner_base.live import InferenceError

    pipeline = live.LiveVideoToVideoPipeline("noop")
    try:
        assert pipeline.name == "live-video-to-video"
        assert pipeline.get_health().status in ("LOADING", "IDLE")
        nowhere = {"subscribe_url": "http://127.0.0.1:1/in", "publish_url": "http://127.0.0.1:1/out"}
        with pytest.raises(InferenceError, match=r"width.*not 500"):
            pipeline(**nowhere, params={"width": 500})
        with pytest.raises(InferenceError, match="configured with noop but called with other"):
            pipeline(**nowhere, model_id="other")
        answer = pipeline(**nowhere, request_id="r", manifest_id="m", stream_id="s")
        assert set(answer) >= {"subscribe_url", "publish_url", "request_id", "manifest_id"}
    finally:
        pipeline.stop()
    assert pipeline.child.is_over
    with pytest.raises(InferenceError, match="does not answer"):
        pipeline.get_health()


@needs_program
def test_a_runner_that_does_not_start_says_so(root, real):
    live = importlib.import_module(f"{root}.pipelines.live_video_to_video")
    from ai_runner_base.child import DidNotStart

    live.LiveVideoToVideoPipeline("noop").stop()
    with pytest.raises(ValueError, match="no pipeline is named"):
        importlib.import_module(f"{root}.main").load_pipeline("live-video-to-video", "")
    os.environ["FRAMERILL_CAPACITY"] = "none"
    try:
        with pytest.raises(DidNotStart, match="ended with exit code 2"):
            importlib.import_module(f"{root}.main").load_pipeline("noop").url  # noqa: B018
    finally:
        del os.environ["FRAMERILL_CAPACITY"]


def ask(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (("10.0.0.5", 8000), b"127.0.0.1:9"),
        (None, b"127.0.0.1:9"),
        (("127.0.0.1", 8000), b"runner:8000"),
        (("::1", 8000), b"runner:8000"),
    ],
)
def test_the_runner_behind_is_called_by_its_own_name_unless_the_caller_is_on_this_machine(server, host):
    from ai_runner_base.front import _head

    scope = {"method": "GET", "path": "/health", "query_string": b"a=b", "server": server,
             "headers": [(b"host", b"runner:8000"), (b"connection", b"upgrade"), (b"x-mine", b"1")]}  # fmt: skip
    assert _head(scope, "127.0.0.1:9").split(b"\r\n") == [
        b"GET /health?a=b HTTP/1.1", b"host: " + host, b"x-mine: 1", b"connection: close", b""
    ]  # fmt: skip


@needs_uvicorn
@pytest.mark.parametrize("code", [0, 1])
def test_uvicorn_prepares_and_ends_where_it_is_asked_to(root, env, code):
    env = {**env, "PREPARE_MODELS": "1", "MODEL_ID": "noop", "FAKE_EXIT": str(code)}
    done = run(["-m", "uvicorn", f"{root}.main:app", "--port", "0"], env)
    assert (done.returncode, [it["argv"] for it in told(env)]) == (code, [["serve", "--json"]])
    assert "Uvicorn running" not in done.stderr


@needs_program
@needs_uvicorn
def test_uvicorn_serves_the_runner_and_leaves_nothing_behind(root, real):
    env = {**real, "PIPELINE": "live-video-to-video", "MODEL_ID": "noop", "VERSION": "1.2.3"}
    with running(["-m", "uvicorn", f"{root}.main:app", "--port", "0"], env, stderr=subprocess.PIPE) as server:
        address = None
        for line in server.stderr:
            if "Uvicorn running on " in line:
                address = urlsplit(line.split("Uvicorn running on ")[1].split()[0])
                break
        assert address is not None
        children = Path(f"/proc/{server.pid}/task").glob("*/children")
        (child,) = [int(pid) for file in children for pid in file.read_text().split()]
        behind = os.pidfd_open(child)
        status, headers, body = ask(address, "GET", "/version")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body) == {"pipeline": "live-video-to-video", "model_id": "noop", "version": "1.2.3"}
        assert json.loads(ask(address, "GET", "/health/")[2])["status"] in ("LOADING", "IDLE")
        asked = json.dumps({"subscribe_url": "x" * 100_000}).encode()
        status, _, body = ask(address, "POST", "/live-video-to-video", asked, **{"Content-Type": "application/json"})
        assert (status, json.loads(body)["detail"][0]["loc"]) == (422, ["body", "publish_url"])
        assert ask(address, "GET", "/nothing?a=b")[::2] == (404, b'{"detail":"Not Found"}')
        assert ask(address, "POST", "/live-video-to-video")[0] == 422
        assert ask(address, "HEAD", "/health")[2] == b""
        # On loopback, a page that has made its name this machine's starts nothing.
        foreign = {"Host": "evil.example", "Content-Type": "application/json"}
        assert ask(address, "POST", "/live-video-to-video", b"{}", **foreign)[0] == 400
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        server.wait(30)
        assert "Application shutdown complete" in rest, rest
        assert has_ended(behind)


@needs_uvicorn
@pytest.mark.parametrize(("how", "code"), [("1", 7), ("killed", 128 + signal.SIGKILL)])
def test_uvicorn_ends_with_the_code_of_a_runner_that_gave_up(root, env, how, code):
    env = {**env, "FAKE_WAITS": "1", "FAKE_GIVES_UP": how}
    done = run(["-m", "uvicorn", f"{root}.main:app", "--port", "0"], env)
    assert "Application startup complete" in done.stderr
    assert done.returncode == code


@needs_program
@needs_uvicorn
def test_without_a_pipeline_uvicorn_does_not_start(root, real):
    done = run(["-m", "uvicorn", f"{root}.main:app", "--port", "0"], real)
    assert done.returncode != 0
    assert "`PIPELINE` is not set" in done.stderr


@needs_program
@pytest.mark.parametrize("server", [pytest.param("uvicorn", marks=needs_uvicorn), "main", "start_app", "call"])
def test_a_pipeline_that_nobody_has_starts_nothing_and_is_named_at_the_end(root, real, server):
    env = {**real, "PIPELINE": "live-video-to-video", "MODEL_ID": "nobody-has-this", "PORT": "0"}
    calls = (
        f"from {root}.main import load_pipeline\nload_pipeline('live-video-to-video', 'nobody-has-this').get_health()"
    )
    command, code = {
        "uvicorn": (["-m", "uvicorn", f"{root}.main:app", "--port", "0"], 3),
        "main": (["-m", f"{root}.main"], 2),
        "start_app": (["-c", f"from {root}.app import start_app; start_app()"], 2),
        "call": (["-c", calls], 1),
    }[server]
    done = run(command, env)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Application startup complete" not in done.stderr
    # Of uvicorn's own lines the last says no more than that it ends.
    last = [it for it in done.stderr.splitlines() if "Application startup failed" not in it][-1]
    assert "Unknown pipeline: nobody-has-this. Available pipelines: blur, " in last, done.stderr
