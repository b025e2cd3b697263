"""Check digits: the few schemes by which nearly all numbers of the world guard against typing errors.

All take strings of ASCII digits (`mod_97` also capitals) and say whether the last digit or digits fit.
"""

from __future__ import annotations

from collections.abc import Sequence

# Verhoeff 1969: multiplication in the dihedral group D5, and the powers of its permutation.
_TIMES = [
    [(a + b) % 5 if b < 5 else 5 + (a + b) % 5 for b in range(10)]
    if a < 5
    else [5 + (a - b) % 5 if b < 5 else (a - b) % 5 for b in range(10)]
    for a in range(10)
]
_PERMUTATION = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
_POWERS = [list(range(10))]
for _ in range(7):
    _POWERS.append([_PERMUTATION[d] for d in _POWERS[-1]])
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, digit sum divisible by ten."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff's scheme (1969)."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        state = _TIMES[state][_POWERS[place % 8][int(digit)]]
    return state == 0


def mod_97(text: str) -> bool:
    """ISO/IEC 7064 MOD 97-10 as ISO 13616 uses it: letters count 10 to 35, the remainder must be 1."""
    return int("".join(str(int(c, 36)) for c in text)) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064 MOD 11,10 (hybrid)."""
    state = 10
    for digit in digits[:-1]:
        state = ((state + int(digit)) % 10 or 10) * 2 % 11
    return (state + int(digits[-1])) % 10 == 1


def ean(digits: str) -> bool:
    """GS1: weights 1 and 3 from the right, divisible by ten."""
    return (sum(map(int, digits[-1::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of digit times weight, for as many digits as there are weights."""
    return sum(int(d) * w for d, w in zip(digits, weights))


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a day of birth can be: month and day in bounds; year 0 stands for an unknown century and is a leap year."""
    lengths = (31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= lengths[month - 1]
