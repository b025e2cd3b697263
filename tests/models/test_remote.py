"""A model behind an endpoint, against a server of our own that can be well, busy, slow, confused or dead."""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stub import Stub, said
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models import account as account_module
from tailorlm.models import endpoint as endpoint_module
from tailorlm.models.answers import Writing
from tailorlm.models.endpoint import Endpoint, endpoint_called
from tailorlm.models.remote import Remote, remote_called

# Stub answers are of five tokens.
FIVE = Writing(max_new_tokens=5)


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def nothing_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins a session: a later server may get the port of an earlier one."""
    monkeypatch.setattr(account_module, "ACCOUNTS", {})


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited, without waiting."""
    waited: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(endpoint_module.time, "sleep", lambda s: (waited.append(s), sleep(0))[1])
    return waited


def test_answers_in_order(stub: Stub) -> None:
    remote = stub.remote(price_in=2.0, price_out=10.0)
    prompts: list[Any] = [f"row {i}" for i in range(9)]
    prompts[4] = [{"role": "system", "content": "Be kind.", "private": 1}, {"role": "user", "content": "row 4"}]
    answers = remote.answers(prompts, Writing(max_new_tokens=7, stop=("\n",)))
    assert [a.text for a in answers] == [f"you said: row {i}" for i in range(9)]
    assert all(a.finished and (a.tokens_in, a.tokens_out, a.logprob, a.fault) == (10, 5, None, None) for a in answers)
    assert (remote.spent.calls, remote.spent.tokens_in, remote.spent.tokens_out) == (9, 90, 45)
    assert remote.spent.cost == pytest.approx((90 * 2 + 45 * 10) / 1e6)
    path, headers, _ = stub.asked[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    bodies = {json.dumps(b["messages"][-1]["content"]): b for _, _, b in stub.asked}
    assert bodies['"row 4"'] == {
        "model": "house",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "row 4"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 1.0,
        "stop": ["\n"],
    }
    assert remote.answers([]) == []


def test_equal_prompts_are_asked_once_and_drawn_for_anew(stub: Stub) -> None:
    assert len(stub.remote().answers(["a", "a", "a"])) == 3
    assert len(stub.asked) == 1
    stub.remote().answers(["a", "a"], Writing(temperature=1.0, seed=3))
    seeds = {body["seed"] for _, _, body in stub.asked[1:]}
    assert len(seeds) == 2
    stub.remote().answers(["a", "a"], Writing(temperature=1.0, seed=3))
    assert {body["seed"] for _, _, body in stub.asked[3:]} == seeds


def test_a_prompt_is_drawn_for_alike_whatever_stands_beside_it(stub: Stub, tmp_path: Path) -> None:
    drawn = Writing(temperature=1.0, seed=3)
    stub.reply = lambda body, n: (200, {}, said(f"{body['messages'][-1]['content']} {body['seed']}"))
    whole = stub.remote(tmp_path).answers(["a", "b", "a", "c"], drawn)
    assert len({one.text for one in whole}) == 4, "equal prompts are drawn for anew"
    assert len(stub.asked) == 4
    fewer = stub.remote(tmp_path).answers(["c", "a", "a"], drawn)
    assert fewer == [whole[3], whole[0], whole[2]]
    assert len(stub.asked) == 4, "kept answers are found again"
    other = stub.remote(tmp_path).answers(["a"], Writing(temperature=1.0, seed=4))
    assert other[0].text not in {one.text for one in whole}
    assert all(0 <= body["seed"] < 1 << 31 for _, _, body in stub.asked)


def test_answers_are_kept_by_content(stub: Stub, tmp_path: Path) -> None:
    first = stub.remote(tmp_path / "kept").answers(["a", "b"])
    again = stub.remote(tmp_path / "kept")
    assert again.answers(["b", "a"]) == first[::-1]
    assert (len(stub.asked), again.spent.kept) == (2, 2)
    again.answers(["a"], Writing(max_new_tokens=3))
    assert len(stub.asked) == 3, "other settings are another question"
    files = list((tmp_path / "kept").rglob("*.json"))
    assert len(files) == 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    files[0].write_text("{ half")
    assert len(stub.remote(tmp_path / "kept").answers(["a", "b"])) == 2


def test_busy_is_tried_again_and_waits_as_told(stub: Stub, waits: list[float]) -> None:
    stub.reply = lambda body, n: (
        (429, {"Retry-After": "7"}, b"{}") if n == 1 else (503, {}, b"no") if n == 2 else (200, {}, said("ok"))
    )
    remote = stub.remote()
    assert remote.answers(["a"])[0].text == "ok"
    assert (remote.spent.calls, remote.spent.again) == (3, 2)
    assert waits[0] == 7.0
    assert 1.0 <= waits[1] <= 3.0


def test_garbled_answers_are_tried_again_and_then_named(stub: Stub) -> None:
    for garbled in (
        b"<html>secretword</html>",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b"[" * 100_000,
    ):
        stub.asked.clear()
        stub.reply = lambda body, n, garbled=garbled: (200, {}, garbled)
        with pytest.raises(TailorError, match="no answer in 2 tries") as caught:
            stub.remote(tries=2).answers(["a"])
        assert "secretword" not in str(caught.value)
        assert len(stub.asked) == 2
    stub.asked.clear()
    stub.reply = lambda body, n: (200, {}, b"{") if n == 1 else (200, {}, said("ok"))
    assert stub.remote().answers(["a"])[0].text == "ok"


def test_a_dead_endpoint_is_an_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TailorError, match="no answer in 3 tries") as caught:
        Remote(Endpoint(base_url=f"http://127.0.0.1:{port}/v1", model="m", tries=3)).answers(["a"])
    assert "refused" in str(caught.value).lower()


