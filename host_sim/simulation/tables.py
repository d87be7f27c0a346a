# SPDX-License-Identifier: MIT
"""What is drawn, as integers: inverse tables by decimal arithmetic, and seeds of streams.

A table holds quantiles in units of 2^-32 (native/simulate.h says at which p). They come from
correctly rounded decimal operations, so every host makes the same ones; no float decides anything.
"""

from __future__ import annotations

import decimal
import functools
import hashlib
from collections.abc import Callable, Sequence

OCTAVES, SUB_BITS = 32, 6
SUB = 1 << SUB_BITS
HALF = OCTAVES * SUB + 1
ONE = 1 << 32
WAVE = 1024
DRAW_BITS = 64
PPM = 1_000_000
D = decimal.Decimal
CONTEXT = decimal.Context(prec=28)


def place(index: int) -> decimal.Decimal:
    """The p of an entry of a table's first half: 2^-33 to 1/2."""
    octave, part = divmod(index, SUB)
    return (1 + D(part) / SUB) * D(2) ** (octave - OCTAVES - 1)


def _table(at: Callable[[decimal.Decimal, bool], decimal.Decimal]) -> tuple[int, ...]:
    """`at` gives the quantile of p, and of 1 - p where its second argument says so."""
    with decimal.localcontext(CONTEXT):
        halves = [
            [int((at(place(i), above) * ONE).to_integral_value()) for i in range(HALF)]
            for above in (False, True)
        ]
    return tuple(halves[0] + halves[1])


@functools.cache
def exponential() -> tuple[int, ...]:
    """Mean 1: -ln(1 - p)."""
    return _table(lambda p, above: -(p if above else 1 - p).ln())


@functools.cache
def lognormal(sigma_ppm: int) -> tuple[int, ...]:
    """Median 1: exp(sigma z), z standard normal."""
    sigma = D(sigma_ppm) / PPM

    def at(p: decimal.Decimal, above: bool) -> decimal.Decimal:
        z = normal_quantile(p)
        return (-sigma * z if above else sigma * z).exp()

    return _table(at)


# Wichura's algorithm AS 241 (Applied Statistics 37, 1988), relative error about 1e-16.
_MIDDLE = (
    "3.3871328727963666080e0 1.3314166789178437745e2 1.9715909503065514427e3 "
    "1.3731693765509461125e4 4.5921953931549871457e4 6.7265770927008700853e4 "
    "3.3430575583588128105e4 2.5090809287301226727e3",
    "1.0 4.2313330701600911252e1 6.8718700749205790830e2 5.3941960214247511077e3 "
    "2.1213794301586595867e4 3.9307895800092710610e4 2.8729085735721942674e4 "
    "5.2264952788528545610e3")
_NEAR = (
    "1.42343711074968357734e0 4.63033784615654529590e0 5.76949722146069140550e0 "
    "3.64784832476320460504e0 1.27045825245236838258e0 2.41780725177450611770e-1 "
    "2.27238449892691845833e-2 7.74545014278341407640e-4",
    "1.0 2.05319162663775882187e0 1.67638483018380384940e0 6.89767334985100004550e-1 "
    "1.48103976427480074590e-1 1.51986665636164571966e-2 5.47593808499534494600e-4 "
    "1.05075007164441684324e-9")
_FAR = (
    "6.65790464350110377720e0 5.46378491116411436990e0 1.78482653991729133580e0 "
    "2.96560571828504891230e-1 2.65321895265761230930e-2 1.24266094738807843860e-3 "
    "2.71155556874348757815e-5 2.01033439929228813265e-7",
    "1.0 5.99832206555887937690e-1 1.36929880922735805310e-1 1.48753612908506148525e-2 "
    "7.86869131145613259100e-4 1.84631831751005468180e-5 1.42151175831644588870e-7 "
    "2.04426310338993978564e-15")


def _ratio(pair: tuple[str, str], x: decimal.Decimal) -> decimal.Decimal:
    above, below = (
        functools.reduce(lambda sum, word: sum * x + D(word), reversed(text.split()), D(0))
        for text in pair)
    return above / below


def normal_quantile(p: decimal.Decimal) -> decimal.Decimal:
    """Of the standard normal distribution at p <= 1/2; call it in a context of 28 digits."""
    middle = p - D("0.5")
    if abs(middle) <= D("0.425"):
        return middle * _ratio(_MIDDLE, D("0.180625") - middle * middle)
    root = (-p.ln()).sqrt()
    far = _ratio(_NEAR, root - D("1.6")) if root <= 5 else _ratio(_FAR, root - 5)
    return -far


@functools.cache
def wave() -> tuple[int, ...]:
    """A day: (1 - cos x) / 2 of WAVE points in units of 2^-32, from its quietest moment on."""
    with decimal.localcontext(CONTEXT):
        return tuple(
            int(((1 - _cosine(i)) / 2 * (ONE - 1)).to_integral_value()) for i in range(WAVE))


def _cosine(point: int) -> decimal.Decimal:
    """Of a whole turn's WAVE-th parts: Taylor's series of at most a quarter of the turn."""
    turn = point if point <= WAVE // 2 else WAVE - point
    if turn > WAVE // 4:
        return -_cosine(WAVE // 2 - turn)
    x = D(2 * turn) / WAVE * D("3.141592653589793238462643383279503")
    term, total = D(1), D(1)
    for k in range(2, 30, 2):
        term = -term * x * x / (k * (k - 1))
        total += term
    return total


def quantile(table: Sequence[int], number: int) -> int:
    """What native/simulate_draw.c makes of a 64-bit number, for tests and models."""
    p = number << 1 & (1 << 64) - 1
    first = HALF if number >> 63 else 0
    octave = 64 - p.bit_length()
    if octave >= OCTAVES:
        return table[first]
    p = p << octave << 1 & (1 << 64) - 1
    at = first + (OCTAVES - 1 - octave) * SUB + (p >> (64 - SUB_BITS))
    within = (p << SUB_BITS & (1 << 64) - 1) >> 32
    low, high = table[at], table[at + 1]
    part = abs(high - low) * within >> 32
    return low + part if high >= low else low - part


def stream(seed: int, name: str) -> tuple[int, int, int, int]:
    """Where the stream of this name begins: no other name's moves it."""
    key = seed.to_bytes(16, "little")
    drawn = hashlib.blake2b(name.encode(), key=key, digest_size=32).digest()
    words = [int.from_bytes(drawn[i : i + 8], "little") for i in range(0, 32, 8)]
    return words[0], words[1], words[2], words[3] | 1


def seed_bytes(seed: int) -> bytes:
    """A scenario's number as the 16 bytes the core's own randomness is drawn from."""
    return seed.to_bytes(16, "little")
