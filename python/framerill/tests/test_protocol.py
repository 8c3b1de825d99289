"""A real worker process against the schema's pages, message by message."""

import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
from parent import TIMEOUT, Media, Worker, sealed

from framerill import _descriptor as wire


def test_hello_comes_first_and_heartbeats_unasked():
    with Worker() as worker:
        hello = worker.read()
        assert (hello["type"], hello["protocol"], hello["role"]) == ("hello", 1, "worker")
        assert (hello["name"], hello["language"]) == ("framerill-worker", "python")
        assert hello["pid"] == worker.process.pid
        assert [worker.wait_for("heartbeat")["seq"] for _ in range(2)] == [0, 1]


def test_load_describes_the_pipeline(target):
    with Worker() as worker:
        description = worker.load(target("Tunable"))["description"]
    assert description["name"] == "tunable"
    assert description["summary"] == "Adds an amount; a new `model` needs a reload."
    assert (description["language"], description["origin"]) == ("python", "file")
    assert description["target"] == target("Tunable")
    assert description["defaults"] == {"amount": 0, "model": "small", "ratio": 0.5}
    assert description["params_schema"]["properties"]["amount"]["maximum"] == 10
    assert (description["pixel_format"], description["history"], description["audio"]) == ("rgb24", 4, False)
    assert (description["shareable"], description["max_frame_time"]) == (False, 10.0)


def test_what_a_pipeline_logs_keeps_its_level_and_reported_errors_are_told(target):
    with Worker() as worker:
        number = worker.ask("load", pipeline=target("Talkative"))
        said = []
        while not said or said[-1].get("id") != number:
            said.append(worker.read())
    logged = [(it["level"], it["message"]) for it in said if it["type"] == "log"]
    assert logged == [
        ("info", "talkative: two"),
        ("info", "talkative: lines"),
        ("warn", "of the root"),
        ("error", "talkative: 7 is told"),
    ]
    reported = [it for it in said if it["type"] == "error"]
    assert [(it["code"], it["message"], it["fatal"]) for it in reported] == [("reported", "7 is told", False)]


def test_debug_records_are_said_when_verbose(target):
    with Worker(env={**os.environ, "VERBOSE_LOGGING": "1"}) as worker:
        worker.ask("load", pipeline=target("Talkative"))
        assert worker.wait_for("log") == {"type": "log", "level": "debug", "message": "talkative: not said"}


def test_describe_loads_nothing(target):
    with Worker() as worker:
        answer = worker.call("describe", "description", pipeline=target("LoadsForEver"))
        assert answer["description"]["name"] == "loads-for-ever"
        worker.load(target("Noop"))


def test_requests_out_of_order_are_refused_and_the_worker_goes_on(target):
    with Worker() as worker:
        assert worker.call("update", "error", params={})["code"] == "not_loaded"
        assert worker.call("sing", "error")["code"] == "unknown_message"
        assert worker.call("load", "error", pipeline="no-such-pipeline")["code"] == "unknown_pipeline"
        worker.load(target("Noop"))
        assert worker.call("load", "error", pipeline=target("Noop"))["code"] == "already_loaded"
        assert worker.call("load", "error", pipeline=7)["code"] == "protocol"


def test_wrong_parameters_name_field_rule_and_value(target):
    with Worker() as worker:
        answer = worker.call("load", "error", pipeline=target("Tunable"), params={"ratio": 1.5, "amont": 3})
        assert (answer["code"], answer["fatal"]) == ("params", False)
        ratio, unknown = answer["problems"]
        assert (ratio["field"], ratio["rule"], ratio["value"]) == ("ratio", "less_than_equal 1.0", 1.5)
        assert ratio["message"] == "`ratio`: input should be less than or equal to 1, got 1.5"
        assert (unknown["field"], unknown["rule"]) == ("amont", "extra_forbidden")
        assert "did you mean `amount`?" in unknown["message"]
        worker.load(target("Tunable"), ratio=0.25)


