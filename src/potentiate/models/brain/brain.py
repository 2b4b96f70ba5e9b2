"""A spiking brain: inputs, competing hidden neurons that learn by STDP, outputs taught by current."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.models.brain import given
from potentiate.models.brain.given import Given
from potentiate.models.brain.recipe import Anatomy, Plasticity, physiology
from potentiate.models.brain.shards import learn_in_shards

if TYPE_CHECKING:
    from potentiate.kernels.circuit import Circuit, Physiology

Floats = NDArray[np.float32]
BLOCK = 250
"""Presentations that one thread judges at a time, with a generator of their own."""


class Response(NamedTuple):
    """Spikes of the hidden neurons, int32 [n, hidden], and scores of the outputs, float32 [n, classes]."""

    spikes: Tensor
    scores: Tensor


class Brain(nn.Module):
    """Learns classes of patterns by local rules alone; see docs/models/brain.md for the equations.

    All that learning changes is a buffer, so `state_dict` is complete. Learning and judging run the same
    code; membranes and traces start anew in every presentation.

    Args:
        inputs: Values of a pattern, in [0, 1].
        classes: Number of outputs.
        anatomy: The circuit.
        plasticity: How it learns.
        seed: Of the initial weights, uniform and normalized.
        delays: Steps from each input to the hidden neurons, int [inputs]; none: 0.

    Raises:
        Refused: A setting, or what a method is given, breaks its rule; nothing has changed.
    """

    weight: Tensor
    slow: Tensor
    importance: Tensor
    theta: Tensor
    readout: Tensor
    responses: Tensor
    delays: Tensor
    age: Tensor
    gain: Tensor
    urge: Tensor

    def __init__(
        self,
        inputs: int,
        classes: int,
        anatomy: Anatomy | None = None,
        plasticity: Plasticity | None = None,
        *,
        seed: int = 0,
        delays: Given | None = None,
    ) -> None:
        super().__init__()
        self.inputs, self.classes = (
            given.whole(n, "a brain needs inputs and classes, whole numbers from 1", 1)
            for n in (inputs, classes)
        )
        self.seed = given.whole(seed, "the seed of a brain is a whole number from 0")
        self.anatomy = given.settings(Anatomy() if anatomy is None else anatomy, Anatomy)
        self.plasticity = Plasticity() if plasticity is None else plasticity
        channels, hidden = self.channels, self.anatomy.hidden
        weight = self._normalized(torch.from_numpy(_uniform(self.seed, (channels, hidden))))
        one = torch.ones(())
        empty = torch.empty(0, 0)
        self.register_buffer("weight", weight)
        self.register_buffer("slow", weight.clone() if self.plasticity.consolidation else empty)
        self.register_buffer(
            "importance",
            torch.zeros(channels, hidden) if self.plasticity.protection else empty.clone(),
        )
        self.register_buffer("theta", torch.zeros(hidden))
        self.register_buffer("readout", torch.full((hidden, self.classes), 1.0 / self.classes))
        self.register_buffer("responses", torch.zeros(self.classes, hidden))
        self.register_buffer("delays", self._delays(delays))
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))
        self.register_buffer("gain", one.clone())
        self.register_buffer("urge", one.clone())

    @property
    def plasticity(self) -> Plasticity:
        """How it learns; checked when it is set."""
        return self._plasticity

    @plasticity.setter
    def plasticity(self, plasticity: Plasticity) -> None:
        self._plasticity = given.settings(plasticity, Plasticity)

    @property
    def channels(self) -> int:
        """Inputs of the circuit: twice those of a pattern where each has a complement."""
        return self.inputs * (2 if self.anatomy.complement else 1)

    def forward(self, patterns: Given) -> Tensor:
        """Return the scores of the outputs, [n, classes]; nothing is learned."""
        return self.respond(patterns).scores

    def learn(self, patterns: Given, labels: Given, *, teacher: float = 1.0) -> Response:
        """Present `patterns` one after another and learn; return what the brain did meanwhile.

        Args:
            patterns: [n, inputs or more axes], uint8 or float in [0, 1].
            labels: Whole numbers [n]; -1 has no teacher.
            teacher: Factor on the teacher's current.
        """
        encoded, teacher = self._encoded(patterns), given.factor(teacher, "teacher")
        named = given.labels(labels, len(encoded), self.classes).numpy()
        spikes, scores = self._blank(len(encoded))
        for rows in self._stretches(len(encoded)):
            self._learn(encoded[rows], named[rows], spikes[rows], scores[rows], teacher)
            self.age += rows.stop - rows.start
        return Response(torch.from_numpy(spikes), torch.from_numpy(scores))

    def respond(self, patterns: Given, *, seed: int = 0) -> Response:
        """Present `patterns` without teacher or learning, on as many threads as torch has.

        Equal seeds give equal spikes whatever the number of threads.
        """
        seed = given.whole(seed, "a seed is a whole number from 0")
        encoded = self._encoded(patterns)
        spikes, scores = self._blank(len(encoded))
        unnamed = np.full(len(encoded), -1, np.int64)
        starts = range(0, len(encoded), BLOCK)

        circuit, constants = self.circuit(), self._constants()

        def block(start: int) -> None:
            rows = slice(start, start + BLOCK)
            random = np.random.default_rng([self.seed, seed, start, 1])
            seen, done = (encoded[rows], unnamed[rows]), (spikes[rows], scores[rows])
            _kernel().present(circuit, constants, *seen, random, False, 0, *done)

        if len(starts) == 1:
            block(0)
        else:
            with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
                list(pool.map(block, starts))
        return Response(torch.from_numpy(spikes), torch.from_numpy(scores))

    def assign(self, patterns: Given, labels: Given, *, seed: int = 0) -> None:
        """Store the mean response of each neuron to each class: the labels of Diehl & Cook.

        Patterns whose label is -1 count for none.
        """
        spikes = self.respond(patterns, seed=seed).spikes.float()
        named = given.labels(labels, len(spikes), self.classes)
        chosen = (named[:, None] == torch.arange(self.classes)).float()
        self.responses.copy_((chosen.T @ spikes) / chosen.sum(0).clamp(min=1)[:, None])

    def assigned_scores(self, spikes: Tensor) -> Tensor:
        """Return [n, classes]: each neuron votes for the classes in proportion to its stored responses."""
        share = self.responses / self.responses.sum(0).clamp(min=1e-9)
        return spikes.float() @ share.T

    def grow(self, *, inputs: int = 0, hidden: int = 0) -> Brain:
        """Return a brain with more inputs or neurons in which the old weights are as they were.

        New neurons start as in a new brain. New inputs start at weight 0 onto old neurons, so that
        nothing known is disturbed until they are learned.
        """
        inputs, hidden = (
            given.whole(n, "a brain only grows, by whole numbers of inputs and neurons")
            for n in (inputs, hidden)
        )
        anatomy = replace(self.anatomy, hidden=self.anatomy.hidden + hidden)
        seed = self.seed + int(self.age) + 1
        grown = Brain(self.inputs + inputs, self.classes, anatomy, self.plasticity, seed=seed)
        rows, old = self._rows_in(grown), self.anatomy.hidden
        for name in ("weight", "slow", "importance"):
            mine, theirs = cast("Tensor", getattr(self, name)), cast("Tensor", getattr(grown, name))
            if mine.numel():
                theirs[:, :old] = 0.0
                theirs[rows, :old] = mine
        grown.theta[:old], grown.readout[:old] = self.theta, self.readout
        grown.responses[:, :old], grown.delays[rows] = self.responses, self.delays
        for name in ("age", "gain", "urge"):
            getattr(grown, name).copy_(getattr(self, name))
        return grown

    def _rows_in(self, grown: Brain) -> Tensor:
        rows = torch.arange(self.inputs)
        return torch.cat([rows, rows + grown.inputs]) if self.anatomy.complement else rows

    def _delays(self, delays: Given | None) -> Tensor:
        steps = given.delays(torch.zeros(self.inputs) if delays is None else delays, self.inputs)
        return steps.repeat(self.channels // self.inputs)

    def _normalized(self, weight: Tensor) -> Tensor:
        if self.anatomy.total == 0:
            return weight
        scaled = weight * (self.anatomy.total * len(weight) / weight.sum(0).clamp(min=1e-9))
        return scaled.clamp(max=self.anatomy.w_max)

    def _encoded(self, patterns: Given) -> Floats:
        weight = self.weight
        if weight.dtype != torch.float32 or weight.device.type != "cpu":
            raise Refused(
                f"a brain works in float32 on the CPU, but this one is {weight.dtype} on {weight.device}; call "
                "its float() and cpu()"
            )
        values = given.patterns(patterns, self.inputs)
        if self.anatomy.complement:
            values = torch.cat([values, 1.0 - values], 1)
        return np.ascontiguousarray(values.numpy())

    def _blank(self, n: int) -> tuple[NDArray[np.int32], Floats]:
        return np.zeros((n, self.anatomy.hidden), np.int32), np.zeros((n, self.classes), np.float32)

    def circuit(self) -> Circuit:
        """Return what the kernel changes, as views of the buffers."""
        from potentiate.kernels.circuit import Circuit

        names = ("weight", "importance", "theta", "readout", "delays", "slow")
        return Circuit(*(cast("Tensor", self._buffers[name]).numpy() for name in names))

    def _constants(self, teacher: float = 0.0) -> Physiology:
        return physiology(
            self.anatomy,
            self.plasticity,
            self.channels,
            gain=float(self.gain),
            teacher=teacher * float(self.urge),
            amplitude=self._amplitude(),
        )

    def _amplitude(self) -> float:
        """Decay of both amplitudes by age, down to a tenth."""
        times = int(self.age) // self.plasticity.decay_every
        return max(self.plasticity.decay**times, 0.1)

    def _stretches(self, n: int) -> Iterator[slice]:
        """Cut `n` presentations where something is due that happens every so many of them."""
        rule = self.plasticity
        due = [rule.decay_every] if rule.decay < 1.0 else []
        start, age = 0, int(self.age)
        while start < n:
            stop = min([n, *(start + every - (age + start) % every for every in due)])
            yield slice(start, stop)
            start = stop

    def _learn(
        self,
        patterns: Floats,
        labels: NDArray[np.int64],
        spikes: NDArray[np.int32],
        scores: Floats,
        teacher: float,
    ) -> None:
        age, shards = int(self.age), max(1, min(self.plasticity.shards, len(patterns)))
        randoms = [np.random.default_rng([self.seed, age, k]) for k in range(shards)]
        ends = [k * len(patterns) // shards for k in range(shards + 1)]

        def learn(k: int, circuit: Circuit, constants: Physiology) -> None:
            rows = slice(ends[k], ends[k + 1])
            seen, done = (patterns[rows], labels[rows]), (spikes[rows], scores[rows])
            _kernel().present(circuit, constants, *seen, randoms[k], True, age + ends[k], *done)

        circuit, constants = self.circuit(), self._constants(teacher)
        if shards == 1:
            learn(0, circuit, constants)
        else:
            learn_in_shards(circuit, constants, age, ends, learn)


def _kernel() -> Any:
    from potentiate.kernels import circuit

    return circuit


def _uniform(seed: int, shape: tuple[int, int]) -> Floats:
    return np.random.default_rng([seed, 0, 0, 2]).random(shape, dtype=np.float32)
