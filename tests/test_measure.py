import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from potentiate.errors import Refused
from potentiate.measure import (
    Clock,
    Energy,
    children_memory,
    count_flops,
    device_memory,
    energy,
)
from potentiate.measure import clock as clock_module
from potentiate.measure import energy as _  # noqa: F401 - the function shadows its module

ENERGY = sys.modules["potentiate.measure.energy"]


# The clock


class Ticks:
    """A clock that a test moves by hand, in nanoseconds."""

    def __init__(self):
        self.now = 10**15

    def __call__(self):
        return self.now


@pytest.fixture
def ticks(monkeypatch):
    ticks = Ticks()
    monkeypatch.setattr(clock_module, "perf_counter_ns", ticks)
    return ticks


def test_each_part_is_charged_what_passed_while_it_ran(ticks):
    clock = Clock()
    ticks.now += 5_000_000_000  # before the first part nothing runs
    clock.part("setup")
    ticks.now += 1_000_000_000
    clock.part("training")
    ticks.now += 2_000_000_000
    clock.part("evaluation")
    ticks.now += 500_000_000
    clock.part("training")
    ticks.now += 250_000_000
    assert clock.seconds == {"setup": 1.0, "training": 2.25, "evaluation": 0.5}
    clock.stop()
    ticks.now += 9_000_000_000
    assert sum(clock.seconds.values()) == 3.75


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 10**12))))
def test_the_parts_sum_to_the_wall_time(switches):
    with pytest.MonkeyPatch.context() as patch:
        ticks = Ticks()
        patch.setattr(clock_module, "perf_counter_ns", ticks)
        clock, passed = Clock(), 0
        for part, nanoseconds in switches:
            if part is None:
                clock.stop()
            else:
                clock.part(part)
                passed += nanoseconds
            ticks.now += nanoseconds
        assert sum(clock.state_dict()["nanoseconds"].values()) == passed
        assert sum(clock.seconds.values()) == pytest.approx(passed / 1e9)


def test_going_on_continues_the_sums(ticks):
    clock = Clock()
    clock.part("training")
    ticks.now += 2_000_000_000
    state = clock.state_dict()
    ticks.now += 100_000_000_000  # the process is gone
    again = Clock()
    again.part("setup")
    ticks.now += 7_000_000_000
    again.load_state_dict(state)
    assert again.seconds == {"training": 2.0, "setup": 0.0}
    again.part("training")
    ticks.now += 1_000_000_000
    assert again.seconds == {"training": 3.0, "setup": 0.0}
    assert clock.state_dict()["nanoseconds"] == {"training": 110_000_000_000}


@pytest.mark.parametrize("state", [{}, {"nanoseconds": 3}, {"nanoseconds": {"a": -1}}])
def test_a_state_of_something_else_is_refused(state):
    with pytest.raises(Refused, match="is no state of a clock"):
        Clock().load_state_dict(state)


