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
    """The sum over j < wide of exp(line[at + j] scale - top); wide is a multiple of LANES."""
    signature = NUMBER(line, types.int64, types.int64, NUMBER, NUMBER)

    def code(context, builder, signature, args):
        (row,) = pointers(context, builder, signature, args, 0)
        at, wide = longs(context, builder, signature, args, 1, 2)
        scale, top = _everywhere(builder, args, 3, 4)
        with Loop(builder, I64(0), wide, I64(LANES), [zeros(KIND)]) as loop:
            x = Lanes(builder, load(builder, row, builder.add(at, loop.i), KIND))
            loop.after[0] = (Lanes(builder, loop.sums[0]) + (x * scale - top).exp()).value
        return folded(builder, loop.results[0])

    return signature, code


def slopes(*, angular: bool) -> Any:
    """Return the compiled slopes of a row as if all its pairs were negatives; in place.

    `(line, at, totals, lengths, there, wide, own, mine, scale, slope, turn, margin, most)` ->
    (sum of squares of what angles lack of the margin, sum of slope by cosine times cosine). With
    similarities s = line[at + j], j < wide, and totals and lengths of the others at `there` + j,
    line[at + j] = slope (exp(s scale - own) + exp(s scale - totals[j])) + 2 turn near / sin(angle) mine lengths[j].
    Without `angular` the last term is left out.
    """

    @intrinsic
    def made(
        _context,
        line,
        at,
        totals,
        lengths,
        there,
        wide,
        own,
        mine,
        scale,
        slope,
        turn,
        margin,
        most,
    ):
        whole, numbers = (types.int64,) * 2, (NUMBER,) * 7
        pair = types.UniTuple(NUMBER, 2)
        signature = pair(line, types.int64, totals, lengths, *whole, *numbers)

        def code(context, builder, signature, args):
            row, total, length = pointers(context, builder, signature, args, 0, 2, 3)
            at, there, wide = longs(context, builder, signature, args, 1, 4, 5)
            own, mine, scale, slope, turn, margin, most = _everywhere(builder, args, *range(6, 13))
            with Loop(builder, I64(0), wide, I64(LANES), [zeros(KIND)] * 2) as loop:
                place, other = builder.add(at, loop.i), builder.add(there, loop.i)
                similar, totals, lengths = (
                    Lanes(builder, load(builder, pointer, where, KIND))
                    for pointer, where in ((row, place), (total, other), (length, other))
                )
                x = similar * scale
                found = slope * ((x - own).exp() + (x - totals).exp())
                if angular:
                    sizes = mine * lengths
                    cosine = similar * sizes
                    inside = cosine.most(most).least(most * -1.0)
                    near = (margin - inside.arccos()).least(0.0)
                    by = turn * near / (1.0 - inside * inside).call("sqrt")
                    found = found + by * sizes * 2.0
                    costs = near * near, by * cosine
                    sums = (Lanes(builder, total) for total in loop.sums)
                    loop.after[:] = [(a + b).value for a, b in zip(sums, costs, strict=True)]
                store(builder, found.value, row, place)
            totals = [folded(builder, total) for total in loop.results]
            return context.make_tuple(builder, signature.return_type, totals)

        return signature, code

    return made


def _everywhere(builder: ir.IRBuilder, args: Any, *numbers: int) -> list[Lanes]:
    """Numbers of the call, in all lanes."""
    return [Lanes(builder, spread(builder, args[n], KIND)) for n in numbers]
