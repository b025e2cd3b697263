"""Characters drawn from a key: the same key and value give the same ones, another key gives others."""

from __future__ import annotations

import hmac
import string


class Draw:
    """A stream of choices that depends on the key and the parts (kind, value, attempt) and on nothing else.

    HMAC-SHA-256 over the parts and a counter. Without the key nobody can tell whether a guess at the value is right.
    """

    def __init__(self, key: bytes, *parts: str):
        # Lengths before the parts, so that no two lists of parts are one message.
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        self._message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
        self._key, self._counter, self._left = key, 0, b""

    def __repr__(self) -> str:
        return "Draw(...)"

    def below(self, bound: int) -> int:
        """A number from 0 to bound - 1 (bound up to 2**32), even to one part in four thousand million."""
        if len(self._left) < 8:
            self._left += hmac.digest(self._key, self._message + self._counter.to_bytes(8, "big"), "sha256")
            self._counter += 1
        word, self._left = self._left[:8], self._left[8:]
        return int.from_bytes(word, "big") % bound

    def some(self, alphabet: str, length: int) -> str:
        """`length` characters of `alphabet`."""
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(length))

    def like(self, value: str) -> str:
        """Another text of the same form: a digit for a digit, a letter for a letter of its case, the rest as it is."""
        return "".join(self._other(c) for c in value)

    def _other(self, c: str) -> str:
        for alphabet in (string.digits, string.ascii_uppercase, string.ascii_lowercase):
            if c in alphabet:
                return alphabet[self.below(len(alphabet))]
        return c


def laid_over(form: str, signs: str, places: str = string.digits) -> str:
    """`form` with the characters that are among `places` replaced, one by one, by `signs`; what is over is put behind."""
    left = iter(signs)
    return "".join(next(left, c) if c in places else c for c in form) + "".join(left)