def test_a_slow_endpoint_is_left(stub: Stub) -> None:
    gate = threading.Event()

    def slow(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], bytes]:
        gate.wait(5)
        return 200, {}, said("late")

    stub.reply = slow
    start = time.monotonic()
    try:
        with pytest.raises(TailorError, match="no answer in 1 tries") as caught:
            stub.remote(tries=1, timeout=0.2).answers(["a"])
    finally:
        gate.set()
    assert time.monotonic() - start < 3
    assert "too long" in str(caught.value)


def test_what_one_row_is_refused_does_not_stop_the_others(stub: Stub) -> None:
    fault = json.dumps({"error": {"message": "secretword is too long", "code": "context_length_exceeded"}}).encode()
    stub.reply = lambda body, n: (400, {}, fault) if body["messages"][0]["content"] == "b" else (200, {}, said("ok"))
    answers = stub.remote().answers(["a", "b", "c"])
    assert [a.text for a in answers] == ["ok", "", "ok"]
    assert answers[1].fault == "refused: HTTP 400, context_length_exceeded"
    assert not answers[1].finished
    stub.reply = lambda body, n: (200, {}, said(None, why="content_filter"))
    assert stub.remote().answers(["d"])[0].fault == "filtered"


@pytest.mark.parametrize(
    ("code", "word"), [(401, "let us in"), (403, "let us in"), (404, "no chat interface"), (302, "no chat interface")]
)
def test_what_no_trying_mends_is_said_at_once(code: int, word: str, stub: Stub) -> None:
    stub.reply = lambda body, n: (code, {"Location": "http://127.0.0.1:1/elsewhere"}, b"secretword")
    with pytest.raises(TailorError, match=word) as caught:
        stub.remote(parallel=1).answers(["a", "b", "c"])
    assert "secretword" not in str(caught.value)
    assert len(stub.asked) <= 2


def test_schemas_and_choices(stub: Stub) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    stub.reply = lambda body, n: (
        200,
        {},
        said({1: '{"name": "Ada"}', 2: "Ada, I think"}.get(n, '{"name": "A'), why="stop" if n < 3 else "length"),
    )
    answers = stub.remote(parallel=1).answers(["a", "b", "c"], schema=schema)
    assert [a.fault for a in answers] == [None, "no JSON", "JSON that was not finished"]
    assert [a.text for a in answers] == ['{"name": "Ada"}', "", ""]
    assert stub.asked[0][2]["response_format"]["json_schema"]["schema"] == schema
    stub.asked.clear()
    texts = {1: '{"answer": "yes"}', 2: " no\n", 3: '{"answer": "maybe"}', 4: '"yes"', 5: "[]"}
    stub.reply = lambda body, n: (200, {}, said(texts[n]))
    answers = stub.remote(parallel=1).answers(list("abcde"), choices=["yes", "no"])
    assert [a.text for a in answers] == ["yes", "no", "", "yes", ""]
    assert [a.fault for a in answers] == [None, None, "none of the choices", None, "none of the choices"]


