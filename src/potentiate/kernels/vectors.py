"""Loops over edges that keep their sums in vector registers, spelled for LLVM.

A compiler that is given such a loop in Python keeps the sums in memory, up to half of the speed. Registers
have 64 bytes here, 16 numbers in float32; where a machine's are narrower, LLVM takes several of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 64
"""Bytes of a register."""
_I32, I64 = ir.IntType(32), ir.IntType(64)


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
            kind = _register(rows)
            floor = spread(builder, args[4], kind)
            with Loop(builder, first, last, I64(1), [zeros(kind)] * registers) as loop:
                begin = builder.add(builder.mul(_index(builder, edges, loop.i), stride), at)
                factor = spread(builder, builder.load(builder.gep(weights, [loop.i])), kind)
                for k, total in enumerate(loop.sums):
                    row = load(builder, rows, builder.add(begin, I64(k * kind.count)), kind)
                    loop.after[k] = _multiply_add(builder, row, factor, total)
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
            kind = _register(rows)
            places = [builder.add(edge, I64(k)) for k in range(edges)]
            begins = [builder.mul(_index(builder, ends, place), stride) for place in places]
            step = I64(kind.count)
            with Loop(builder, I64(0), length, step, [zeros(kind)] * edges) as loop:
                shared = load(builder, grads, builder.add(at, loop.i), kind)
                for k, (begin, total) in enumerate(zip(begins, loop.sums, strict=True)):
                    row = load(builder, rows, builder.add(begin, loop.i), kind)
                    loop.after[k] = _multiply_add(builder, row, shared, total)
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
            kind, more = _register(rows), args[7]
            steps = [I64(k * kind.count) for k in range(registers)]
            own = [load(builder, xs, builder.add(at, step), kind) for step in steps]
            nothing = kind.element(0.0)
            with Loop(builder, first, last, I64(1), [zeros(kind)] * registers) as loop:
                other = _index(builder, edges, loop.i)
                row_at = builder.add(builder.mul(other, stride), column)
                cell = builder.gep(cursors, [other])
                place = builder.load(cell)
                builder.store(builder.add(place, place.type(1)), cell)
                factor = spread(builder, builder.load(builder.gep(weights, [place])), kind)
                product = zeros(kind)
                for k, (step, total) in enumerate(zip(steps, loop.sums, strict=True)):
                    row = load(builder, rows, builder.add(row_at, step), kind)
                    loop.after[k] = _multiply_add(builder, row, factor, total)
                    product = _multiply_add(builder, own[k], row, product)
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
        kind = _register(source)
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
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, n), order))
                    for order in (upper, lower)
                )
            half *= 2
        for j, row in enumerate(tile):
            store(builder, row, target, builder.add(place, builder.mul(I64(j), out_stride)))
        return context.get_dummy_value()

    return signature, code


class Loop:
    """A loop from `first` to `last` by `step` that carries sums; nothing runs where the range is empty."""

    def __init__(self, builder, first, last, step, starts) -> None:
        self.builder, self.last, self.step, self.starts = builder, last, step, starts
        self.before = builder.block
        self.body, self.end = (builder.append_basic_block(name) for name in ("body", "end"))
        builder.cbranch(builder.icmp_signed("<", first, last), self.body, self.end)
        builder.position_at_end(self.body)
        self.i = builder.phi(I64)
        self.i.add_incoming(first, self.before)
        self.sums = [builder.phi(start.type) for start in starts]
        for total, start in zip(self.sums, starts, strict=True):
            total.add_incoming(start, self.before)
        self.after = list(self.sums)
        self.results: list[Any] = []

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        builder, body = self.builder, self.builder.block
        following = builder.add(self.i, self.step)
        self.i.add_incoming(following, body)
        for total, after in zip(self.sums, self.after, strict=True):
            total.add_incoming(after, body)
        builder.cbranch(builder.icmp_signed("<", following, self.last), self.body, self.end)
        builder.position_at_end(self.end)
        for start, after in zip(self.starts, self.after, strict=True):
            result = builder.phi(start.type)
            result.add_incoming(start, self.before)
            result.add_incoming(after, body)
            self.results.append(result)


def pointers(context, builder, signature, args, *numbers):
    """The data of array arguments."""
    arrays = (context.make_array(signature.args[n])(context, builder, args[n]) for n in numbers)
    return [array.data for array in arrays]


def longs(context, builder, signature, args, *numbers):
    """Integer arguments as int64."""
    cast = context.cast
    return [cast(builder, args[n], signature.args[n], types.int64) for n in numbers]


def _register(pointer):
    number = pointer.type.pointee
    return ir.VectorType(number, WIDTH // _size(number))


def _size(number) -> int:
    return 4 if isinstance(number, ir.FloatType) else 8


def zeros(kind):
    """Nothing in all places."""
    return ir.Constant(kind, [0.0] * kind.count)


def _index(builder, pointer, at):
    found = builder.load(builder.gep(pointer, [at]))
    return builder.sext(found, I64) if found.type.width < 64 else found


def spread(builder, number, kind):
    """A number in all places of a register."""
    nothing = ir.Constant(kind, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(
        builder.insert_element(nothing, number, _I32(0)), nothing, everywhere
    )


def load(builder, pointer, at, kind):
    """The numbers from a place on."""
    where = builder.bitcast(builder.gep(pointer, [at]), kind.as_pointer())
    found = builder.load(where)
    found.align = _size(kind.element)
    return found


def store(builder, value, pointer, at) -> None:
    """Write numbers from a place on."""
    where = builder.bitcast(builder.gep(pointer, [at]), value.type.as_pointer())
    builder.store(value, where).align = _size(value.type.element)


def _multiply_add(builder, a, b, total):
    """One instruction where the machine has it."""
    return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))


def folded(builder, value):
    """The sum of a register's numbers, halves onto each other."""
    while value.type.count > 1:
        half, nothing = value.type.count // 2, ir.Constant(value.type, ir.Undefined)
        halves = [
            builder.shuffle_vector(
                value, nothing, ir.Constant(ir.VectorType(_I32, half), list(range(n, n + half)))
            )
            for n in (0, half)
        ]
        value = builder.fadd(*halves)
    return builder.extract_element(value, _I32(0))