def test_an_update_is_applied_rejected_or_reloads(target):
    with Worker() as worker:
        worker.load(target("Tunable"), amount=1)
        media = Media(worker)
        assert media.sample(media.round_trip(0, 10)) == 10 + 1 + len("small")
        worker.call("update", "applied", params={"amount": 3})
        assert media.sample(media.round_trip(1, 10)) == 10 + 3 + len("small")
        assert worker.call("update", "rejected", params={"amount": 11})["problems"][0]["field"] == "amount"
        refused = worker.call("update", "rejected", params={"amount": 7})["problems"][0]
        assert (refused["field"], refused["value"], refused["message"]) == ("amount", 7, "seven is refused")
        assert media.sample(media.round_trip(2, 10)) == 10 + 3 + len("small")
        worker.call("update", "reloading", params={"model": "larger"})
        assert worker.wait_for("ready")["id"] == worker.asked
        assert media.sample(media.round_trip(3, 10)) == 10 + 3 + len("larger")
        worker.call("update", "reloading", params={"model": "huge", "amount": 0})
        assert worker.wait_for("ready")["id"] == worker.asked


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (2, "SystemExit: leaving"),
        (4, "KeyError: 'four'"),
        (5, "OwnError: own words"),
        (6, "CancelledError"),
        (8, "`bool`"),
        (9, "shape (2, 2)"),
    ],
)
def test_an_update_that_fails_is_refused_and_the_parameters_stay(target, amount, told):
    with Worker() as worker:
        worker.load(target("Tunable"), amount=1)
        media = Media(worker)
        problem = worker.call("update", "rejected", params={"amount": amount})["problems"][0]
        assert (problem["field"], problem["rule"]) == ("amount", "pipeline")
        assert told in problem["message"]
        assert media.sample(media.round_trip(0, 10)) == 10 + 1 + len("small")


def test_what_no_except_catches_is_told_and_nobodys_thread_is_waited_for(target):
    with Worker() as worker:
        answer = worker.call("load", "error", pipeline=target("Leaves"), params={"where": "load"})
        assert (answer["code"], answer["fatal"]) == ("load_failed", False)
        assert "OwnError: own words" in answer["message"]
        worker.load(target("Leaves"))
        Media(worker).frame(0)
        error = worker.wait_for("error")
        assert (error["code"], error["message"]) == (
            "process_failed",
            "`leaves` failed in `process`: OwnError: own words",
        )
        assert worker.exit_code() == 1


def test_parameters_that_json_does_not_know_can_be_described(target):
    with Worker() as worker:
        told = worker.call("describe", "description", pipeline=target("Unlikely"))["description"]["defaults"]
        assert told["far"] is None
        assert "xff" in told["raw"]
        worker.load(target("Unlikely"))


def test_rules_of_parameters_that_fail_refuse_them(target):
    with Worker() as worker:
        worker.load(target("FailingRules"))
        for amount, told in ((3, "KeyError: 3"), (4, "SystemExit: 4")):
            problem = worker.call("update", "rejected", params={"amount": amount})["problems"][0]
            assert told in problem["message"]
        worker.call("update", "applied", params={"amount": 0})


def test_a_load_is_announced_as_long_work_and_can_be_abandoned(target):
    with Worker() as worker:
        worker.ask("load", pipeline=target("LoadsForEver"))
        while worker.wait_for("heartbeat").get("busy") != f"loading {target('LoadsForEver')}":
            pass
        worker.call("drain", "drained")
        assert worker.exit_code() == 0


def test_a_failed_load_is_answered_with_its_traceback(target):
    with Worker() as worker:
        answer = worker.call("load", "error", pipeline=target("Tunable"), params={"model": "broken"})
        assert (answer["code"], answer["fatal"]) == ("load_failed", False)
        assert "the model is broken" in answer["message"]
        assert "in load" in answer["traceback"]
        worker.load(target("Tunable"))


def test_a_failed_reload_is_fatal_and_told_as_a_load(target):
    with Worker() as worker:
        worker.load(target("Tunable"))
        worker.call("update", "reloading", params={"model": "broken"})
        error = worker.wait_for("error")
        assert (error["code"], error["fatal"], error["id"]) == ("load_failed", True, None)
        assert error["message"].startswith("`tunable` failed in `load`: ")
        assert worker.exit_code() == 1


def test_a_failed_import_is_answered_with_its_traceback_and_what_to_install(target):
    with Worker(env={"FRAMERILL_TEST_IMPORT": "1"}) as worker:
        answer = worker.call("load", "error", pipeline=target("Noop"))
        assert answer["code"] == "import_failed"
        assert "no_such_module_anywhere" in answer["traceback"]
        assert "pip install no_such_module_anywhere" in answer["hint"]


def test_every_frame_is_answered_in_order_and_slots_come_back(target):
    with Worker() as worker:
        worker.load(target("Invert"))
        media = Media(worker)
        slots = set()
        for frame in range(100):
            answer = media.round_trip(frame, frame)
            assert (answer.parents, answer.nth, answer.of, answer.pts) == ([frame], 0, 1, frame * 3000)
            assert (answer.tb_num, answer.tb_den, answer.process_ns > 0, answer.sent_ns > 0) == (1, 90_000, True, True)
            assert media.sample(answer) == 255 - frame
            slots.add(answer.slot)
            media.send(wire.release(answer.slot))
        assert len(slots) <= 2


