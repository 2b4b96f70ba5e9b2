"""Findings of studies that never took place, as real ones look: for tests of the report."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from potentiate.study.findings import ArmResult, Findings, FrontPoint, Noise, Replay, Trial
from potentiate.study.interval import Interval
from potentiate.study.plan import Candidate, Forecast, Plan
from potentiate.study.record import Record, Request
from potentiate.study.verdict import Judgement, Verdict, judge, unmeasured

BEST = (
    "channels-last",
    "batch-size:size=128",
    "optimizer:kind=AdamW,lr=0.006",
    "one-cycle",
    "short-schedule:factor=0.4",
)
BEST_ARM = " + ".join(BEST)
CONTROL = "short-schedule:factor=0.5"
SHORTER = "short-schedule:factor=0.2"
MACHINE = {
    "cpu": "Invented Processor 9000 @ 2.50GHz",
    "flags": {"avx2": True, "avx512_bf16": None},
    "usable_cores": 2,
    "memory": 16 * 2**30,
    "governor": None,
    "load": 0.3,
    "gpus": [],
    "torch": {"version": "2.13.0+cpu", "cuda": None},
    "threads": [{"prefix": "libopenblas", "num_threads": 2}],
    "packages": {"numpy": "2.4.6", "triton": None},
}


def about(estimate: float, low: float, high: float) -> Interval:
    return Interval(estimate, low, high, 6, "Hodges-Lehmann, exact Wilcoxon, 96.9 %")


def arm(name: str, judgement: Judgement, evidence: str = "exact", **more: object) -> ArmResult:
    return ArmResult(name, tuple(name.split(" + ")), evidence, judgement, **more)  # pyright: ignore[reportArgumentType]


def timed(
    name: str,
    ratio: float,
    evidence: str = "exact",
    loss: float | None = None,
    spread: float = 0.02,
    **more: object,
) -> ArmResult:
    """A row of six blocks about `ratio`, with a loss of quality about `loss`."""
    rng = random.Random(name)
    ratios = [ratio * math.exp(rng.gauss(0.0, spread)) for _ in range(6)]
    lost = None if loss is None else [rng.gauss(-loss, 0.0008) for _ in range(6)]
    memory = more.get("memory_ratio", 1.0)
    judged = judge(
        ratios,
        lost,
        margin=0.003,
        memory_ratio=memory if isinstance(memory, float) else None,
        resolution=1e-4,
    )
    values: dict[str, object] = {
        "runs": 6,
        "seconds": 153.8 * ratio,
        "quality": 0.9906 - (loss or 0.0),
        "step_ratio": ratio,
        "startup": 0.8,
        "memory_ratio": 1.0,
        "flops_ratio": 1.0,
        "p_adjusted": judged.p_claim,
    }
    return arm(name, judged, evidence, **{**values, **more})


def singles() -> list[ArmResult]:
    crashed = judge([0.8, 0.79, 0.81, math.inf, 0.8, math.nan], alpha_time=0.02)
    unfused = "fused-optimizer cannot run here: Adadelta has no fused form in this build"
    s, n = "semantics", "numerics"
    cycle = timed("one-cycle", 0.52, s, 0.0001, steps_ratio=0.5, step_ratio=1.04)
    batch = timed("batch-size:size=128", 0.80, s, 0.0003)
    return [
        timed("channels-last", 0.71),
        timed("data-loading:how=resident", 0.88),
        replace(batch, versus_control=about(1.31, 1.2, 1.42)),
        replace(cycle, versus_control=about(0.94, 0.9, 0.98)),
        timed("rarer-evaluation:every=5", 0.93),
        timed("ema-weights", 0.99, s, 0.0002, 0.06),
        timed("label-smoothing", 1.0, s, -0.0002, 0.004),
        timed("early-stopping:patience=1", 0.66, s, 0.008, 0.05),
        timed("adaptive-batch", 0.61, s, 0.0024),
        timed("mixed-precision:dtype=bf16", 1.72, n, 0.0),
        timed("compile", 1.18, n, 0.0, startup=41.0, break_even_steps=math.inf),
        timed("activation-checkpointing", 1.31, memory_ratio=0.62),
        arm("fused-optimizer", unmeasured(Verdict.INAPPLICABLE, unfused)),
        arm("mixed-precision:dtype=fp16", unmeasured(Verdict.INAPPLICABLE, "fp16 needs a GPU"), n),
        arm("gradient-accumulation:steps=4", judge([math.inf] * 3), runs=3, failures=3),
        arm("threads:count=1", crashed, runs=6, failures=2, break_even_steps=math.nan),
    ]


def runs(name: str, total: float, end: float, epochs: int, start: float) -> list[Record]:
    """Six complete runs that end at `end`, and a probe that splits the step."""
    rng, made = random.Random(name), list[Record]()
    specs = () if name == "baseline" else tuple(name.split(" + "))
    for block in range(6):
        wobble, shift = math.exp(rng.gauss(0.0, 0.02)), rng.gauss(0.0, 0.0004)
        training, evaluation = 0.93 * total * wobble, 0.06 * total * wobble
        curve = [
            end + shift - (end - start) * (1 - i / epochs) ** 2.2 for i in range(1, epochs + 1)
        ]
        made.append(
            Record(
                Request("confirm", name, specs, block=block, seed=10_000 + block, test=True),
                seconds={
                    "setup": 0.4,
                    "warmup": 0.4,
                    "training": training,
                    "evaluation": evaluation,
                },
                history=[
                    {"step": 100.0 * i, "seconds": training * i / epochs, "accuracy": value}
                    for i, value in enumerate(curve, 1)
                ],
                validation={"accuracy": curve[-1]},
                test={"accuracy": round(end + shift, 4)},
                wall=total * wobble + 1.1,
            )
        )
    split = {"data": 0.006, "forward": 0.011, "backward": 0.016, "optimizer": 0.004}
    return [*made, Record(Request("probe", name, specs, mode="probe"), phases=split, wall=3.0)]


def plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "workload": "cnn/mnist",
        "margin": 0.003,
        "candidates": (Candidate(("channels-last",), ("channels-last",), "exact"),),
        "forecast": (Forecast("noise", 12, 120.0), Forecast("confirm", 18, 1500.0)),
        "budget": 7200.0,
        "epochs": 5.0,
        "threads": 2,
        "sizes": {"train": 55_000, "validation": 5_000, "test": 10_000},
        "cut": ("not tried: adaptive-batch", "interactions are not screened"),
        "version": "0.1.0",
    }
    return Plan(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def trials() -> list[Trial]:
    two = "one-cycle + channels-last"
    return [
        Trial("add", "channels-last", "baseline", about(0.71, 0.69, 0.74), None, True, "it pays"),
        Trial("add", "rarer-evaluation:every=5", "channels-last", about(0.995, 0.97, 1.02), None,
              False, "time is 0.995 of what it was; 1 % is asked"),
        Trial("keep", "batch-size:size=128", two, about(0.89, 0.85, 0.94), None, True, "it pays"),
        Trial("recipe", "one-cycle", BEST_ARM, about(1.01, 0.99, 1.03), 0.0042, True, "worth 41 %"),
        Trial("length", "0.4 of the schedule", BEST_ARM, None, 0.9902, True, "0.9890 asked"),
    ]  # fmt: skip


def full() -> Findings:
    """A finished study that confirmed a combination."""
    shape = {"steps_ratio": 0.2, "step_ratio": 1.46, "memory_ratio": 1.22, "flops_ratio": 0.4}
    best = timed(
        BEST_ARM, 0.294, "semantics", 0.0003, 0.03, seconds=45.2, p_adjusted=0.0004,
        versus_control=about(0.58, 0.55, 0.62), break_even_steps=31.2, **shape,
    )  # fmt: skip
    half, fifth = {"steps_ratio": 0.5, "step_ratio": 1.0}, {"steps_ratio": 0.2, "step_ratio": 1.01}
    controls = [
        timed(CONTROL, 0.502, "semantics", 0.0006, p_adjusted=None, **half),
        timed(SHORTER, 0.204, "semantics", 0.0052, p_adjusted=None, **fifth),
    ]
    crash = Record(
        Request("timing", "gradient-accumulation:steps=4"),
        status="failed",
        reason="the loss is not finite at step 12",
        wall=4.0,
    )
    ratios = (1.012, 0.981, 1.004, 0.993, 1.021, 0.990)
    claimed = "3.38x faster (3.29 to 3.47) at accuracy not worse by 0.3 points; confirmed on 6 fresh seeds."
    replayed = Replay(
        "2030-01-02T03:04:05Z", "Invented Processor 9000, 2 cores", "0.1.0", 46.1, 0.9899,
        (42.0, 48.6), (0.9889, 0.9917), True,
    )  # fmt: skip
    return Findings(
        plan(),
        MACHINE,
        [
            *runs("baseline", 153.8, 0.9907, 5, 0.978),
            *runs(CONTROL, 77.0, 0.9901, 3, 0.978),
            *runs(BEST_ARM, 45.2, 0.9903, 2, 0.972),
            crash,
        ],
        complete=True,
        checks=[
            ("the same seed gives the same run", True, "weights after 6 steps are bitwise equal"),
            ("the gradient agrees with finite differences", True, "relative error 2.1e-07"),
        ],
        noise=Noise(ratios, about(1.0, 0.981, 1.016), 0.015, 0.004, -0.002, 1.024, 0.0006),
        headroom={
            "data": 0.15,
            "forward": 0.27,
            "backward": 0.4,
            "optimizer": 0.1,
            "evaluation": 0.08,
        },
        singles=singles(),
        interactions=[
            ("channels-last", "batch-size:size=128", about(1.09, 1.04, 1.15)),
            ("one-cycle", "batch-size:size=128", about(0.99, 0.0, math.exp(50.0))),
        ],
        trials=trials(),
        confirmation=[*controls, best],
        control=CONTROL,
        best=best,
        best_claim=claimed,
        front=[
            FrontPoint("baseline", 153.8, 410e6, 3.1e15, 0.9907, True, 0.71, ("best quality",)),
            FrontPoint(CONTROL, 77.0, 411e6, 1.55e15, 0.9901, False, 0.22),
            FrontPoint(BEST_ARM, 45.2, 500e6, 1.24e15, 0.9903, True, 1.0, ("fastest",)),
            FrontPoint(SHORTER, 31.4, 410e6, None, 0.9854, True, 0.95),
        ],
        study_seconds=5340.0,
        payback_runs=49.2,
        replays=[replayed],
        notes=["channels-last: the 50-step trace equals the baseline's within 3.1e-07"],
    )


def unfinished() -> Findings:
    """A study that was stopped after the noise was known."""
    done = full()
    return Findings(
        done.plan,
        MACHINE,
        done.records[-1:],
        pending="timing",
        noise=done.noise,
        checks=done.checks,
    )


def empty() -> Findings:
    """A study before its first run."""
    return Findings(plan(), {}, pending="sanity")


def nothing_confirmed() -> Findings:
    """A finished study in which the best combination did not pass."""
    done = full()
    weak = timed(BEST_ARM, 0.97, "semantics", 0.004, 0.05, p_adjusted=0.4)
    rows = [*done.confirmation[:2], weak]
    return replace(done, best=None, best_claim="", confirmation=rows, payback_runs=None, replays=[])


def baseline_only() -> Findings:
    """A study that compared nothing."""
    done = full()
    return Findings(plan(mode="baseline-only"), MACHINE, done.records[:7], True, noise=done.noise)


def broken() -> Findings:
    """No number wherever one may be missing, and a metric that is a loss."""
    done, nan, inf = full(), math.nan, math.inf
    odd, never = about(nan, -inf, inf), about(inf, 0.0, inf)
    judged = replace(judge([0.5, inf, nan]), quality=odd, p_time=nan, p_quality=None)
    row = arm(
        "compile", judged, seconds=inf, quality=nan, memory_ratio=nan, flops_ratio=inf,
        p_adjusted=nan, failures=2, runs=3, versus_control=never, break_even_steps=inf,
    )  # fmt: skip
    best = replace(row, arm=BEST_ARM, techniques=BEST)
    return replace(
        done,
        plan=plan(
            metric="loss", higher_is_better=False, margin=0.01, threads=None, budget=None,
            sizes={}, cut=(), recipe={"clip": None},
        ),
        singles=[row, replace(row, arm="other", judgement=replace(judged, time=never))],
        confirmation=[best],
        best=best,
        interactions=[("a", "b", never), ("c", "d", odd)],
        trials=[Trial("add", "x", "", never, nan, False, "time inf, quality nan, rest None")],
        noise=Noise((inf, 1.0), never, inf, nan, nan, inf, nan),
        headroom={"data": 1.0},
        payback_runs=inf,
        best_claim="",
        replays=[Replay("now", "here", "0", inf, nan, (1.0, inf), (-inf, inf), False)],
        front=[FrontPoint("x", nan, inf, nan, nan, False, nan)],
    )  # fmt: skip


HOSTILE = (
    "<script>alert('x')</script> | $\\frac{1}{2}$ `code` \"'><img src=http://evil.example/x>"
    " \x07 \u8bad\u7ec3 {{ 7 * 7 }}"
)


def hostile() -> Findings:
    """Names that would break a page, a table or a formula."""
    done, bad = full(), HOSTILE
    assert done.best is not None
    best = replace(done.best, arm=bad, techniques=(bad,))
    return replace(
        done,
        plan=plan(workload=bad, recipe={"a": bad, "b": (1, 2), "c": None}, metric=bad, cut=(bad,)),
        machine={"cpu": bad, bad: bad},
        singles=[replace(done.singles[0], arm=bad), *done.singles[1:]],
        confirmation=[best],
        best=best,
        best_claim=bad,
        notes=[bad],
        trials=[Trial(bad, bad, bad, None, None, True, bad)],
        interactions=[(bad, bad, Interval(1.0, 0.9, 1.1, 3, bad))],
        front=[replace(done.front[0], arm=bad, titles=(bad,))],
        checks=[(bad, False, bad)],
        replays=[replace(done.replays[0], when=bad, machine=bad, version=bad)],
        records=[replace(r, status="failed", reason=bad) for r in done.records[:1]],
    )


ALL = {
    "full": full,
    "unfinished": unfinished,
    "empty": empty,
    "nothing": nothing_confirmed,
    "baseline-only": baseline_only,
    "broken": broken,
    "hostile": hostile,
}
