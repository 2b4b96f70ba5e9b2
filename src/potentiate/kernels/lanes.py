"""Sixteen numbers in float32 at once, with operators: formulas for LLVM that read as they do on paper.

The compiler does not vectorize short loops; rows that are filled up to a multiple of `LANES` need none.

Source of the polynomials: Moshier's Cephes, expf (relative error 1e-7); Abramowitz & Stegun 4.4.46 (2e-8).
"""

from __future__ import annotations

from math import pi
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
KIND = ir.VectorType(ir.FloatType(), LANES)
_I32 = ir.VectorType(ir.IntType(32), LANES)
EXP = 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5
ARCCOS = (
    -0.0012624911, 0.0066700901, -0.0170881256, 0.0308918810,
    -0.0501743046, 0.0889789874, -0.2145988016, 1.5707963050,
)  # fmt: skip


class Lanes:
    """Numbers in a register, of which a function is being built."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def of(self, number: Any) -> Lanes:
        """Return lanes as they are, and a plain number in all lanes."""
        if isinstance(number, Lanes):
            return number
        return Lanes(self.builder, ir.Constant(KIND, [float(number)] * LANES))

    def _with(self, operation: str, other: Any) -> Lanes:
        call = getattr(self.builder, operation)
        return Lanes(self.builder, call(self.value, self.of(other).value, flags=("contract",)))

    def __add__(self, other: Any) -> Lanes:
        return self._with("fadd", other)

    def __sub__(self, other: Any) -> Lanes:
        return self._with("fsub", other)

    def __mul__(self, other: Any) -> Lanes:
        return self._with("fmul", other)

    def __truediv__(self, other: Any) -> Lanes:
        return self._with("fdiv", other)

    def __rsub__(self, other: Any) -> Lanes:
        return self.of(other) - self

    def __rtruediv__(self, other: Any) -> Lanes:
        return self.of(other) / self

    def where(self, sign: str, bound: Any, then: Any, otherwise: Any) -> Lanes:
        """Return `then` where the comparison with `bound` holds, `otherwise` where not, or where not a number."""
        test = self.builder.fcmp_ordered(sign, self.value, self.of(bound).value)
        chosen = self.builder.select(test, self.of(then).value, self.of(otherwise).value)
        return Lanes(self.builder, chosen)

    def least(self, bound: Any) -> Lanes:
        """Return the bound where numbers are below it."""
        return self.where("<", bound, bound, self)

    def most(self, bound: Any) -> Lanes:
        """Return the bound where numbers are above it."""
        return self.where(">", bound, bound, self)

    def call(self, name: str) -> Lanes:
        """Return LLVM's own function of that name: floor, sqrt, fabs."""
        kind, full = ir.FunctionType(KIND, [KIND]), f"llvm.{name}.v{LANES}f32"
        function = cgutils.get_or_insert_function(self.builder.module, kind, full)
        return Lanes(self.builder, self.builder.call(function, [self.value]))

    def exp(self) -> Lanes:
        """Return e^x for x up to 88; nothing below -87."""
        x = self.least(-87.0)
        power = (x * 1.44269504 + 0.5).call("floor")
        rest = x - power * 0.693359375 + power * 2.12194440e-4
        series = polynomial(EXP, rest) * rest * rest + rest + 1.0
        whole = self.builder.fptosi(power.value, _I32)
        raised = self.builder.add(whole, ir.Constant(_I32, [127] * LANES))
        bits = self.builder.shl(raised, ir.Constant(_I32, [23] * LANES))
        return series * Lanes(self.builder, self.builder.bitcast(bits, KIND))

    def arccos(self) -> Lanes:
        """Return the angle of a cosine from -1 to 1, in radians."""
        size = self.call("fabs")
        angle = (1.0 - size).call("sqrt") * polynomial(ARCCOS, size)
        return self.where("<", 0.0, pi - angle, angle)


def polynomial(factors: tuple[float, ...], x: Lanes) -> Lanes:
    """Return the polynomial whose factors are given from the highest power down."""
    total = x.of(factors[0])
    for factor in factors[1:]:
        total = total * x + factor
    return total
