"""A server of our own that answers as OpenAI-compatible endpoints do: well, busy, slow, confused or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tailorlm.models.endpoint import Endpoint
from tailorlm.models.remote import Remote

Reply = Callable[[dict[str, Any], int], tuple[int, dict[str, str], bytes]]


def said(text: Any, *, why: str = "stop", used: tuple[int, int] | None = (10, 5)) -> bytes:
    usage = {"usage": {"prompt_tokens": used[0], "completion_tokens": used[1]}} if used else {}
    return json.dumps(
        {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": why}], **usage}
    ).encode()


class Stub:
    """A server on this machine; `reply(body, number of the call)` says status, headers and body. `asked` keeps what came."""

    def __init__(self) -> None:
        self.reply: Reply = lambda body, _: (200, {}, said(f"you said: {body['messages'][-1]['content']}"))
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stub.lock:
                    stub.asked.append((self.path, dict(self.headers), body))
                    number = len(stub.asked)
                status, headers, answer = stub.reply(body, number)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def remote(self, kept_in: Path | None = None, **settings: Any) -> Remote:
        return Remote(Endpoint(base_url=self.url, model="house", **settings), kept_in=kept_in)
