from __future__ import annotations

import pytest
import torch

from potentiate import train
from potentiate.errors import NonFinite, NotApplicable
from potentiate.steps import SMALLEST_SCALE
from potentiate.techniques.precision import MixedPrecision


def batch():
    return torch.randn(8, 1, 8, 8), torch.arange(8) % 3


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_network_computes_in_the_format_and_weights_stay(run, name, dtype):
    made = MixedPrecision(name).apply(run)
    seen = []
    made.model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    live = made.step.start(made.model, total_steps=10)
    loss = live(batch())
    assert seen == [dtype]
    assert loss.isfinite()
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}


def test_only_fp16_scales_its_loss(run):
    assert MixedPrecision("fp16").apply(run).step.scale
    assert not MixedPrecision("bf16").apply(run).step.scale


def test_overflow_skips_the_update_and_is_counted(run):
    live = MixedPrecision("fp16").apply(run).step.start(run.model, total_steps=10)
    live(batch())
    live.scaler.update(new_scale=2.0**40)  # far too large for fp16
    before = [p.detach().clone() for p in run.model.parameters()]
    live(batch())
    assert live.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))
    assert live.state_dict()["skipped"] == 1


def test_gradient_that_no_scale_can_save_is_refused(run):
    live = MixedPrecision("fp16").apply(run).step.start(run.model, total_steps=10)
    live(batch())
    live.scaler.update(new_scale=SMALLEST_SCALE)
    run.model[0][0].weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NonFinite, match="step 2: the gradient overflows fp16"):
        live(batch())


def test_tf32_is_allowed_while_the_run_lasts(run, tiny, monkeypatch):
    monkeypatch.setattr(MixedPrecision, "unavailable", lambda self, device: None)
    before = torch.get_float32_matmul_precision()
    seen = [torch.get_float32_matmul_precision() for _ in train(tiny(), [MixedPrecision("tf32")])]
    assert set(seen) == {"high"}
    assert torch.get_float32_matmul_precision() == before
    assert MixedPrecision("tf32").apply(run).step == run.step


def test_processors_have_no_tf32():
    assert "GPU" in (MixedPrecision("tf32").unavailable("cpu") or "")
    assert MixedPrecision("bf16").unavailable("cpu") is None
    assert MixedPrecision("fp16").unavailable("cpu") is None


def test_old_gpus_have_only_fp16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert "Ampere" in (MixedPrecision("bf16").unavailable("cuda") or "")
    assert MixedPrecision("fp16").unavailable("cuda") is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert MixedPrecision("tf32").unavailable("cuda") is None


def test_shorter_than_short_is_refused(run):
    with pytest.raises(NotApplicable, match="already"):
        MixedPrecision().apply(MixedPrecision().apply(run))
