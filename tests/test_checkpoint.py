import json
import math
import struct
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from potentiate import checkpoint
from potentiate.checkpoint import Shelf, facts, load, save, snapshot
from potentiate.errors import Refused

GOLDEN = Path(__file__).parent / "golden"


def bits(value):
    """Anything a state may hold as something whose == is bitwise and type for type."""
    if isinstance(value, torch.Tensor):
        dense = value.detach().contiguous().reshape(-1).view(torch.uint8)
        return ("tensor", value.dtype, tuple(value.shape), value.stride(), bytes(dense.tolist()))
    if isinstance(value, np.ndarray | np.generic):
        return (type(value), value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return ("dict", [(bits(k), bits(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return (type(value), [bits(v) for v in value])
    return (type(value), struct.pack(">d", value) if isinstance(value, float) else value)


TORCH_DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16),
    *(torch.uint32, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e8m0fnu),
]


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(TORCH_DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    size = math.prod(shape) * dtype.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    if dtype is torch.bool:
        raw = bytes(b & 1 for b in raw)
    flat = torch.tensor(list(raw), dtype=torch.uint8).view(dtype)
    order = draw(st.permutations(range(len(shape))))
    return flat.reshape(shape).permute(order)


ARRAYS = npst.arrays(
    st.one_of(
        npst.scalar_dtypes(),
        npst.unicode_string_dtypes(min_len=1, max_len=4),
        npst.byte_string_dtypes(min_len=1, max_len=4),
    ),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.binary(min_size=8, max_size=8).map(lambda raw: struct.unpack(">d", raw)[0]),
    st.text(),
    tensors(),
    ARRAYS,
    ARRAYS.filter(lambda a: a.size > 0).map(lambda a: a.reshape(-1)[0]),
)
KEYS = st.one_of(st.text(), st.sampled_from(["$tensor", "__metadata__", "a.b", "a"]), st.integers())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(state=TREES)
def test_any_tree_comes_back_bit_for_bit(tmp_path, state):
    assert bits(load(save(tmp_path / "any", state, facts={})).state) == bits(state)


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_every_dtype_scalar_empty_and_strided(tmp_path, dtype):
    raw = torch.arange(24 * dtype.itemsize, dtype=torch.uint8)
    grid = (raw % 2 if dtype is torch.bool else raw).view(dtype).reshape(4, 6)
    state = {"0-dim": grid[1, 1].clone(), "empty": grid[:0].clone(), "transposed": grid.t()}
    assert bits(load(save(tmp_path / "c", state, facts={})).state) == bits(state)


def test_channels_last_memory_order_is_kept(tmp_path):
    weight = torch.randn(8, 3, 5, 5).to(memory_format=torch.channels_last)
    back = load(save(tmp_path / "c", {"weight": weight}, facts={})).state["weight"]
    assert back.is_contiguous(memory_format=torch.channels_last)
    assert bits(back) == bits(weight)


def test_views_and_shared_storage_come_back_apart(tmp_path):
    base = torch.arange(12.0)
    state = {
        "base": base,
        "same": base,
        "head": base[:3],
        "step": base[::2],
        "wide": base[:1].expand(4),
    }
    back = load(save(tmp_path / "c", state, facts={})).state
    assert {key: value.tolist() for key, value in back.items()} == {
        "base": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        "same": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        "head": [0, 1, 2],
        "step": [0, 2, 4, 6, 8, 10],
        "wide": [0, 0, 0, 0],
    }
    back["base"].zero_()
    assert back["same"][1] == 1
    assert back["head"][1] == 1
    back["wide"][0] = 5.0
    assert back["wide"].tolist() == [5, 0, 0, 0]


def test_conjugate_views_and_parameters_are_stored_by_value(tmp_path):
    z = torch.tensor([1 + 2j])
    state = {"conj": z.conj(), "weight": torch.nn.Parameter(torch.ones(2))}
    back = load(save(tmp_path / "c", state, facts={})).state
    assert back["conj"].tolist() == [1 - 2j]
    assert not back["weight"].requires_grad


def test_a_dict_subclass_comes_back_as_a_dict_in_order(tmp_path):
    back = load(save(tmp_path / "c", OrderedDict(b=1, a=2), facts={})).state
    assert type(back) is dict
    assert list(back) == ["b", "a"]


def _learn(model, optimizer, steps, generator):
    for _ in range(steps):
        x = torch.randn(16, 1, 6, 6, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, betas=(0.8, 0.99)),
    "fused-adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
    "sgd-momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on_identically(tmp_path, name, layout):
    def fresh():
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3),
            torch.nn.Conv2d(4, 4, 3),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 3),
        ).to(memory_format=layout)
        return net, OPTIMIZERS[name](net.parameters())

    model, optimizer = fresh()
    generator = torch.Generator().manual_seed(1)
    _learn(model, optimizer, 3, generator)
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": generator.get_state(),
    }
    back = load(save(tmp_path / "c", state, facts={})).state
    assert bits(back) == bits(state)

    again, its_optimizer = fresh()
    again.load_state_dict(back["model"])
    its_optimizer.load_state_dict(back["optimizer"])
    its_generator = torch.Generator()
    its_generator.set_state(back["rng"])
    _learn(model, optimizer, 3, generator)
    _learn(again, its_optimizer, 3, its_generator)
    assert bits(again.state_dict()) == bits(model.state_dict())
    assert bits(its_optimizer.state_dict()) == bits(optimizer.state_dict())