def test_an_untouched_frame_is_passed_without_a_copy(target):
    with Worker() as worker:
        worker.load(target("Noop"))
        media = Media(worker)
        media.frame(0, 5, 1, flags=wire.DISCONTINUITY)
        answer, release = media.read(), media.read()
        assert (answer.flags, answer.slot) == (wire.PASSTHROUGH | wire.DISCONTINUITY, 5)
        assert (release.type, release.slot) == (wire.RELEASE, 5)


def test_several_answers_share_a_frame(target):
    with Worker() as worker:
        worker.load(target("Doubles"))
        media = Media(worker)
        media.frame(0, 3, 10)
        first, second, release = media.read(), media.read(), media.read()
        assert [(it.nth, it.of, it.parents) for it in (first, second)] == [(0, 2, [0]), (1, 2, [0])]
        assert media.sample(first) == 245
        assert (second.flags, second.slot) == (wire.PASSTHROUGH, 3)
        assert release.type == wire.RELEASE


def test_more_answers_than_slots_wait_for_releases(target):
    with Worker() as worker:
        worker.load(target("Many"))
        media = Media(worker)
        media.frame(0, 0, 0)
        for level in range(20):
            answer = media.read()
            assert (answer.nth, answer.of, media.sample(answer)) == (level, 20, level)
            media.send(wire.release(answer.slot))
        assert media.read().type == wire.RELEASE


def test_a_detach_ends_a_stream_that_waits_for_slots(target):
    with Worker() as worker:
        worker.load(target("Many"))
        media = Media(worker)
        media.frame(0, 0, 0)
        for _ in range(6):
            assert media.read().type == wire.FRAME
        ended = worker.call("detach", "detached", stream="s")
        assert (ended["stream"], ended["incarnation"]) == ("s", 1)


def test_flush_skips_what_waits_and_is_answered_with_its_serial(target):
    with Worker() as worker:
        worker.load(target("Remembers"))
        media = Media(worker)
        media.send(wire.flush(77))
        answer = media.read()
        assert (answer.type, answer.frame) == (wire.FLUSH, 77)
        assert media.sample(media.round_trip(0)) == 1
        worker.call("flush", "flushed", stream="s")
        assert media.sample(media.round_trip(1)) == 2


def test_eos_is_answered_after_the_last_frame(target):
    with Worker() as worker:
        worker.load(target("Noop"))
        media = Media(worker)
        media.frame(0, 0, 0)
        media.frame(1, 1, 0)
        media.send(wire.eos())
        assert [it.parents for it in media.until(wire.EOS) if it.type == wire.FRAME] == [[0], [1]]


def test_sound_goes_through_process_audio_and_pictures_can_be_skipped(target):
    with Worker() as worker:
        worker.load(target("Quieter"))
        media = Media(worker)
        media.memory[:8] = struct.pack("<4h", 100, -100, 2000, 40)
        media.frame(0, 0, kind=wire.AUDIO, nbytes=8, format=16, width=48_000, height=2)
        answer, _ = media.read(), media.read()
        assert (answer.kind, answer.nbytes, answer.format, answer.width, answer.height) == (1, 8, 16, 48_000, 2)
        at = answer.slot * media.output_bytes
        assert struct.unpack("<4h", media.outputs[at : at + 8]) == (50, -50, 1000, 20)
        skip = media.round_trip(1)
        assert (skip.type, skip.frame, skip.reason) == (wire.SKIP, 1, wire.CHOSEN)


def test_a_kept_view_keeps_the_lease_and_its_end_gives_the_slot_back(target):
    with Worker() as worker:
        worker.load(target("Collects"))
        media = Media(worker)
        for frame in range(3):
            media.frame(frame, frame, 0)
            assert media.read().type == wire.FRAME
        worker.call("update", "applied", params={"keep": False})
        assert {(media.read().type, media.read().type, media.read().type)} == {(wire.RELEASE,) * 3}


def test_past_its_history_frames_come_as_copies_which_is_said_once(target):
    with Worker() as worker:
        worker.load(target("Collects"))
        media = Media(worker)
        kept = 5  # the history of 4 and the frame at work
        for frame in range(kept):
            media.frame(frame, frame, 0)
            assert media.read().type == wire.FRAME
        for frame in range(kept, kept + 5):
            media.frame(frame, 7, 0)
            messages = {it.type: it for it in (media.read(), media.read())}
            assert messages[wire.RELEASE].slot == 7
            assert not messages[wire.FRAME].flags & wire.PASSTHROUGH
            media.send(wire.release(messages[wire.FRAME].slot))
        assert "more than 4 frames" in worker.wait_for("log")["message"]
        while worker.wait_for("stats", "log")["stats"]["copies"] != 5:
            pass


