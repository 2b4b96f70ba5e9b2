"""A training world with known truth: records are computed, nothing is run and nothing sleeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from potentiate.study.blocks import BASELINE
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record, Request


@dataclass(frozen=True)
class Effect:
    """What a technique really does: factors on step time and schedule, quality gained, seconds at the start."""

    step: float = 1.0
    quality: float = 0.0
    startup: float = 0.0
    length: float = 1.0
    memory: float = 1.0
    power: float = 1.0
    crash: float = 0.0
    trace: float = 0.0


@dataclass
class World:
    """Answers requests. Quality follows the logarithm of the schedule's length."""

    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    together: Mapping[frozenset[str], float] = field(default_factory=dict[frozenset[str], float])
    noise: float = 0.02
    quality_noise: float = 0.001
    drift: float = 0.0
    slot_penalty: float = 0.0
    step_seconds: float = 0.01
    steps: int = 1000
    quality: float = 0.97
    slope: float = 0.005
    seed: int = 0
    runs: int = 0
    sound: bool = True
    checked: str = "repeats"
    counter: bool = True
    validation: int = 5_000

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.level = 0.0

    def __call__(self, request: Request) -> Record:
        """Return the record of a run in this world."""
        self.runs += 1
        self.level = (
            0.95 * self.level + self.drift * math.sqrt(1 - 0.95**2) * self.rng.standard_normal()
        )
        if request.mode == "sanity":
            return Record(request, checks=[(self.checked, self.sound, "as told")], wall=1.0)
        names = list(request.techniques)
        effects = [self.effect(spec) for spec in names]
        if any(self.rng.random() < effect.crash for effect in effects):
            return Record(request, status="failed", reason="the loss is nan", wall=1.0)
        factor = math.prod(effect.step for effect in effects)
        for pair, extra in self.together.items():
            if pair <= set(names):
                factor *= extra
        length = math.prod(effect.length for effect in effects)
        noise = math.exp(self.level + self.noise * self.rng.standard_normal())
        if request.slot == 1:
            noise *= 1.0 + self.slot_penalty
        step = self.step_seconds * factor * noise
        steps = max(1, round(self.steps * length))
        done = steps if request.max_steps is None else min(request.max_steps, steps)
        gain = sum(effect.quality for effect in effects) + self.slope * math.log(length)
        seen = self.quality + gain + self.quality_noise * self.rng.standard_normal()
        startup = 0.1 + sum(effect.startup for effect in effects)
        return Record(
            request,
            settled=request.techniques,
            size=64,
            steps=done,
            declared_steps=steps,
            steps_per_epoch=100,
            declared_evaluations=max(1, round(10 * length)),
            seconds={"setup": startup, "training": done * step, "evaluation": 0.0},
            step_seconds=step,
            evaluation_seconds=0.0,
            validation={"accuracy": seen},
            test={"accuracy": seen} if request.test else None,
            peak_memory=round(1e9 * math.prod(effect.memory for effect in effects)),
            flops={"matmul": 1e6, "elementwise": 1e5, "bytes": 1e5},
            phases={
                "data": 0.1 * step,
                "forward": 0.4 * step,
                "backward": 0.4 * step,
                "optimizer": 0.1 * step,
            },
            trace=[1.0 + sum(effect.trace for effect in effects)] * 50,
            weights="w",
            sizes={"train": 10_000, "validation": self.validation, "test": 10_000},
            wall=startup + done * step + 0.2,
            energy=(startup + done * step + 0.2) * 50.0 * math.prod(e.power for e in effects)
            if self.counter
            else None,
            energy_reason="" if self.counter else "no counter",
            when=f"2026-01-01T{self.runs // 3600 % 24:02}:{self.runs // 60 % 60:02}:{self.runs % 60:02}Z",
        )

    def effect(self, spec: str) -> Effect:
        """The truth about a technique; the control is known everywhere."""
        if spec.startswith("short-schedule:factor="):
            return Effect(length=float(spec.partition("=")[2]))
        return self.effects.get(spec, Effect())


def single(spec: str, evidence: str = "exact", **more: object) -> Candidate:
    """An arm of one technique."""
    return Candidate((spec,), (spec.partition(":")[0],), evidence, **more)  # pyright: ignore[reportArgumentType]


def plan(*candidates: Candidate, **changes: object) -> Plan:
    """A small full plan over these arms."""
    base = Plan(
        "world",
        candidates=candidates,
        margin=0.003,
        short_steps=200,
        epochs=10.0,
        sizes={"train": 10_000, "validation": 5_000, "test": 10_000},
        looks=(6,),
        confirm_looks=(6, 9),
    )
    return replace(base, **changes)  # pyright: ignore[reportArgumentType]


def pilot(world: World) -> Record:
    """The pilot run of a world."""
    return world(Request("pilot", BASELINE, mode="probe", max_steps=30))


def ledger(world: World) -> Ledger:
    """Evidence in memory, made by `world`."""
    return Ledger(None, world)
