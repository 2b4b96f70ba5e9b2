"""What a row of similarities contributes to the contrasts of `potentiate.kernels.contrast`, sixteen at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from potentiate.kernels.lanes import KIND, LANES, Lanes
from potentiate.kernels.registers import (  # fmt: skip
    I64,
    Loop,
    folded,
    load,
    longs,
    pointers,
    spread,
    store,
    zeros,
)

NUMBER = types.float32


@intrinsic
def sum_of_exponentials(_context, line, at, wide, scale, top):
    """The sum over j < wide of exp((line[at + j] - top) scale); wide is a multiple of LANES."""
    signature = NUMBER(line, types.int64, types.int64, NUMBER, NUMBER)

    def code(context, builder, signature, args):
        (row,) = pointers(context, builder, signature, args, 0)
        at, wide = longs(context, builder, signature, args, 1, 2)
        scale, top = _everywhere(builder, args, 3, 4)
        with Loop(builder, I64(0), wide, I64(LANES), [zeros(KIND)]) as loop:
            x = Lanes(builder, load(builder, row, builder.add(at, loop.i), KIND))
            loop.after[0] = (Lanes(builder, loop.sums[0]) + ((x - top) * scale).exp()).value
        return folded(builder, loop.results[0])

    return signature, code


def slopes(*, angular: bool) -> Any:
    """Return the compiled slopes of a row as if all its pairs were negatives; in place.

    `(line, at, others, there, wide, top, log, mine, scale, slope, turn, margin, most)` -> (sum of squares of
    what angles lack of the margin, sum of slope by cosine times cosine). With similarities s = line[at + j],
    j < wide, and of the others their largest similarities, the logarithms of their sums and their inverse
    lengths, `wide` of each from others[there] on, line[at + j] becomes
    slope (exp((s - top) scale - log) + exp((s - tops[j]) scale - logs[j])) + 2 turn near / sin(angle) mine lengths[j].
    Without `angular` the last term is left out.
    """

    @intrinsic
    def made(
        _context, line, at, others, there, wide, top, log, mine, scale, slope, turn, margin, most
    ):
        numbers, pair = (NUMBER,) * 8, types.UniTuple(NUMBER, 2)
        signature = pair(line, types.int64, others, types.int64, types.int64, *numbers)

        def code(context, builder, signature, args):
            row, other = pointers(context, builder, signature, args, 0, 2)
            at, there, wide = longs(context, builder, signature, args, 1, 3, 4)
            top, log, mine, scale, slope, turn, margin, most = _everywhere(
                builder, args, *range(5, 13)
            )
            with Loop(builder, I64(0), wide, I64(LANES), [zeros(KIND)] * 2) as loop:
                place, seen = builder.add(at, loop.i), builder.add(there, loop.i)
                similar = Lanes(builder, load(builder, row, place, KIND))
                found = list[Lanes]()
                for _ in range(3):
                    found.append(Lanes(builder, load(builder, other, seen, KIND)))
                    seen = builder.add(seen, wide)
                tops, logs, lengths = found
                # Differences of like numbers are exact; of their products with the scale they are not.
                both = ((similar - top) * scale - log).exp() + (
                    (similar - tops) * scale - logs
                ).exp()
                total = slope * both
                if angular:
                    sizes = mine * lengths
                    cosine = similar * sizes
                    inside = cosine.most(most).least(most * -1.0)
                    near = (margin - inside.arccos()).least(0.0)
                    by = turn * near / (1.0 - inside * inside).call("sqrt")
                    total = total + by * sizes * 2.0
                    costs = near * near, by * cosine
                    sums = (Lanes(builder, each) for each in loop.sums)
                    loop.after[:] = [(a + b).value for a, b in zip(sums, costs, strict=True)]
                store(builder, total.value, row, place)
            sums = [folded(builder, each) for each in loop.results]
            return context.make_tuple(builder, signature.return_type, sums)

        return signature, code

    return made


def _everywhere(builder: ir.IRBuilder, args: Any, *numbers: int) -> list[Lanes]:
    """Numbers of the call, in all lanes."""
    return [Lanes(builder, spread(builder, args[n], KIND)) for n in numbers]
