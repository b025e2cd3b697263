"""What this process has spent on models behind endpoints: once for each model and key, however many objects call it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field

from tailorlm.core.errors import TailorError


@dataclass
class Spent:
    """What calls have cost. calls: that were sent; kept: answers that had been kept; again: calls made once more.

    cost: by the endpoint's prices. A call that broke off, or of which no tokens were said, counts as the dearest it may have been.
    """

    calls: int = 0
    kept: int = 0
    again: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


@dataclass
class Account:
    """What is spent on one model by one key, and how fast, shared by all that call it.

    changed: held to read or write anything here, and told when a call has ended. held: what the calls under way may cost at most.
    beyond: the most that a call has cost over what it was allowed. turn: when the next call may be made, in seconds of the monotonic clock.
    """

    spent: Spent = field(default_factory=Spent)
    changed: threading.Condition = field(default_factory=threading.Condition)
    under_way: int = 0
    held: float = 0.0
    beyond: float = 0.0
    turn: float = 0.0

    def hold(self, cost: float, most: float | None) -> float:
        """Hold back what a call may cost at most, as soon as those under way leave room for it; returns what is held.

        Raises TailorError where `most` leaves no room even when they have ended.
        """
        with self.changed:
            while True:
                # An endpoint that once wrote more than it was allowed (thoughts, say) may do so again.
                wanted = cost + self.beyond
                if most is None or self.spent.cost + self.held + wanted <= most:
                    break
                if not self.under_way:
                    raise TailorError(
                        "what may be spent on the endpoint is spent",
                        got=f"{self.spent.cost:.4g}, and the next call may cost {wanted:.4g}",
                        allowed=f"up to {most}",
                        hint="raise `most` in the endpoints file, or lower max_new_tokens; kept answers cost nothing again",
                    )
                self.changed.wait()
            self.under_way += 1
            self.held += wanted
            return wanted

    def settle(self, held: float, allowed: float, cost: float, tokens: tuple[int, int]) -> None:
        """A call has ended: `held` is free again and `cost` is spent. allowed: what it might have cost; tokens: of prompt and answer."""
        with self.changed:
            self.under_way -= 1
            self.held = self.held - held if self.under_way else 0.0  # sums of fractions leave dust
            self.spent.tokens_in += tokens[0]
            self.spent.tokens_out += tokens[1]
            self.spent.cost += cost
            self.beyond = max(self.beyond, cost - allowed)
            self.changed.notify_all()


# By address, model and hash of the key: every fitted model makes a caller of its own, but a limit on spending holds for all of them.
ACCOUNTS: dict[tuple[str, str, str], Account] = {}


def account_of(base_url: str, model: str, key: str) -> Account:
    """The one account of this process for a model at an address and a key (empty: none)."""
    return ACCOUNTS.setdefault((base_url, model, hashlib.sha256(key.encode()).hexdigest()), Account())
