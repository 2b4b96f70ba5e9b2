"""Plasticity rules beside what theory says of them.

Every group of checks takes the rule it looks at, so that a wrong one can be held against it. Rules
that run for long are checked as machine code, short ones as they stand; both are the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from potentiate.plasticity import (
    bcm,
    chain,
    hebb,
    importance_weighted,
    inhibitory_stdp,
    intrinsic,
    metaplasticity,
    normalize,
    oja,
    pair_stdp,
    reward_stdp,
    synaptic_scaling,
    triplet_stdp,
    two_speed,
)
from potentiate.verify import courses, rates, retention, stdp
from potentiate.verify.check import Check, Curve
from potentiate.verify.stdp import LARGE, OPEN, SONG


def checks() -> Iterator[Check]:
    """Run every check of this module: twenty seconds on one core, most of them compiling."""
    yield from timing()
    yield from activity()
    yield from keeping()


def timing() -> Iterator[Check]:
    """Pairs and triplets of spikes, reward, and the engines for known spikes."""
    song = pair_stdp(**SONG, **OPEN).compiled()
    yield from stdp.pair_window(song, SONG)
    yield from stdp.pair_window(pair_stdp(**LARGE, **OPEN).compiled(), LARGE)
    yield from stdp.sixty_pairs(song, SONG)
    yield from stdp.pairwise_sum(song, SONG, "all")
    yield from stdp.pairwise_sum(pair_stdp(**SONG, **OPEN, pairing="nearest"), SONG, "nearest")
    yield from stdp.engines(pair_stdp(**LARGE), "additive", ("event", "block"))
    nearest = pair_stdp(**LARGE, pairing="nearest")
    yield from stdp.engines(nearest, "additive, nearest", ("event", "block"))
    yield from stdp.engines(pair_stdp(**LARGE, bounds="soft"), "soft", ("event",))
    yield from stdp.poisson_drift(song, SONG)
    soft = pair_stdp(**SONG, bounds="multiplicative")
    yield from stdp.multiplicative_fixed_point(soft, SONG)
    yield from stdp.triplets(triplet_stdp(**OPEN).compiled())
    yield from stdp.reward(reward_stdp(**SONG, **OPEN).compiled(), song)


def activity() -> Iterator[Check]:
    """Rules that learn from rates, and rules that keep them."""
    yield from rates.target_rate(inhibitory_stdp(eta=0.01, target_rate=8.0).compiled(), 8.0)
    yield from rates.principal_component(oja(eta=0.02).compiled())
    yield from rates.divergence(hebb(eta=0.02).compiled(), 0.02)
    yield from rates.selectivity(bcm(eta=0.005, tau=50.0, w_min=-np.inf).compiled())
    scaling = synaptic_scaling(10.0, tau=1000.0, tau_rate=100.0)
    yield from rates.scaling(scaling.compiled(), 10.0)
    yield from rates.intrinsic_rate(intrinsic(12.0, eta=1.0).compiled(), 12.0)
    yield from rates.normalization(normalize(78.0), 78.0)


def keeping() -> Iterator[Check]:
    """Metaplasticity, consolidation, and rules that run rarely."""
    pairs = pair_stdp(**SONG, **OPEN)
    yield from retention.busy_neurons(metaplasticity(pairs), pairs, 1.2)
    learned = pair_stdp(**SONG).compiled()
    important = importance_weighted(pair_stdp(**SONG), protection=2.0, use=0.02, tau=1e5)
    yield from retention.forgetting(learned, important.compiled(), "importance")
    slow = chain(pair_stdp(**SONG), two_speed(tau_fast=10_000.0, tau_slow=10_000.0))
    yield from retention.forgetting(learned, slow.compiled(), "a slow copy")
    yield from retention.fading_importance(important, 1e5)
    yield from retention.two_speeds(two_speed(3000.0, 9000.0), 3000.0, 9000.0)
    yield from retention.tiring_amplitudes(pairs, 5000.0)
    yield from retention.same_rate(10)


def curves() -> Iterator[Curve]:
    """Measure what can be drawn: the same rules as in the checks, over a range."""
    lags = np.arange(-60, 61)
    song = pair_stdp(**SONG, **OPEN)
    expected = np.array([stdp.window(int(lag), SONG) for lag in lags])
    measured = stdp.lag_changes(song, [int(lag) for lag in lags])
    label = "post after pre (ms)"
    yield Curve("Pair STDP", label, "change of weight", lags.astype(float), expected, measured)

    found = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 40.0, 50.0])
    for lag, arm in ((10, 0), (-10, 1)):
        expected = np.array([stdp.closed_sum(f, lag, SONG) for f in found])
        measured = np.array([stdp.protocol(song, f)[arm] for f in found])
        title = f"Pair STDP, 60 pairs, lag {lag} ms"
        yield Curve(title, "frequency (Hz)", "change of weight", found, expected, measured)

    triplet = triplet_stdp(**OPEN).compiled()
    frequencies = np.array(list(stdp.TRIPLETS), dtype=float)
    changes = np.array([stdp.protocol(triplet, f) for f in frequencies])
    for lag, arm in ((10, 0), (-10, 1)):
        expected = np.array([printed[arm] for printed in stdp.TRIPLETS.values()])
        title = f"Triplet STDP, 60 pairs, lag {lag} ms"
        yield Curve(
            title, "frequency (Hz)", "change of weight", frequencies, expected, changes[:, arm]
        )
    yield from courses.plasticity()