def test_the_device_is_waited_for_only_where_asked(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    for device, sync in [("cpu", True), ("cuda:1", False)]:
        Clock(torch.device(device), sync=sync).part("a")
    assert waited == []
    Clock(torch.device("cuda:1"), sync=True).part("a")
    assert waited == [torch.device("cuda:1")]


# Memory


def test_peak_memory_sees_what_was_held_and_given_back():
    script = (
        "from potentiate.measure import peak_memory; before = peak_memory()\n"
        "block = bytearray(64 << 20); block[::4096] = b'x' * len(block[::4096])\n"
        "del block; print(peak_memory() - before)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_path()
    )
    assert 60 << 20 < int(shown.stdout) < 72 << 20


def test_what_processes_of_a_run_hold_is_counted():
    script = (
        "import sys; block = bytearray(64 << 20); block[::4096] = b'x' * len(block[::4096])\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    before = children_memory()
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 64 << 20 < children_memory() - before < 96 << 20
        child.communicate()
    assert children_memory() == before


def test_threads_that_come_and_go_do_not_disturb_the_count():
    from concurrent.futures import ThreadPoolExecutor

    end = time.monotonic() + 1.0
    counts = set[int]()
    while time.monotonic() < end:
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(children_memory) for _ in range(8)]
        counts |= {each.result() for each in found}
    assert counts == {children_memory()}


def test_peak_memory_of_a_child_is_not_that_of_its_parent():
    script = (
        "import subprocess, sys; block = bytearray(256 << 20)\n"
        "block[::4096] = b'x' * len(block[::4096])\n"
        "subprocess.run([sys.executable, '-c', 'from potentiate.measure import peak_memory;"
        "print(peak_memory())'], check=True)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_path()
    )
    assert int(shown.stdout) < 128 << 20


def _path():
    import os

    return {**os.environ, "PYTHONPATH": str(Path(clock_module.__file__).parents[2])}


def test_measuring_needs_no_torch():
    code = "import sys, potentiate.measure as m; m.energy(); m.peak_memory(); m.Clock().part('a')"
    command = [sys.executable, "-c", code + "; print('torch' in sys.modules)"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=_path())
    assert shown.stdout.strip() == "False"


def test_device_memory_is_of_a_gpu_only(monkeypatch):
    assert device_memory("cpu") is None
    assert device_memory(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {"cuda:0": 5}.__getitem__)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", {"cuda:0": 8}.__getitem__)
    assert device_memory(torch.device("cuda:0")) == {"allocated": 5, "reserved": 8}


@pytest.mark.gpu
def test_device_memory_and_energy_of_a_real_gpu():
    held = torch.ones(1 << 20, device="cuda")
    memory = device_memory(held.device)
    assert memory is not None
    assert memory["reserved"] >= memory["allocated"] >= 4 << 20
    reading = energy(held.device)
    assert reading.source == "nvml" or reading.reason


# Operations, counted by hand

X, Y = torch.rand(6, 4), torch.rand(6, 4)
N = 24
SQUARE = torch.rand(5, 5)


@pytest.mark.parametrize(
    ("fn", "matmul", "elementwise"),
    [
        (lambda: torch.exp(X), 0, N),
        (lambda: X.clone().add_(Y), 0, N),
        (lambda: X.clone().add_(Y, alpha=0.5), 0, 2 * N),
        (lambda: X + torch.rand(4)[None], 0, N + 4),  # broadcast: the result counts; 4 drawn
        (lambda: X > 0.5, 0, N),
        (lambda: X.clamp(0, 1), 0, 2 * N),
        (lambda: X.clamp(min=0), 0, N),
        (lambda: X.clone().clamp_(max=1), 0, N),
        (lambda: torch.where(X > Y, X, Y), 0, 2 * N),
        (lambda: X.sum(), 0, N),
        (lambda: X.mean(dim=1), 0, N),
        (lambda: X.amax(dim=0), 0, N),
        (lambda: X.norm(), 0, 2 * N),
        (lambda: torch.lerp(X, Y, 0.1), 0, 3 * N),
        (lambda: torch.addcmul(X, X, Y), 0, 3 * N),
        (lambda: functional.softmax(X, dim=1), 0, 5 * N),
        (lambda: functional.layer_norm(X, (4,)), 0, 8 * N),
        (lambda: functional.relu(X), 0, N),
        (lambda: functional.gelu(X), 0, 6 * N),
        (lambda: torch.outer(X[0], Y[0]), 0, 16),
        (lambda: X.sort(), 0, 2 * N),
        (lambda: X.t().reshape(-1).clone()[3:].contiguous(), 0, 0),
        (lambda: torch.cat([X, Y])[torch.tensor([0, 2])], 0, 0),
        (lambda: torch.zeros(3).fill_(2).index_add_(0, torch.tensor([1]), torch.ones(1)), 0, 1),
        (lambda: torch.zeros(9).scatter_add_(0, torch.tensor([1, 1]), torch.ones(2)), 0, 2),
        (lambda: torch.zeros(9).index_put_((torch.tensor([1, 1]),), torch.ones(2)), 0, 0),
        (
            lambda: torch.zeros(9).index_put_((torch.tensor([1]),), torch.ones(1), accumulate=True),
            0,
            1,
        ),
        (lambda: functional.max_pool2d(torch.ones(1, 2, 4, 6), 2), 0, 2 * 2 * 3 * 4),
        (lambda: functional.avg_pool2d(torch.ones(1, 2, 4, 6), (2, 3)), 0, 2 * 2 * 2 * 6),
        (lambda: X.t() @ Y, 2 * 4 * 6 * 4, 0),
        (lambda: X @ Y[0], 2 * N, 0),
        (lambda: X[0] @ Y[0], 2 * 4, 0),
        (lambda: SQUARE.clone().addmm_(torch.rand(5, 3), torch.rand(3, 5)), 2 * 75, 30),
        (lambda: SQUARE.clone().addr_(X[0, :1].expand(5), X[1, :1].expand(5)), 2 * 25, 0),
        (
            lambda: torch.baddbmm(torch.ones(2, 3, 3), torch.ones(2, 3, 4), torch.ones(2, 4, 3)),
            144,
            0,
        ),
        (lambda: torch._foreach_add_([torch.ones(3), torch.ones(2, 2)], 1.0), 0, 7),
        (lambda: torch._foreach_mul([torch.ones(3), torch.ones(2, 2)], 2.0), 0, 7),
        (lambda: torch._foreach_lerp_([torch.ones(3)], [torch.ones(3)], 0.5), 0, 9),
        (lambda: torch._foreach_copy_([torch.ones(3)], [torch.ones(3)]), 0, 0),
        (lambda: torch._foreach_norm([torch.ones(3), torch.ones(5)]), 0, 16),
    ],
)
def test_operations_as_counted_by_hand(fn, matmul, elementwise):
    counted = count_flops(fn)
    assert (counted.matmul, counted.elementwise) == (matmul, elementwise), counted.by_operation
    assert sum(counted.by_operation.values()) == counted.total == matmul + elementwise


@pytest.mark.parametrize(
    ("fn", "numbers"),
    [
        (lambda: X.t()[1:].reshape(-1).expand(2, 18), 18 * 2),  # the transposed rows are copied
        (lambda: X.view(-1)[2:].unsqueeze(0), 0),
        (lambda: X + Y, 3 * N),
        (lambda: X.exp_(), 2 * N),
        (lambda: X.clone(), 2 * N),
        (lambda: X.copy_(Y), 2 * N),
        (lambda: X.fill_(1.0), N),
        (lambda: torch.zeros(6, 4), N),
        (lambda: torch.empty(6, 4), 0),
        (lambda: X.uniform_(), N),
        (lambda: X + Y[:1, :1].expand(6, 4), 2 * N + N),
        (lambda: X.t() @ Y, 2 * N + 16),
        (lambda: torch._foreach_add_([X, Y], 1.0), 4 * N),
    ],
)
def test_bytes_are_those_read_and_written(fn, numbers):
    assert count_flops(fn).bytes == 4 * numbers


def test_a_vectorized_stdp_update_is_counted():
    pre, post, n, m = torch.rand(8), torch.rand(5), 8, 5
    weight, trace_pre, trace_post = torch.rand(n, m), torch.rand(n), torch.rand(m)
    decay = torch.tensor(0.9)

    def update():
        trace_pre.mul_(decay).add_(pre)  # 2 n
        trace_post.mul_(torch.exp(-decay)).add_(post)  # 2 m, and 2 for the factor
        gain = torch.outer(trace_pre, post)  # n m
        loss = torch.outer(pre, trace_post)  # n m
        weight.add_(gain, alpha=0.01).sub_(loss, alpha=0.012).clamp_(0, 1)  # 2 + 2 + 2

    counted = count_flops(update)
    assert counted.matmul == 0
    assert counted.elementwise == 2 * n + 2 * m + 2 + 8 * n * m
    with FlopCounterMode(display=False) as torch_alone:
        update()
    assert torch_alone.get_total_flops() == 0  # the reason for this counter


def _network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 10)
    )


