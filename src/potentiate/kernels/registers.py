"""What loops in LLVM's own words are built of: registers of numbers, loads and stores, and the loop itself.

Registers have 64 bytes here, 16 numbers in float32; where a machine's are narrower, LLVM takes several of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

WIDTH = 64
"""Bytes of a register."""
I32, I64 = ir.IntType(32), ir.IntType(64)


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


def register(pointer):
    """The kind of register that holds what a pointer points to."""
    number = pointer.type.pointee
    return ir.VectorType(number, WIDTH // size(number))


def size(number) -> int:
    """Bytes of a number."""
    return 4 if isinstance(number, ir.FloatType) else 8


def zeros(kind):
    """Nothing in all places."""
    return ir.Constant(kind, [0.0] * kind.count)


def index(builder, pointer, at):
    """The integer at a place, as int64."""
    found = builder.load(builder.gep(pointer, [at]))
    return builder.sext(found, I64) if found.type.width < 64 else found


def spread(builder, number, kind):
    """A number in all places of a register."""
    nothing = ir.Constant(kind, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(
        builder.insert_element(nothing, number, I32(0)), nothing, everywhere
    )


def load(builder, pointer, at, kind):
    """The numbers from a place on."""
    where = builder.bitcast(builder.gep(pointer, [at]), kind.as_pointer())
    found = builder.load(where)
    found.align = size(kind.element)
    return found


def store(builder, value, pointer, at) -> None:
    """Write numbers from a place on."""
    where = builder.bitcast(builder.gep(pointer, [at]), value.type.as_pointer())
    builder.store(value, where).align = size(value.type.element)


def multiply_add(builder, a, b, total):
    """One instruction where the machine has it."""
    return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))


def folded(builder, value):
    """The sum of a register's numbers, halves onto each other."""
    while value.type.count > 1:
        half, nothing = value.type.count // 2, ir.Constant(value.type, ir.Undefined)
        halves = [
            builder.shuffle_vector(
                value, nothing, ir.Constant(ir.VectorType(I32, half), list(range(n, n + half)))
            )
            for n in (0, half)
        ]
        value = builder.fadd(*halves)
    return builder.extract_element(value, I32(0))