def test_half_a_character_becomes_the_sign_for_what_cannot_be_read(stub: Stub, tmp_path: Path) -> None:
    stub.reply = lambda body, n: (200, {}, said("so \ud83d, \U0001f600 and \udc00"))
    first = stub.remote(tmp_path).answers(["a \ud83d"])
    assert first[0].text == "so \ufffd, \U0001f600 and \ufffd"
    again = stub.remote(tmp_path).answers(["a \ud83d"])
    assert again == first
    assert again[0].kept
    # JSON within the text has escapes of its own.
    stub.reply = lambda body, n: (200, {}, said('{"answer": ["\\ud83d", "\\ud83d\\ude00"]}'))
    answers = stub.remote(tmp_path).answers(["b"], schema={"type": "array"})
    assert answers[0].text == '["\ufffd", "\U0001f600"]'


def test_what_an_endpoint_cannot_do(stub: Stub) -> None:
    remote = stub.remote()
    with pytest.raises(TailorError, match="how likely"):
        remote.score(["a"], ["b"])
    for writing in (Writing(beams=2), Writing(temperature=1.0, top_k=5)):
        with pytest.raises(UsageError, match="neither beams nor top_k"):
            remote.answers(["a"], writing)
    assert stub.asked == []


def test_spending_stops_at_what_is_allowed(stub: Stub) -> None:
    remote = stub.remote(parallel=1, price_out=1e6, most=12.0)
    with pytest.raises(TailorError, match=r"(?s)is spent.*10, and the next call may cost 5.*up to 12") as caught:
        remote.answers([str(i) for i in range(10)], FIVE)
    assert remote.spent.calls == 2, "5 a call: the third would go over, so it is not made"
    assert "most" in str(caught.value)
    exact = stub.remote(parallel=1, price_out=1e6, most=15.0)
    with pytest.raises(TailorError, match="is spent"):
        exact.answers([str(i) for i in range(10)], FIVE)
    assert exact.spent.cost == 15.0, "what may be spent can be spent"


def test_one_limit_holds_for_all_that_call_a_model(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[str, Any] = {"parallel": 1, "price_out": 1e6, "most": 12.0}
    stub.remote(**limits).answers(["a"], FIVE)
    stub.remote(**limits).answers(["b"], FIVE)
    with pytest.raises(TailorError, match="is spent"):
        stub.remote(**limits).answers(["c"], FIVE)
    assert len(stub.asked) == 2
    Remote(Endpoint(base_url=stub.url, model="other", **limits)).answers(["c"], FIVE)
    monkeypatch.setenv("HOUSE_KEY", "verysecretkey")
    other = stub.remote(key_env="HOUSE_KEY", **limits)
    other.answers(["c"], FIVE)
    assert other.spent.cost == 5.0, "another model or key is another account"
    assert "verysecretkey" not in repr(account_module.ACCOUNTS)


def test_calls_at_the_same_time_do_not_go_over_together(stub: Stub) -> None:
    gate = threading.Barrier(2, timeout=5)

    def together(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], bytes]:
        if number <= 2:
            gate.wait()
        return 200, {}, said("ok")

    stub.reply = together
    remote = stub.remote(parallel=8, price_out=1e6, most=18.0)
    with pytest.raises(TailorError, match="is spent"):
        remote.answers([str(i) for i in range(10)], Writing(max_new_tokens=8))
    # Two of 8 have room at once; they cost 5 each, which leaves room for a third alone.
    assert (len(stub.asked), remote.spent.cost) == (3, 15.0)


def test_prompts_are_held_back_for_too(stub: Stub) -> None:
    remote = stub.remote(price_in=1e6, most=1000.0)
    with pytest.raises(TailorError, match="is spent"):
        remote.answers(["long " * 200])
    assert stub.asked == []
    remote.answers(["short"])
    assert remote.spent.cost == 10.0


def test_what_is_not_said_counts_as_the_dearest_it_may_be(stub: Stub) -> None:
    stub.reply = lambda body, n: (200, {}, said("ok", used=None))
    remote = stub.remote(parallel=1, price_out=1e6, most=12.0)
    with pytest.raises(TailorError, match="is spent"):
        remote.answers(["a", "b", "c"], FIVE)
    assert (remote.spent.calls, remote.spent.cost) == (2, 10.0)
    # Garbled answers were written and may be charged for; a busy endpoint writes none.
    replies = {1: (200, {}, b"{"), 2: (503, {}, b"no"), 3: (200, {}, said("ok", used=(10, 2)))}
    stub.asked.clear()
    stub.reply = lambda body, n: replies[n]
    flaky = stub.remote(price_out=1e6).answers(["a"], FIVE)
    assert flaky[0].text == "ok"
    assert remote.spent.cost == 17.0