def test_a_network_forward_and_backward_by_hand():
    net, x, target = _network(), torch.rand(2, 1, 8, 8), torch.tensor([1, 2])
    conv, linear = 2 * 2 * 36 * 3 * 9, 2 * 2 * 27 * 10
    counted = count_flops(lambda: functional.cross_entropy(net(x), target).backward())
    # backward: weights of the convolution (its input needs none), weights and input of the layer
    assert counted.matmul == conv + linear + conv + 2 * linear
    relu, pool, scores = 2 * 3 * 36, 2 * 3 * 9, 2 * 10
    forward = relu + 4 * pool + 5 * scores + 2 * 2
    backward = relu + pool + 4 * scores + 2 + scores  # ..., loss, sum for the bias
    assert counted.elementwise == forward + backward


def test_matrix_products_agree_with_torch():
    net, x = _network(), torch.rand(2, 1, 8, 8)
    with FlopCounterMode(display=False) as expected:
        net(x).sum().backward()
    assert count_flops(lambda: net(x).sum().backward()).matmul == expected.get_total_flops()


def test_inference_mode_counts_the_same_as_without():
    net, x = _network(), torch.rand(2, 1, 8, 8, requires_grad=True)  # torch's own counter raises

    def infer(mode):
        with mode():
            net(x)

    inferred = count_flops(lambda: infer(torch.inference_mode))
    plain = count_flops(lambda: infer(torch.no_grad))
    assert (inferred.matmul, inferred.elementwise) == (plain.matmul, plain.elementwise)
    assert inferred.matmul == 2 * 2 * 36 * 3 * 9 + 2 * 2 * 27 * 10


def test_attention_and_recurrent_layers_on_the_cpu_are_counted():
    q = torch.rand(1, 2, 4, 8)
    assert count_flops(lambda: functional.scaled_dot_product_attention(q, q, q)).matmul == (
        2 * (2 * 2 * 4 * 4 * 8)
    )
    for layer, gates in [(nn.LSTM, 4), (nn.GRU, 3)]:
        net, x = layer(3, 5), torch.rand(7, 2, 3)
        forward = 2 * 7 * 2 * gates * (3 * 5 + 5 * 5)
        with torch.no_grad():
            assert count_flops(lambda net=net, x=x: net(x)).matmul == forward
    lstm = nn.LSTM(3, 5)
    both = count_flops(lambda: lstm(torch.rand(7, 2, 3))[0].sum().backward())
    assert both.matmul == 3 * 2 * 7 * 2 * 4 * (3 * 5 + 5 * 5)