def test_a_closed_link_detaches_and_the_worker_takes_another(target):
    with Worker() as worker:
        worker.load(target("Noop"))
        Media(worker).close()
        ended = worker.wait_for("detached")
        assert (ended["id"], ended["stream"], ended["incarnation"]) == (None, "s", 1)
        Media(worker, incarnation=2).round_trip(0)


@pytest.mark.parametrize("pipeline", ["Noop", "Invert"])
def test_a_stream_that_is_detached_leaves_no_pool_behind(target, pipeline):
    with Worker() as worker:
        worker.load(target(pipeline))
        media = Media(worker)
        media.round_trip(0)
        pools = Path(f"/proc/{worker.process.pid}/maps")
        assert "memfd" in pools.read_text()
        deadline = time.monotonic() + TIMEOUT
        worker.call("detach", "detached", stream="s")
        while "memfd" in pools.read_text():
            assert time.monotonic() < deadline
            # It does what it has to before the next answer, or before the one after that.
            worker.call("detach", "detached", stream="s")


def test_two_streams_are_served_side_by_side(target):
    with Worker() as worker:
        worker.load(target("Noop"))
        one, two = Media(worker, stream="one"), Media(worker, stream="two")
        for frame in range(5):
            one.round_trip(frame)
            two.round_trip(frame)
        worker.call("detach", "detached", stream="one")
        two.round_trip(5)
        with pytest.raises((EOFError, ConnectionError)):
            one.read()


@pytest.mark.parametrize(
    "fields",
    [{"slot": 8}, {"width": 33}, {"tb_den": 0}, {"type": wire.POOL}, {"magic": 1}, {"type": wire.RELEASE, "slot": 3}],
    ids=str,
)
def test_a_broken_rule_ends_the_link_and_not_the_worker(target, fields):
    with Worker() as worker:
        worker.load(target("Noop"))
        media = Media(worker)
        usual = {
            "frame": 0,
            "nbytes": media.bytes,
            "tb_num": 1,
            "tb_den": 90_000,
            "format": 1,
            "width": 32,
            "height": 16,
        }
        media.send(wire.Descriptor(**{**usual, **fields}).encode())
        error = worker.wait_for("error")
        assert (error["code"], error["fatal"], error["id"]) == ("link", False, None)
        assert worker.wait_for("detached")["id"] is None
        with pytest.raises((EOFError, ConnectionError)):
            media.read()
        Media(worker, incarnation=2).round_trip(0)


@pytest.mark.parametrize("seals", [0, 0x2 | 0x4, 0x10])
def test_a_pool_that_is_not_sealed_is_refused(target, seals):
    with Worker() as worker:
        worker.load(target("Noop"))
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = worker.ask("attach", [far.fileno()], stream="s", incarnation=1)
        fd, _memory = sealed(8 * 4096, seals)
        socket.send_fds(near, [wire.pool(8, 4096, 1, 32, 16)], [fd])
        error = worker.wait_for("error")
        assert (error["id"], error["code"], error["fatal"]) == (asked, "link", False)
        assert "not sealed" in error["message"]


def test_a_pool_shorter_than_it_says_is_refused(target):
    with Worker() as worker:
        worker.load(target("Noop"))
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker.ask("attach", [far.fileno()], stream="s", incarnation=1)
        fd, _memory = sealed(4096)
        socket.send_fds(near, [wire.pool(8, 4096, 1, 32, 16)], [fd])
        assert "4096 bytes instead of 32768" in worker.wait_for("error")["message"]


def test_a_failing_process_is_fatal_and_shows_the_whole_traceback(target):
    with Worker() as worker:
        worker.load(target("Raises"))
        Media(worker).frame(0, 0, 0)
        error = worker.wait_for("error")
        assert (error["code"], error["fatal"], error["id"]) == ("process_failed", True, None)
        assert error["message"] == "`raises` failed in `process`: ValueError: a frame that names itself"
        assert "in process" in error["traceback"]
        assert "in deeper" in error["traceback"]
        assert worker.exit_code() == 1