def test_random_states_of_numpy_and_python_go_on_identically(tmp_path):
    import random

    generator, legacy, plain = np.random.default_rng(3), np.random.RandomState(3), random.Random(3)
    state = {
        "generator": generator.bit_generator.state,
        "legacy": legacy.get_state(),
        "plain": plain.getstate(),
    }
    back = load(save(tmp_path / "c", state, facts={})).state
    expected = (generator.random(), legacy.rand(), plain.random())
    generator.bit_generator.state = back["generator"]
    legacy.set_state(back["legacy"])
    plain.setstate(back["plain"])
    assert (generator.random(), legacy.rand(), plain.random()) == expected


def test_facts_are_read_without_torch(tmp_path):
    noted = {"step": 120, "workload": "cnn/digits", "techniques": ("compile",), "best": math.inf}
    save(tmp_path / "c", {"w": torch.ones(3)}, facts=noted)
    assert facts(tmp_path / "c") == noted
    assert load(tmp_path / "c").facts == noted
    code = (
        "import sys; from pathlib import Path; from potentiate.checkpoint import facts;"
        "print(facts(Path(sys.argv[1]))['step'], 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "c")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    assert shown.stdout.split() == ["120", "False"]


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": str(Path(checkpoint.__file__).parents[2])}


def test_the_json_is_readable(tmp_path):
    state = {"betas": (0.9, 0.999), "state": {0: {"step": torch.tensor(3.0)}}, "best": -math.inf}
    save(tmp_path / "c", state, facts={"step": 3})
    document = json.loads((tmp_path / "c" / "state.json").read_text())
    assert document["format"] == 1
    assert document["facts"] == {"step": 3}
    assert document["state"] == {
        "betas": {"$tuple": [0.9, 0.999]},
        "state": {"$dict": [[0, {"step": {"$tensor": "state.0.step"}}]]},
        "best": {"$float": "-inf"},
    }


class Named(tuple):
    __slots__ = ()


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"a": {"b": {1, 2}}}, "'a.b' is a set"),
        ({"a": [object()]}, "'a.0' is a object"),
        ({"a": Named((1, 2))}, "'a' is a Named"),
        ({(1, 2): 3}, r"the key \(1, 2\)"),
        (np.array([None]), "the state itself is a ndarray"),
        (torch.eye(2).to_sparse(), "the state itself is a Tensor"),
        (torch.empty(2, device="meta"), "the state itself is a Tensor"),
        (LOOP, "contains itself"),
    ],
)
def test_what_would_not_come_back_is_refused(tmp_path, state, says):
    with pytest.raises(Refused, match=says):
        save(tmp_path / "c", state, facts={})
    assert list(tmp_path.iterdir()) == []


def test_numpy_numbers_among_the_facts_become_numbers(tmp_path):
    noted = {"a": np.float64(0.5), "b": np.int32(3), "c": np.bool_(True), "d": np.float32("nan")}
    save(tmp_path / "c", {}, facts=noted)
    a, b, c, d = facts(tmp_path / "c").values()
    assert (a, b, c, str(d)) == (0.5, 3, True, "nan")
    assert [type(value) for value in (a, b, c, d)] == [float, int, bool, float]
    with pytest.raises(Refused, match="'e' is a datetime64"):
        save(tmp_path / "c", {}, facts={"e": np.datetime64("2020-01-01")})


def test_tensors_among_the_facts_are_refused(tmp_path):
    with pytest.raises(Refused, match="'loss' is a Tensor"):
        save(tmp_path / "c", {}, facts={"loss": torch.ones(())})


def test_a_folder_of_something_else_is_neither_read_nor_replaced(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"dear")
    with pytest.raises(Refused, match=r"not a checkpoint of potentiate: it has no state\.json"):
        load(tmp_path)
    with pytest.raises(Refused, match="something else is there already"):
        save(tmp_path, {}, facts={})
    with pytest.raises(Refused, match="could not be written"):
        save(tmp_path / "photo.jpg" / "c", {}, facts={})
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    (tmp_path / "state.json").write_text('{"version": 3}')
    with pytest.raises(Refused, match="of another kind"):
        facts(tmp_path)