def _steps(make, **kwargs):
    weights = [torch.rand(3, 4, requires_grad=True), torch.rand(7, requires_grad=True)]
    optimizer = make(weights, **kwargs)
    for weight in weights:
        weight.grad = torch.rand_like(weight)
    optimizer.step()  # the first one allocates its moments
    return count_flops(optimizer.step)


@pytest.mark.parametrize(
    ("make", "settings", "per"),
    [
        (torch.optim.AdamW, {"weight_decay": 0.01}, 14),
        (torch.optim.AdamW, {"weight_decay": 0}, 13),
        (torch.optim.Adam, {"weight_decay": 0.01}, 15),
        (torch.optim.Adam, {"amsgrad": True}, 14),
        (torch.optim.SGD, {"lr": 0.1}, 2),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, 6),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, 6),
    ],
)
def test_a_fused_optimizer_counts_what_the_foreach_one_does(make, settings, per):
    fused, foreach = _steps(make, fused=True, **settings), _steps(make, foreach=True, **settings)
    counters = 0 if make is torch.optim.SGD else 2  # one step count per parameter
    assert fused.elementwise == foreach.elementwise == per * 19 + counters
    assert fused.matmul == 0
    assert 0 < fused.bytes <= foreach.bytes


def test_a_loop_optimizer_counts_the_same_work():
    loop, foreach = (_steps(torch.optim.Adadelta, foreach=foreach) for foreach in (False, True))
    assert loop.elementwise == foreach.elementwise > 10 * 19


def test_an_unlisted_operation_is_not_free():
    assert count_flops(lambda: torch.special.bessel_j0(X)).elementwise == N
    assert count_flops(lambda: torch.cumsum(X, 0)).elementwise == N


def test_a_compiled_function_is_counted_as_written():
    pytest.importorskip("torch._dynamo")
    compiled = torch.compile(lambda x: (x.exp() + 1).sum(), backend="eager")
    compiled(X)
    assert count_flops(lambda: compiled(X)).elementwise == 3 * N


# Energy


def test_no_counter_is_none_with_its_reason(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(ENERGY, "_POWERCAP", tmp_path)
    reading = energy()
    assert reading.joules is None
    assert "pip install 'potentiate[gpu]'" in reading.reason
    assert f"no energy counter in {tmp_path}" in reading.reason
    assert reading.since(reading) is None
    assert energy("cpu").reason == f"processor: there is no energy counter in {tmp_path}"
    assert energy("mps").reason == "there is no energy counter for the device 'mps'"


def _zone(folder, name, used, span=1_000_000_000):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{used}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{span}\n")


def test_rapl_adds_the_packages_and_follows_a_counter_that_wraps(monkeypatch, tmp_path):
    monkeypatch.setattr(ENERGY, "_POWERCAP", tmp_path)
    _zone(tmp_path, "intel-rapl:0", 999_000_000)
    _zone(tmp_path, "intel-rapl:0:0", 5)  # a part of package 0
    _zone(tmp_path, "intel-rapl:1", 3_000_000)
    before = energy("cpu")
    assert (before.joules, before.source) == (1002.0, "rapl")
    _zone(tmp_path, "intel-rapl:0", 500_000)
    _zone(tmp_path, "intel-rapl:1", 5_000_000)
    assert energy("cpu").since(before) == pytest.approx(1.5 + 2.0)
    assert energy("cpu").since(Energy()) is None
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("none")
    assert "intel-rapl:1 cannot be read" in energy("cpu").reason


class NVMLError(Exception):
    pass


def _nvml(monkeypatch, millijoules):
    def read(handle):
        if handle not in millijoules:
            raise NVMLError("Not Supported")
        return millijoules[handle]

    fake = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=read,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)


def test_nvml_is_read_in_joules(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    _nvml(monkeypatch, {0: 1500, 1: 9000})
    before = energy()
    assert (before.joules, before.source, before.reason) == (1.5, "nvml", "")
    _nvml(monkeypatch, {0: 4000, 1: 9000})
    assert energy("cuda:0").since(before) == 2.5
    assert energy(torch.device("cuda", 1)).since(before) is None  # another device
    assert energy(torch.device("cpu")).source != "nvml"


def test_nvml_reads_the_device_that_torch_means(monkeypatch):
    _nvml(monkeypatch, {3: 7000, "GPU-abc": 8000})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc,0")
    assert [energy(f"cuda:{index}").joules for index in (0, 1)] == [7.0, 8.0]
    assert energy("cuda:2").reason == "GPU: Not Supported"