def test_an_endpoint_that_writes_too_much_is_reckoned_with(stub: Stub) -> None:
    stub.reply = lambda body, n: (200, {}, said("ok", used=(10, 9)))
    remote = stub.remote(parallel=1, price_out=1e6, most=26.0)
    with pytest.raises(TailorError, match="next call may cost 9"):
        remote.answers(["a", "b", "c", "d"], FIVE)
    assert remote.spent.cost == 18.0, "a third of 5 would have room, but 9 were written for 5"


def test_calls_keep_to_a_rate(stub: Stub, waits: list[float]) -> None:
    stub.remote(parallel=1, per_minute=600).answers([str(i) for i in range(5)])
    assert sum(0.0 < wait <= 0.5 for wait in waits) == 4


def test_all_that_call_a_model_keep_to_one_rate(stub: Stub, waits: list[float]) -> None:
    for name in ("a", "b", "c"):
        stub.remote(per_minute=6).answers([name])
    assert [wait > 0.0 for wait in waits] == [False, True, True]


# ---- what this machine's file says


def test_only_what_the_file_names_is_called(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(TailorError, match="no endpoint is configured"):
        remote_called("house")
    (tmp_path / "tailorlm").mkdir()
    (tmp_path / "tailorlm" / "endpoints.yaml").write_text(
        f"house: {{base_url: {stub.url}, model: big, key_env: HOUSE_KEY}}\n"
    )
    with pytest.raises(UsageError, match="no endpoint called 'hous'") as caught:
        endpoint_called("hous")
    assert "house" in str(caught.value)
    with pytest.raises(UsageError, match="needs a key"):
        remote_called("house")
    monkeypatch.setenv("HOUSE_KEY", "verysecretkey")
    remote = remote_called("house")
    assert "verysecretkey" not in repr(vars(remote))
    remote.answers(["a"])
    assert stub.asked[0][1]["Authorization"] == "Bearer verysecretkey"
    other = tmp_path / "other.yaml"
    other.write_text("house: {base_url: 'ftp://x', model: m, port: 3}")
    monkeypatch.setenv("TAILOR_ENDPOINTS", str(other))
    with pytest.raises(UsageError, match="2 faults"):
        endpoint_called("house")


def test_a_key_is_sent_encrypted_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "verysecretkey")
    with pytest.raises(UsageError, match="without encryption") as caught:
        Remote(Endpoint(base_url="http://example.org/v1", model="m", key_env="HOUSE_KEY"))
    assert "verysecretkey" not in str(caught.value)
    for address in (
        "https://me:pw@example.org/v1",
        "https://example.org/v1?key=1",
        "file:///etc/passwd",
        "example.org",
    ):
        with pytest.raises(ValueError, match="an address"):
            Endpoint(base_url=address, model="m")


@pytest.mark.parametrize("key", ["sk-abc\nsk-def", "sk-abc\rX: y", "sk-\x7fabc", "sk-abc\u200b", "sk-ab\udcff"])
def test_a_key_that_no_header_holds_is_refused_and_not_shown(
    key: str, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_KEY", key)
    with pytest.raises(UsageError, match="the key in HOUSE_KEY cannot be sent") as caught:
        stub.remote(key_env="HOUSE_KEY")
    assert "sk-" not in str(caught.value)
    assert stub.asked == []
    monkeypatch.setenv("HOUSE_KEY", " sk-abc\n")  # what a file read into a variable ends with
    stub.remote(key_env="HOUSE_KEY").answers(["a"])
    assert stub.asked[0][1]["Authorization"] == "Bearer sk-abc"


def test_errors_of_other_libraries_are_not_repeated(
    stub: Stub, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = stub.remote()

    def invalid(*_: Any, **__: Any) -> None:
        raise ValueError("Invalid header value b'Bearer sk-abc'")

    monkeypatch.setattr(remote._caller._opener, "open", invalid)
    with pytest.raises(TailorError, match=r"(?s)cannot be asked.*got: +ValueError") as caught:
        remote.answers(["a"])
    assert "sk-abc" not in "".join(traceback.format_exception(caught.value))
    assert waits == [], "no trying mends it"


def test_a_list_is_asked_for_inside_an_object_and_taken_out_again(stub: Stub) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b"]}}
    replies = {1: '{"answer": ["a", "ü"]}', 2: '["b"]'}
    stub.reply = lambda body, n: (200, {}, said(replies.get(n, "[")))
    answers = stub.remote(parallel=1).answers(["a", "b", "c"], schema=schema)
    assert [one.text for one in answers] == ['["a", "ü"]', '["b"]', ""]
    assert answers[2].fault == "no JSON"
    asked = stub.asked[0][2]["response_format"]["json_schema"]["schema"]
    assert (asked["type"], asked["properties"]) == ("object", {"answer": schema})