def test_what_an_exception_says_is_told_whatever_its_text_is(target):
    with Worker() as worker:
        worker.load(target("Unspeakable"))
        refused = worker.call("update", "rejected", params={"text": "x"})["problems"][0]
        assert refused["message"] == "half a pair: ?"
        Media(worker).frame(0, 0, 0)
        error = worker.wait_for("error")
        assert error["code"] == "process_failed"
        told = "`unspeakable` failed in `process`: MuteError: <its text cannot be had: RuntimeError>"
        assert error["message"] == told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Nothing", "not None; return Skip(reason)"),
        ("WrongSize", "expected an array of shape (16, 32, 3) of uint8 (rgb24), got shape (2, 2, 3) of uint8"),
    ],
)
def test_a_wrong_answer_is_fatal_and_says_what_was_expected(target, name, said):
    with Worker() as worker:
        worker.load(target(name))
        Media(worker).frame(0, 0, 0)
        error = worker.wait_for("error")
        assert (error["code"], error["fatal"]) == ("bad_output", True)
        assert said in error["message"]
        assert worker.exit_code() == 1


def test_bye_and_the_end_of_the_parent_are_obeyed_while_a_pipeline_hangs(target):
    for leave in (lambda it: it.send({"type": "bye"}), lambda it: it.socket.shutdown(socket.SHUT_RDWR)):
        with Worker(stderr=subprocess.PIPE) as worker:
            worker.load(target("Hangs"))
            Media(worker).frame(0, 0, 0)
            assert worker.process.stderr.readline() == b"hanging\n"
            leave(worker)
            assert worker.exit_code() == 0


def test_a_drain_waits_for_a_hanging_pipeline_no_longer_than_its_frame_time(target):
    with Worker(stderr=subprocess.PIPE) as worker:
        worker.load(target("Hangs"))
        Media(worker).frame(0, 0, 0)
        assert worker.process.stderr.readline() == b"hanging\n"
        worker.call("drain", "drained")
        assert worker.exit_code() == 0


def test_a_drain_finishes_what_was_accepted(target):
    with Worker() as worker:
        worker.load(target("Invert"))
        media = Media(worker)
        for frame in range(5):
            media.frame(frame, frame, frame)
        asked = worker.ask("drain")
        answers = []
        while len(answers) < 5:
            message = media.read()
            answers.extend(message.parents)
        assert worker.wait_for("drained")["id"] == asked
        assert answers == [0, 1, 2, 3, 4]
        assert worker.exit_code() == 0


def test_what_a_pipeline_prints_is_log_and_descriptor_0_is_empty(target):
    with Worker(stderr=subprocess.PIPE) as worker:
        worker.load(target("Prints"))
        Media(worker).round_trip(0)
        assert worker.process.stderr.readline() == b"said on stdout True /dev/null\n"


def test_with_a_control_descriptor_the_terminal_stays_the_authors(target):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with Worker(control="FRAMERILL_CONTROL_FD", **pipes) as worker:
        worker.process.stdin.write(b"typed\n")
        worker.process.stdin.close()
        worker.load(target("Prints"))
        Media(worker).round_trip(0)
        worker.call("drain", "drained")
        assert worker.process.stdout.readline().startswith(b"said on stdout False /proc/")


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 0),
        struct.pack("<I", (24 << 20) + 1),
        struct.pack("<I", 0xFFFF_FFFF),
        struct.pack("<I", 4) + b"\x00\x01no",
        struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 40_000) + b"[" * 40_000,
    ],
    ids=["zero", "too long", "far too long", "no json", "no object", "deep"],
)
def test_a_broken_protocol_ends_with_code_two(data):
    with Worker() as worker:
        assert worker.read()["type"] == "hello"
        worker.send_raw(data)
        error = worker.wait_for("error")
        assert (error["code"], error["fatal"]) == ("protocol", True)
        assert worker.exit_code() == 2


@pytest.mark.parametrize(("sent", "announced"), [(1, 0), (0, 1), (2, 1)])
def test_descriptors_that_were_not_announced_end_with_code_two(sent, announced):
    with Worker() as worker:
        worker.send({"type": "drain", "id": 1}, [2] * sent, announced)
        assert worker.wait_for("error")["code"] == "protocol"
        assert worker.exit_code() == 2


def test_an_async_pipeline_keeps_one_loop_and_its_tasks_run_between_frames(target):
    with Worker() as worker:
        worker.load(target("Async"))
        media = Media(worker)
        for frame in range(10):
            answer = media.round_trip(frame, 5)
            assert media.sample(answer) == 250
            media.send(wire.release(answer.slot))
        worker.call("drain", "drained")
        assert worker.exit_code() == 0


def test_started_by_hand_it_says_what_to_do_instead():
    done = subprocess.run(
        [os.sys.executable, "-m", "framerill.worker", "x.py"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "framerill run clip.mp4 --pipeline" in done.stderr
