"""The bytes of the frame link, against the vectors that every language reads."""

import json
import random
from pathlib import Path

import pytest

from framerill import _descriptor as wire
from framerill.errors import LinkError

VECTORS = Path(__file__).resolve().parents[3] / "schema" / "frame-link.vectors.json"


def vectors():
    if not VECTORS.is_file():
        pytest.skip(f"{VECTORS} is not there: the Rust side writes it")
    return json.loads(VECTORS.read_text())


def fields_of(message):
    fields = message._asdict()
    fields["bytes"], fields["index"] = fields.pop("nbytes"), fields.pop("nth")
    return {**fields, "parents": message.parents}


def test_every_vector_unpacks_to_its_fields_and_packs_to_its_bytes():
    seen = set()
    for vector in vectors():
        data = bytes.fromhex(vector["hex"])
        message = wire.decode(data, len(data))
        fields = fields_of(message)
        assert {key: fields[key] for key in vector["fields"]} == vector["fields"], vector["name"]
        parents = vector["fields"]["parents"]
        given = {key: value for key, value in vector["fields"].items() if key not in ("parents", "bytes", "index")}
        packed = wire.Descriptor(
            **given,
            nbytes=vector["fields"]["bytes"],
            nth=vector["fields"]["index"],
            parents_len=len(parents),
            **{f"parent_{index}": parent for index, parent in enumerate(parents)},
        )
        assert packed.encode() == data, vector["name"]
        seen.add(message.type)
    assert seen == {1, 2, 3, 4, 5, 6, 7}


def test_the_short_messages_are_those_of_the_vectors():
    named = {vector["name"]: bytes.fromhex(vector["hex"]) for vector in vectors()}
    assert wire.release(5) == named["release"]
    assert wire.taken(12, 34_567) == named["taken"]
    assert wire.skip(9, wire.CHOSEN) == named["skip_chosen"]
    assert wire.skip(10, wire.LATE) == named["skip_late"]
    assert wire.flush(2) == named["flush"]
    assert wire.eos() == named["eos"]


@pytest.mark.parametrize("length", [0, 1, 127, 129])
def test_any_length_but_128_is_refused(length):
    with pytest.raises(LinkError, match=f"{length} bytes instead of 128"):
        wire.decode(bytes(129), length)


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(0, 0, "magic"), (4, 0, "type"), (4, 8, "type"), (5, 2, "kind"), (6, 4, "flags"), (64, 5, "parents")],
)
def test_codes_that_this_version_does_not_know_are_refused(offset, value, said):
    data = bytearray(wire.Descriptor().encode())
    data[offset] = value
    with pytest.raises(LinkError, match=said):
        wire.decode(data, len(data))


def test_random_bytes_are_refused_or_round_trip():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(2000):
        data = bytearray(chance.randbytes(128))
        data[:8] = bytes([*b"FRL1", chance.randrange(8), chance.randrange(3), chance.randrange(5), 0])
        data[64:68] = bytes([chance.randrange(6), 0, 0, 0])
        try:
            message = wire.decode(data, 128)
        except LinkError:
            continue
        assert message.encode() == data
