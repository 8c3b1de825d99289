"""The protocol's machines: which request is in order, and when a drain has taken too long."""

import itertools
import random

import pytest

from framerill._parent import DrainWatch
from framerill._session import Session

KNOWN = {
    "describe": {"pipeline": "x"},
    "load": {"pipeline": "x", "params": {}},
    "update": {"params": {}},
    "attach": {"stream": "s", "incarnation": 1},
    "detach": {"stream": "s"},
    "flush": {"stream": "s"},
    "drain": {},
    "bye": {},
}


def request(kind, **fields):
    return {"type": kind, "id": 1, **KNOWN.get(kind, {}), **fields}


def code(session, kind, fds=0, **fields):
    answer = session.judge(request(kind, **fields), fds)
    return answer and answer["code"]


@pytest.mark.parametrize("kind", ["update", "attach", "detach", "flush"])
def test_before_load_most_requests_are_refused(kind):
    assert code(Session(), kind, 1) == "not_loaded"


@pytest.mark.parametrize("kind", ["describe", "load", "drain", "bye"])
def test_before_load_these_are_in_order(kind):
    assert code(Session(), kind) is None


def test_load_is_in_order_once_and_again_after_it_failed():
    session = Session()
    assert code(session, "load") is None
    assert code(session, "load") == "already_loaded"
    session.load_failed()
    assert code(session, "load") is None


def test_nothing_but_bye_is_in_order_after_drain():
    session = Session()
    assert code(session, "load") is None
    assert code(session, "drain") is None
    assert {code(session, kind) for kind in KNOWN if kind != "bye"} == {"draining"}
    assert code(session, "bye") is None


def test_an_attach_carries_one_descriptor():
    session = Session()
    code(session, "load")
    assert [code(session, "attach", fds) for fds in (0, 1, 2)] == ["link", None, "link"]


@pytest.mark.parametrize("number", [None, -1, True, 1.5, "1", 1 << 64])
def test_an_id_is_a_whole_number(number):
    answer = Session().judge(request("load", id=number))
    assert (answer["code"], answer["id"]) == ("protocol", None)


def test_any_message_is_judged_without_a_failure():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    values = [None, 1, -1, "s", "load", [], {}, 1.5, True]
    for _ in range(3000):
        session = Session()
        for _ in range(4):
            message = {
                key: chance.choice([*values, *KNOWN])
                for key in ("type", "id", "pipeline", "params", "stream", "incarnation")
                if chance.random() < 0.8
            }
            answer = session.judge(message, chance.randrange(3))
            assert answer is None or answer["type"] == "error"


def test_a_drain_is_overdue_only_without_headway():
    done = itertools.count()
    watch = DrainWatch(lambda: next(done), lambda: 1.0)
    assert not any(watch.is_overdue(now) for now in range(100))
    watch = DrainWatch(lambda: 5, lambda: 1.0)
    assert [watch.is_overdue(now) for now in (10.0, 10.5, 11.0, 11.1)] == [False, False, False, True]
