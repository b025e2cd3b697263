"""Rows that go are kept compactly, and asked for by number."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tailorlm.data.steps._gone import Gone

TEXT = st.text(max_size=12)


@given(st.dictionaries(st.integers(0, 10**12), st.tuples(st.sampled_from("abc"), TEXT, st.none() | TEXT), max_size=30))
def test_what_was_added_is_told_and_nothing_else(rows: dict[int, tuple[str, str, str | None]]) -> None:
    gone = Gone()
    for number, (reason, detail, text) in rows.items():
        gone.add(number, reason, detail, text)
    assert len(gone) == len(rows)
    assert set(gone) == set(rows)
    back = Gone.read(json.loads(json.dumps(gone.plain())))
    for number, told in rows.items():
        assert number in gone
        assert back.why(number) == told
        assert back.why(number + 1) == rows.get(number + 1)
    assert Gone.read(Gone().plain()).why(0) is None


def test_of_a_row_that_is_added_twice_the_last_counts() -> None:
    gone = Gone()
    gone.add(7, "near", "of a:1")
    gone.add(3, "near", "of a:2")
    gone.add(7, "held", "of b:9\n\ud800", "stays")
    back = Gone.read(json.loads(json.dumps(gone.plain())))
    assert back.why(7) == ("held", "of b:9\n\ud800", "stays")
    assert back.why(3) == ("near", "of a:2", None)
    assert 4 not in gone
