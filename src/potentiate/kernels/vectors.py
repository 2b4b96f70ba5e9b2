"""Loops over edges that keep their sums in vector registers, spelled for LLVM.

A compiler that is given such a loop in Python keeps the sums in memory, up to half of the speed. Registers
have 64 bytes here, 16 numbers in float32; where a machine's are narrower, LLVM takes several of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from potentiate.kernels.registers import (
    I32,
    I64,
    Loop,
    folded,
    index,
    load,
    longs,
    multiply_add,
    pointers,
    register,
    spread,
    store,
    zeros,
)


def weighted_sum(registers: int) -> Any:
    """Return the compiled sum of weighted rows, for as many numbers as so many registers hold.

    `(x, others, weight, stride, floor, out, first, last, at, place)`: out[place + j] is the sum over the
    edges first..last of weight[e] x[others[e] stride + at + j], or `floor` where that is more; what is
    not a number stays so. x and out are flat.
    """

    @intrinsic
    def made(_context, x, others, weight, stride, floor, out, first, last, at, place):
        signature = types.void(x, others, weight, stride, floor, out, first, last, at, place)

        def code(context, builder, signature, args):
            rows, edges, weights, outs = pointers(context, builder, signature, args, 0, 1, 2, 5)
            stride, first, last, at, place = longs(context, builder, signature, args, 3, 6, 7, 8, 9)
            kind = register(rows)
            floor = spread(builder, args[4], kind)
            with Loop(builder, first, last, I64(1), [zeros(kind)] * registers) as loop:
                begin = builder.add(builder.mul(index(builder, edges, loop.i), stride), at)
                factor = spread(builder, builder.load(builder.gep(weights, [loop.i])), kind)
                for k, total in enumerate(loop.sums):
                    row = load(builder, rows, builder.add(begin, I64(k * kind.count)), kind)
                    loop.after[k] = multiply_add(builder, row, factor, total)
            for k, total in enumerate(loop.results):
                kept = builder.select(builder.fcmp_ordered("<", total, floor), floor, total)
                store(builder, kept, outs, builder.add(place, I64(k * kind.count)))
            return context.get_dummy_value()

        return signature, code

    return made


def products(edges: int) -> Any:
    """Return the compiled products of rows of so many edges in turn with one row.

    `(x, others, grad, edge, stride, at, length, out)`: out[edge + k] is the sum over j < length of
    x[others[edge + k] stride + j] grad[at + j]; length is a multiple of a register's numbers.
    """

    @intrinsic
    def made(_context, x, others, grad, edge, stride, at, length, out):
        signature = types.void(x, others, grad, edge, stride, at, length, out)

        def code(context, builder, signature, args):
            rows, ends, grads, outs = pointers(context, builder, signature, args, 0, 1, 2, 7)
            edge, stride, at, length = longs(context, builder, signature, args, 3, 4, 5, 6)
            kind = register(rows)
            places = [builder.add(edge, I64(k)) for k in range(edges)]
            begins = [builder.mul(index(builder, ends, place), stride) for place in places]
            step = I64(kind.count)
            with Loop(builder, I64(0), length, step, [zeros(kind)] * edges) as loop:
                shared = load(builder, grads, builder.add(at, loop.i), kind)
                for k, (begin, total) in enumerate(zip(begins, loop.sums, strict=True)):
                    row = load(builder, rows, builder.add(begin, loop.i), kind)
                    loop.after[k] = multiply_add(builder, row, shared, total)
            for place, total in zip(places, loop.results, strict=True):
                builder.store(folded(builder, total), builder.gep(outs, [place]))
            return context.get_dummy_value()

        return signature, code

    return made


def weighted_sum_and_products(registers: int) -> Any:
    """Return the compiled way back to one source, for as many numbers as so many registers hold.

    `(grad, others, weight, cursor, stride, column, x, more, out, products, first, last, at, place)`: the edge e of
    first..last by source goes to others[e], and is at p = cursor[others[e]] by target, which then grows by 1.
    With g_j = grad[others[e] stride + column + j], out[place + j] is the sum of weight[p] g_j, and products[p]
    that of x[at + j] g_j over j, on top of what is there if `more`. One look at a row serves both.
    """

    @intrinsic
    def made(
        _context,
        grad,
        others,
        weight,
        cursor,
        stride,
        column,
        x,
        more,
        out,
        products,
        first,
        last,
        at,
        place,
    ):
        signature = types.void(
            grad,
            others,
            weight,
            cursor,
            stride,
            column,
            x,
            more,
            out,
            products,
            first,
            last,
            at,
            place,
        )

        def code(context, builder, signature, args):
            rows, edges, weights, cursors, xs, outs, totals = pointers(
                context, builder, signature, args, 0, 1, 2, 3, 6, 8, 9
            )
            stride, column, first, last, at, begin = longs(
                context, builder, signature, args, 4, 5, 10, 11, 12, 13
            )
            kind, more = register(rows), args[7]
            steps = [I64(k * kind.count) for k in range(registers)]
            own = [load(builder, xs, builder.add(at, step), kind) for step in steps]
            nothing = kind.element(0.0)
            with Loop(builder, first, last, I64(1), [zeros(kind)] * registers) as loop:
                other = index(builder, edges, loop.i)
                row_at = builder.add(builder.mul(other, stride), column)
                cell = builder.gep(cursors, [other])
                place = builder.load(cell)
                builder.store(builder.add(place, place.type(1)), cell)
                factor = spread(builder, builder.load(builder.gep(weights, [place])), kind)
                product = zeros(kind)
                for k, (step, total) in enumerate(zip(steps, loop.sums, strict=True)):
                    row = load(builder, rows, builder.add(row_at, step), kind)
                    loop.after[k] = multiply_add(builder, row, factor, total)
                    product = multiply_add(builder, own[k], row, product)
                cell = builder.gep(totals, [place])
                before = builder.select(more, builder.load(cell), nothing)
                builder.store(builder.fadd(before, folded(builder, product)), cell)
            for step, total in zip(steps, loop.results, strict=True):
                store(builder, total, outs, builder.add(begin, step))
            return context.get_dummy_value()

        return signature, code

    return made


@intrinsic
def turned_tile(_context, rows, at, stride, out, place, out_stride):
    """Turn a tile over, as many rows as a register holds numbers, of as many numbers.

    out[place + j out_stride + i] = rows[at + i stride + j], counted in numbers from where each begins.
    """
    signature = types.void(rows, at, stride, out, place, out_stride)

    def code(context, builder, signature, args):
        source, target = pointers(context, builder, signature, args, 0, 3)
        at, stride, place, out_stride = longs(context, builder, signature, args, 1, 2, 4, 5)
        kind = register(source)
        n = kind.count
        where = [builder.add(at, builder.mul(I64(i), stride)) for i in range(n)]
        tile = [load(builder, source, begin, kind) for begin in where]
        half = 1
        while half < n:  # blocks of this width change sides across the diagonal
            for i in (i for i in range(n) if not i & half):
                a, b = tile[i], tile[i | half]
                upper = [n + j - half if j & half else j for j in range(n)]
                lower = [n + j if j & half else j + half for j in range(n)]
                tile[i], tile[i | half] = (
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, n), order))
                    for order in (upper, lower)
                )
            half *= 2
        for j, row in enumerate(tile):
            store(builder, row, target, builder.add(place, builder.mul(I64(j), out_stride)))
        return context.get_dummy_value()

    return signature, code
