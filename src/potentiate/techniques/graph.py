"""The network's graph: its memory layout, its compilation, what of it is kept for the way back."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from torch import nn
from torch.utils import checkpoint as recomputing

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique, refuse
from potentiate.techniques.gradient import gradient_step
from potentiate.workload import Metrics, Run


@dataclass(frozen=True)
class ChannelsLast(Technique):
    """Keep images and filters in memory with the channels of a pixel side by side.

    Source: PyTorch's memory format of that name, the native layout of oneDNN and of tensor cores.
    Helps: Convolutions with many channels, on a GPU in mixed precision and on the CPU.
    Hurts: Networks with operations that know only the other layout, which copy to and fro; little
        is left to gain where convolutions are a small part.
    Cost: Sums run in another order, so numbers differ in the last digits; dropout masks are drawn in
        memory order, so with dropout a run differs from its twin like one of another seed.
    """

    name: ClassVar[str] = "channels-last"
    stage: ClassVar[Stage] = Stage.MODEL
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"gradient", "images"})
    speeds: ClassVar[tuple[str, ...]] = ("forward", "backward")

    def apply(self, run: Run) -> Run:
        """Return the run with filters in the layout, and images brought into it step by step."""
        gradient_step(run, self.name)
        model: Any = run.model
        run = run.edit(model=model.to(memory_format=torch.channels_last))
        return run.edit_step(memory_format=torch.channels_last)


@dataclass(frozen=True)
class ActivationCheckpointing(Technique):
    """Forget the activations inside blocks and compute them again on the way back.

    Source: Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost.
    Helps: Memory: of a deep network only the borders of blocks are kept, so that a larger batch or
        network fits.
    Hurts: Time, always, unless the memory won is spent on something faster. Shallow networks win
        little: their memory is optimizer and data.
    Cost: Up to one more forward pass, about a third of the step. The last block is not recomputed: its
        activations are needed at once. Random states are kept, so dropout repeats its masks.
    """

    name: ClassVar[str] = "activation-checkpointing"
    stage: ClassVar[Stage] = Stage.MODEL
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"gradient", "blocks"})

    def apply(self, run: Run) -> Run:
        """Return the run with its blocks recomputed; the names of its state stay."""
        model: Any = run.model
        if isinstance(getattr(model, "recompute", None), bool):
            refuse(self.name, (model.recompute, "this network computes its blocks again already"))
            model.recompute = True
            return run
        if not isinstance(model, nn.Sequential) or "forward" in _own_names(type(model)):
            raise NotApplicable(
                f"activation-checkpointing recomputes the blocks of an nn.Sequential and the network "
                f"is a {type(model).__name__}"
            )
        if len(model) < 2:
            raise NotApplicable(
                "activation-checkpointing: a network of one block has none to forget"
            )
        # Unlike named_children(), this holds what is used twice in both of its places.
        blocks = cast("OrderedDict[str, nn.Module]", vars(model)["_modules"])
        if any(
            _counts_batches(part) for block in [*blocks.values()][:-1] for part in block.modules()
        ):
            raise NotApplicable(
                "activation-checkpointing: batch normalization would count each recomputed batch twice"
            )
        return run.edit(model=RecomputedSequential(OrderedDict(blocks)))


def _counts_batches(part: nn.Module) -> bool:
    norm = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]
    return isinstance(part, norm) and part.track_running_stats


def _own_names(kind: type[nn.Sequential]) -> set[str]:
    """What a subclass of `nn.Sequential` defines itself."""
    above = nn.Sequential.__mro__
    return {name for base in kind.__mro__ if base not in above for name in vars(base)}


class RecomputedSequential(nn.Sequential):
    """A sequence whose blocks, all but the last, keep nothing but their input for the backward pass."""

    def forward(self, input: Any) -> Any:
        """Return the output for `input`; outside of training exactly as `nn.Sequential`."""
        untyped: Any = recomputing
        last = len(self) - 1
        for place, block in enumerate(self):
            if place == last or not torch.is_grad_enabled():
                input = block(input)
            else:
                input = untyped.checkpoint(
                    block, input, use_reentrant=False, preserve_rng_state=True
                )
        return input


@dataclass(frozen=True)
class Compile(Technique):
    """Compile the network's training pass into fused kernels; evaluation stays as it is.

    Source: Ansel et al. 2024, PyTorch 2 (torch.compile).
    Helps: Long runs of stable shapes with many small or element-wise operations, on a GPU above all.
    Hurts: Short runs: compilation takes from ten seconds to minutes and is paid before the first
        step. The smaller last batch of an epoch is a shape of its own, compiled once more on its
        first occurrence. Networks that leave the compiler's language run in pieces, or slower.
    Cost: Start-up time, reported apart with the run length at which it breaks even; fused kernels
        round differently, and dropout draws other masks.

    Attributes:
        mode: What torch.compile spends its time on; "reduce-overhead" needs a GPU.
    """

    mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"

    name: ClassVar[str] = "compile"
    stage: ClassVar[Stage] = Stage.COMPILE
    evidence: ClassVar[Evidence] = Evidence.NUMERICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    speeds: ClassVar[tuple[str, ...]] = ("forward", "backward")

    def unavailable(self, device: str) -> str | None:
        """Look for what the compiler calls in its turn."""
        if device == "cuda" and importlib.util.find_spec("triton") is None:
            return "torch.compile needs triton on a GPU; install it with pip install triton"
        if self.mode == "reduce-overhead" and device != "cuda":
            return (
                "mode=reduce-overhead records GPU launches and the run is on the CPU; leave it out"
            )
        if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++")):
            return "torch.compile needs a C++ compiler and none is on the path; install g++"
        if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
            return "torch.compile needs Python's header files; install the package python3-dev"
        return None

    def apply(self, run: Run) -> Run:
        """Return the run with the network compiled in place, so that the names of its state stay."""
        model: Any = run.model
        untyped: Any = torch
        refuse(
            self.name,
            (
                getattr(run.step, "varied", False),
                "each step of this run has other shapes, and each would be compiled anew; leave it out",
            ),
        )

        def call(*inputs: Any) -> Any:
            return model._call_impl(*inputs)

        # What model.compile() sets, and a copy of the model leaves behind. But model.compile() does
        # nothing, silently, to a module of torch.nn: torch compiles no frame of its own files.
        model._compiled_call_impl = untyped.compile(call, mode=self.mode, dynamic=False)
        return run.edit(validate=_Eager(run.validate), test=_Eager(run.test))


@dataclass(frozen=True)
class _Eager:
    """Evaluation without the compiler: other shapes and no dropout would be compiled anew."""

    judge: Any

    def __call__(self, model: nn.Module) -> Metrics:
        with torch.compiler.set_stance("force_eager"):
            return self.judge(model)