def test_a_missing_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(Refused, match=r"there is no checkpoint at .*nothing; name the folder"):
        load(tmp_path / "nothing")


@pytest.fixture
def small(tmp_path):
    state = {"w": torch.arange(6.0).reshape(2, 3), "n": np.arange(3), "t": (1, 2.5, None, "x")}
    return save(tmp_path / "small", state, facts={"step": 7, "metric": 0.5})


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_changed_byte_anywhere_never_goes_unseen(small, name):
    whole = (small / name).read_bytes()
    before = bits([load(small).state, dict(load(small).facts)])
    refused = 0
    for place in range(len(whole)):
        for flip in (0x01, 0x10, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= flip
            (small / name).write_bytes(damaged)
            try:
                after = load(small)
            except Refused as error:
                assert str(small) in str(error)  # noqa: PT017 - the else branch matters as much
                refused += 1
            else:  # only the space between two JSON tokens may change
                assert name == "state.json"
                assert bits([after.state, dict(after.facts)]) == before
    assert refused > 2.5 * len(whole)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_truncated_file_is_refused_at_every_length(small, name):
    whole = (small / name).read_bytes()
    end = len(whole) - (name == "state.json")  # the last byte of the JSON is a line break
    for length in range(end):
        (small / name).write_bytes(whole[:length])
        with pytest.raises(Refused, match=r"damaged|not a checkpoint"):
            load(small)
    (small / name).unlink()
    with pytest.raises(Refused, match=r"damaged|not a checkpoint"):
        load(small)


def test_a_longer_file_is_refused(small):
    with (small / "tensors.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(Refused, match="bytes instead of"):
        load(small)


def _rewritten(folder, **changes):
    document = json.loads((folder / "state.json").read_text()) | changes
    document["sha256"] = snapshot._fingerprint(document)
    (folder / "state.json").write_text(json.dumps(document))


def test_a_newer_format_is_named(small):
    _rewritten(small, format=2)
    for read in (load, facts):
        with pytest.raises(
            Refused, match="has format 2 and this potentiate reads up to 1; upgrade"
        ):
            read(small)


@pytest.mark.parametrize("version", [0, -1, None, "1", [1]])
def test_an_unknown_format_is_refused(small, version):
    _rewritten(small, format=version)
    with pytest.raises(Refused, match="unknown"):
        load(small)


@pytest.mark.parametrize(
    "state",
    [
        {"$tensor": "nowhere"},
        {"$tensor": "w", "dtype": "load", "shape": [6]},
        {"$tensor": "w", "order": [0, 0]},
        {"$tensor": "w", "dtype": "complex128", "shape": [10**12]},
        {"$array": "n", "dtype": "O", "shape": [3]},
        {"$array": "n", "dtype": "<f8", "shape": [10**15]},
        {"$nothing": 1},
        {"$int": "x"},
        {"$float": "zz"},
        {"$dict": 3},
    ],
)
def test_a_forged_tree_is_refused(small, state):
    _rewritten(small, state=state)
    with pytest.raises(Refused, match="damaged: its tree does not fit"):
        load(small)


def test_a_json_bomb_is_refused(small):
    (small / "state.json").write_text("[" * 200_000)
    with pytest.raises(Refused, match="not readable as JSON"):
        load(small)


def test_replacing_leaves_only_the_new_one(tmp_path):
    for value in (1, 2):
        save(tmp_path / "c", {"w": torch.full((3,), value)}, facts={"step": value})
    assert load(tmp_path / "c").state["w"].tolist() == [2, 2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_the_shelf_keeps_the_newest_and_the_best(tmp_path):
    shelf = Shelf(tmp_path / "run", keep=3)
    assert shelf.latest() is None
    assert shelf.steps() == ()
    for step in range(0, 100, 10):
        shelf.put({"w": torch.tensor(step)}, step, {"metric": step / 100})
        if step == 20:
            shelf.put_best({"w": torch.tensor(step)}, step, {"metric": 1.0})
    assert shelf.steps() == (70, 80, 90)
    assert shelf.latest() == tmp_path / "run" / "step-00000090"
    assert load(shelf.latest()).state["w"] == 90
    assert facts(shelf.folder / "best") == {"metric": 1.0, "step": 20}
    assert {path.name for path in shelf.folder.iterdir()} == {
        *("best", "step-00000070", "step-00000080", "step-00000090")
    }


def test_after_a_return_to_an_earlier_step_what_was_just_put_stays(tmp_path):
    shelf = Shelf(tmp_path, keep=2)
    for step in (100, 200, 110):
        shelf.put({}, step, {})
    assert shelf.steps() == (110, 200)
    shelf.put({}, 120, {})
    assert 120 in shelf.steps()


def test_a_shelf_that_keeps_nothing_and_a_negative_step_are_refused(tmp_path):
    with pytest.raises(Refused, match="keep=0"):
        Shelf(tmp_path, keep=0)
    with pytest.raises(Refused, match="step -1"):
        Shelf(tmp_path).put({}, -1, {})


def test_latest_passes_over_damage_and_leaves_it(tmp_path):
    shelf = Shelf(tmp_path)
    for step in (1, 2, 3):
        shelf.put({"w": torch.ones(4)}, step, {})
    (tmp_path / "step-00000003" / "tensors.safetensors").write_bytes(b"short")
    (tmp_path / "step-00000002" / "state.json").unlink()
    assert shelf.latest() == tmp_path / "step-00000001"
    assert shelf.steps() == (1, 2, 3)


def test_leftovers_of_a_killed_writer_are_settled(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put({"w": 1}, 1, {})
    shelf.put({"w": 2}, 2, {})
    shelf.put_best({"w": 1}, 1, {})
    (tmp_path / ".step-00000003.new").mkdir()
    (tmp_path / ".step-00000003.new" / "tensors.safetensors").write_bytes(b"half")
    (tmp_path / ".step-00000000.gone").mkdir()
    (tmp_path / "step-00000002").rename(tmp_path / ".step-00000002.old")  # killed between renames
    (tmp_path / "best").rename(tmp_path / ".best.old")
    assert load(tmp_path / "best").state == {"w": 1}  # readable even before it is settled
    assert load(shelf.latest()).state == {"w": 2}
    assert {path.name for path in tmp_path.iterdir()} == {"best", "step-00000001", "step-00000002"}


def test_a_shelf_being_written_to_is_left_alone(tmp_path):
    from potentiate.checkpoint.folder import locked

    shelf = Shelf(tmp_path)
    shelf.put({"w": 1}, 1, {})
    (tmp_path / ".step-00000002.new").mkdir()
    with locked(tmp_path, wait=True):
        assert shelf.latest() == tmp_path / "step-00000001"
        assert (tmp_path / ".step-00000002.new").exists()
    shelf.latest()
    assert not (tmp_path / ".step-00000002.new").exists()


def golden_state():
    """What the fixtures hold, as literals; never changes."""
    weight = torch.arange(36.0).reshape(2, 2, 3, 3).to(memory_format=torch.channels_last)
    return {
        "model": {"weight": weight, "seen": torch.tensor(7)},
        "optimizer": {
            "state": {0: {"step": torch.tensor(3.0), "half": torch.tensor([1.5, -2.0]).bfloat16()}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "fused": None, "params": [0]}],
        },
        "random": {"torch": torch.tensor([1, 2, 255], dtype=torch.uint8), "pcg": 2**127 + 1},
        "mask": np.array([[True, False]]),
        "count": np.int64(5),
        "names": np.array(["a", "bc"]),
        "wide": torch.tensor([1 + 2j], dtype=torch.complex128),
        "best": -math.inf,
        "worst": math.nan,
        "empty": torch.empty(0, 3),
        "done": False,
        "$odd": ["text", -0.0],
    }


GOLDEN_FACTS = {"step": 120, "workload": "cnn/digits", "techniques": ("compile", "threads:count=2")}


def write_golden(folder):
    """Made `golden/checkpoint-1` once, with format 1: `python tests/test_checkpoint.py FOLDER`."""
    save(Path(folder), golden_state(), facts=GOLDEN_FACTS)


def test_format_1_loads_forever():
    found = load(GOLDEN / "checkpoint-1")
    assert bits(found.state) == bits(golden_state())
    assert bits(found.facts) == bits(GOLDEN_FACTS)
    assert found.state["model"]["weight"][1, 1, 2].tolist() == [33.0, 34.0, 35.0]
    assert found.state["random"]["pcg"] == 170141183460469231731687303715884105729


def test_an_old_format_is_read_through_the_upgraders(monkeypatch):
    monkeypatch.setattr(snapshot, "FORMAT", 3)
    monkeypatch.setitem(snapshot.UPGRADERS, 1, lambda d: d | {"format": 2, "facts": {"from": 1}})
    with pytest.raises(Refused, match="its format 2 is unknown"):
        load(GOLDEN / "checkpoint-1")
    monkeypatch.setitem(
        snapshot.UPGRADERS, 2, lambda d: d | {"format": 3, "facts": {**d["facts"], "then": 2}}
    )
    assert load(GOLDEN / "checkpoint-1").facts == {"from": 1, "then": 2}
    assert bits(load(GOLDEN / "checkpoint-1").state) == bits(golden_state())


if __name__ == "__main__":
    write_golden(sys.argv[1])
