"""Calls to an OpenAI-compatible endpoint: configured on this machine alone, retried, held to a rate, counted, kept by content.

An address never comes from a recipe or a row: a recipe names an endpoint (`remote:house`), and this machine's own file says what is
behind the name. Redirects are not followed (a key would go with them), nothing of a text reaches an error, and nothing is called that no
file names.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pydantic import field_validator

from tailorlm.core import atomic
from tailorlm.core.config import Settings, setting, validate
from tailorlm.core.errors import TailorError, UsageError, unknown_name
from tailorlm.core.yaml import read_yaml
from tailorlm.models.account import Spent, account_of
from tailorlm.tasks.readings import whole

FILE = "TAILOR_ENDPOINTS"
LARGEST = 16 << 20
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
# What a kept answer took when it was asked, beside what the endpoint said.
TOOK = "tailorlm_seconds"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Endpoint(Settings):
    """One endpoint of this machine's file."""

    base_url: str = setting(help="where it is, up to and with /v1: https://... or http://localhost:...")
    model: str = setting(help="the model's name there", min_length=1)
    key_env: str | None = setting(None, help="the environment variable that holds the key; none is sent without it")
    timeout: float = setting(60.0, gt=0, le=3600, help="longest wait for one answer", unit="s")
    tries: int = setting(5, ge=1, le=20, help="how often a call is made before it counts as failed")
    per_minute: int = setting(0, ge=0, help="most calls a minute; 0: no limit of ours")
    parallel: int = setting(4, ge=1, le=256, help="calls at the same time")
    price_in: float = setting(0.0, ge=0, help="per million tokens of prompts, in any currency")
    price_out: float = setting(0.0, ge=0, help="per million tokens of answers")
    most: float | None = setting(
        None, gt=0, help="stop before the calls of this session (one process, all ways and seeds) cost more"
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urllib.parse.urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address begins with https:// or http://")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address holds no login, no query and no fragment")
        return value.rstrip("/")


def endpoint_called(name: str) -> Endpoint:
    """The endpoint that this machine's file calls `name`.

    The file is what the variable TAILOR_ENDPOINTS names, else ~/.config/tailorlm/endpoints.yaml: names with their settings. Raises
    TailorError where there is no file, UsageError for a name it does not hold or settings that are wrong.
    """
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(os.environ.get(FILE) or Path(home) / "tailorlm" / "endpoints.yaml").expanduser()
    if not path.is_file():
        raise TailorError(
            "no endpoint is configured on this machine",
            got=f"no file {path}",
            hint=f"write it: {name}: {{base_url: https://..., model: ..., key_env: ...}}",
        )
    document = read_yaml(path)
    known = document.value if isinstance(document.value, dict) else {}
    if name not in known:
        raise unknown_name("endpoint", name, known)
    return validate(known[name], Endpoint)


@dataclass(frozen=True)
class Said:
    """What an endpoint answered. answer: its JSON; kept: whether from an earlier time; seconds: what it took then, tries and waits included."""

    answer: dict[str, Any]
    kept: bool
    seconds: float | None


class Refused(TailorError):
    """The endpoint will not answer this one request (too long, filtered, ...); others may be answered."""


class _Unreadable(Exception):
    """What an endpoint said is no chat answer. Its words are ours alone, so they can be shown."""


@dataclass
class Caller:
    """Makes calls to one endpoint, from several threads at once.

    kept_in: a folder for answers by the content of what was asked, readable by this user alone; None keeps none. What is spent, and the rate,
    are those of all callers of this process that ask the same model by the same key.
    """

    endpoint: Endpoint
    kept_in: Path | None = None

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._key = self._read_key()
        self._account = account_of(self.endpoint.base_url, self.endpoint.model, self._key)

    @property
    def spent(self) -> Spent:
        """What has been spent so far, by all callers of the account."""
        return self._account.spent

    def call(self, body: Mapping[str, Any]) -> Said:
        """The endpoint's answer to a chat request (`body` without the model's name).

        Raises Refused for a request that it will not answer, TailorError where it cannot be reached, is not allowed, or what it says is no
        JSON, after as many tries as are set.
        """
        request = {"model": self.endpoint.model, **body}
        path = self._place(request)
        if path is not None and (found := _read(path)) is not None:
            with self._account.changed:
                self.spent.kept += 1
            seconds = found.pop(TOOK, None)
            return Said(found, True, float(seconds) if isinstance(seconds, int | float) else None)
        start = time.monotonic()
        answer = self._tried(request)
        seconds = time.monotonic() - start
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Whatever stands in an answer that was paid for, ASCII can hold it.
            atomic.write_text(path, json.dumps(answer | {TOOK: round(seconds, 3)}, ensure_ascii=True))
            path.chmod(0o600)
        return Said(answer, False, seconds)

    def _tried(self, request: Mapping[str, Any]) -> dict[str, Any]:
        data = json.dumps(request, ensure_ascii=True).encode("ascii")
        dearest = self._dearest(request)
        said = ""
        for number in range(self.endpoint.tries):
            told: float | None = None
            try:
                return self._paid(data, dearest, again=number > 0)
            except urllib.error.HTTPError as error:
                said = self._judged(error)
                told = _seconds(error.headers.get("Retry-After"))
            except (OSError, HTTPException) as error:  # dead, slow, cut off
                said = "it took too long" if isinstance(error, TimeoutError) else _kind(error)
            except _Unreadable as error:
                said = str(error)
            if number + 1 < self.endpoint.tries:
                wait = FIRST_WAIT * 2**number * (0.5 + random.random())
                time.sleep(min(LONGEST_WAIT, max(wait, told or 0.0)))
        raise TailorError(
            f"the endpoint {self._host} gave no answer in {self.endpoint.tries} tries",
            got=said,
            hint="is it running, and is its address in the endpoints file right?",
        )

    def _paid(self, data: bytes, dearest: float, *, again: bool) -> dict[str, Any]:
        """One call, at the rate and within what may be spent. dearest: what it may cost."""
        held = self._account.hold(dearest, self.endpoint.most)
        cost, tokens = 0.0, (0, 0)
        try:
            self._wait_turn()
            with self._account.changed:
                self.spent.calls += 1
                self.spent.again += again
            cost = dearest  # what broke off on its way back may be charged for all the same
            answer = self._once(data)
            tokens = tokens_used(answer)
            cost = self._cost(*tokens) if any(tokens) else dearest
            return answer
        except (urllib.error.URLError, TailorError):  # it did not get there, or was turned away
            cost = 0.0
            raise
        finally:
            self._account.settle(held, dearest, cost, tokens)

    def _dearest(self, request: Mapping[str, Any]) -> float:
        """What a call may cost at most: no token of its prompt is shorter than a byte, and its answer has `max_tokens`."""
        size = len(json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return self._cost(size, _whole(request.get("max_tokens")))

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.endpoint.price_in + tokens_out * self.endpoint.price_out) / 1e6

    def _once(self, data: bytes) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "tailorlm"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        url = f"{self.endpoint.base_url}/chat/completions"
        end = time.monotonic() + self.endpoint.timeout
        with self._sent(urllib.request.Request(url, data, headers)) as response:
            parts: list[bytes] = []
            size = 0
            # A server that sends a byte now and then never trips a socket's own timeout.
            while block := response.read1(1 << 16):
                parts.append(block)
                size += len(block)
                if size > LARGEST:
                    raise _Unreadable(f"an answer of more than {LARGEST >> 20} MB")
                if time.monotonic() > end:
                    raise TimeoutError
        try:
            # Half a character (a lone surrogate) is good JSON, but no file, page or tokenizer behind this takes it.
            answer = json.loads(whole(json.dumps(json.loads(b"".join(parts)), ensure_ascii=False)))
            text = answer["choices"][0]["message"].get("content")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise _Unreadable("what it said is no chat answer in JSON") from None
        if text is not None and not isinstance(text, str):
            raise _Unreadable("what it said is no text")
        return dict(answer)

    def _sent(self, request: urllib.request.Request) -> Any:
        """The response to a request, still to be read. Raises TailorError for one that cannot be put into HTTP: no trying mends it."""
        try:
            return self._opener.open(request, timeout=self.endpoint.timeout)
        except (OSError, HTTPException):
            raise
        except ValueError as error:
            # Such an error quotes the header or address that it cannot write, and a header holds the key: its kind must do.
            raise TailorError(
                f"the endpoint {self._host} cannot be asked",
                got=type(error).__name__,
                hint="check base_url in the endpoints file, and the key",
            ) from None

    def _judged(self, error: urllib.error.HTTPError) -> str:
        """What an HTTP error means: raises where trying again is no use."""
        code = error.code
        said = f"HTTP {code}{_reason(error)}"
        if code in AGAIN:
            return said
        if code in (401, 403):
            key = f"the key in {self.endpoint.key_env}" if self.endpoint.key_env else "key_env in the endpoints file"
            raise TailorError(f"the endpoint {self._host} does not let us in", got=said, hint=f"check {key}")
        if code == 404 or 300 <= code < 400:
            raise TailorError(
                f"the endpoint {self._host} has no chat interface or no such model there",
                got=f"{said}, model {self.endpoint.model}",
                hint="check base_url (with /v1) and model in the endpoints file; redirects are not followed",
            )
        raise Refused(f"the endpoint {self._host} refused a request", got=said)

    def _wait_turn(self) -> None:
        if not self.endpoint.per_minute:
            return
        with self._account.changed:
            now = time.monotonic()
            turn = max(now, self._account.turn)
            self._account.turn = turn + 60.0 / self.endpoint.per_minute
        time.sleep(max(0.0, turn - now))

    def _place(self, request: Mapping[str, Any]) -> Path | None:
        if self.kept_in is None:
            return None
        content = json.dumps([self.endpoint.base_url, request], sort_keys=True, ensure_ascii=True)
        digest = hashlib.sha256(content.encode("ascii")).hexdigest()
        return self.kept_in / digest[:2] / f"{digest}.json"

    def _read_key(self) -> str:
        name = self.endpoint.key_env
        if name is None:
            return ""
        key = os.environ.get(name, "").strip()
        if not key:
            raise UsageError(
                f"the endpoint {self._host} needs a key", got=f"no variable {name}", hint=f"export {name}=..."
            )
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"the key in {name} cannot be sent",
                got="a line end, another control character, or a sign outside ASCII inside it",
                allowed="letters, digits and signs of ASCII, on one line",
                hint=f"export {name}=... with the key alone",
            )
        parts = urllib.parse.urlsplit(self.endpoint.base_url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise UsageError(
                f"a key is not sent to {self._host} without encryption",
                got="http://",
                hint="use https://, or leave key_env out where no key is needed",
            )
        return key

    @property
    def _host(self) -> str:
        return urllib.parse.urlsplit(self.endpoint.base_url).netloc


def tokens_used(answer: Mapping[str, Any]) -> tuple[int, int]:
    """The tokens of prompt and answer that an endpoint says it counted; 0 where it says nothing."""
    used = answer.get("usage")
    used = used if isinstance(used, dict) else {}
    return _whole(used.get("prompt_tokens")), _whole(used.get("completion_tokens"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""
        return


def _reason(error: urllib.error.HTTPError) -> str:
    """The endpoint's own code for a fault, where it is a mere word: its sentences may repeat what was asked."""
    try:
        value = json.loads(error.read(1 << 16))
        found = value.get("error", value)
        word = found.get("code") or found.get("type") if isinstance(found, dict) else None
    except (ValueError, AttributeError, OSError, HTTPException, RecursionError):
        return ""
    return f", {word}" if isinstance(word, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", word) else ""


def _kind(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, TimeoutError):
        return "it took too long"
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    return getattr(error, "strerror", None) or type(error).__name__


def _seconds(value: str | None) -> float | None:
    try:
        return min(LONGEST_WAIT, max(0.0, float(value))) if value is not None else None
    except ValueError:
        return None  # a date: our own waiting will do


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
