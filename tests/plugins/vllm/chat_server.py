"""A small OpenAI-compatible server, over real sockets, that misbehaves as it is told."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Server(ThreadingHTTPServer):
    """With room for all who connect at once: whom the kernel turns away tries again after 1, 3, 7 … 63 seconds."""

    daemon_threads = True
    request_queue_size = 1024


Behaviour = Callable[["Handler", dict[str, Any]], None]


@dataclass
class Asked:
    """A request that came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        return prompt_of(self.body)


class ChatServer:
    """`behave(number, asked)` gives what is done with a request; None is an honest answer."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.behave: Callable[[int, Asked], Behaviour | None] = lambda number, asked: None
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        outer = self

        class Here(Handler):
            server_of_tests = outer

        self.http = Server(("127.0.0.1", port), Here)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def first(self, count: int, behaviour: Behaviour) -> None:
        """Do this with the first requests, and answer the others."""
        self.behave = lambda number, asked: behaviour if number < count else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent apart
    server_of_tests: ChatServer

    def do_POST(self) -> None:
        server = self.server_of_tests
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            number = len(server.asked)
            asked = Asked(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
            server.asked.append(asked)
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            (server.behave(number, asked) or honest)(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.at_once -= 1

    def answer(self, value: Any, status: int = 200, **headers: str) -> None:
        self.text(json.dumps(value), status, **headers)

    def text(self, text: str, status: int = 200, **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, header in headers.items():
            self.send_header(name.replace("_", "-"), header)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def prompt_of(body: Mapping[str, Any]) -> str:
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


def says(body: Mapping[str, Any], place: int = 0) -> str:
    """What an honest server completes: it heeds the seed, as vLLM does, a completion's place added to it."""
    asked = [body.get("messages") or body["prompt"], body.get("seed", 0) + place, body.get("temperature")]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]


def choice(body: Mapping[str, Any], place: int = 0, **changes: Any) -> dict[str, Any]:
    """One completion, as the API describes it."""
    what: dict[str, Any] = {"index": place, "finish_reason": "stop"}
    if "prompt" in body:
        what["text"] = says(body, place)
    else:
        what["message"] = {"role": "assistant", "content": says(body, place)}
    return {**what, **changes}


def completion(body: Mapping[str, Any], *choices: dict[str, Any], tokens: int = 10) -> dict[str, Any]:
    """A whole answer."""
    kind = "text_completion" if "prompt" in body else "chat.completion"
    usage = {"prompt_tokens": 3, "completion_tokens": tokens - 3, "total_tokens": tokens}
    return {"id": "1", "object": kind, "created": 1, "model": body["model"], "choices": [*choices], "usage": usage}


def honest(handler: Handler, body: dict[str, Any]) -> None:
    handler.answer(completion(body, *(choice(body, place) for place in range(body.get("n", 1)))))


def only_one(handler: Handler, body: dict[str, Any]) -> None:
    """A server that does not know `n`."""
    handler.answer(completion(body, choice(body)))


def changed(**changes: Any) -> Behaviour:
    """An honest answer but for this in its choice."""
    return lambda handler, body: handler.answer(completion(body, choice(body, **changes)))


def replies(value: Any) -> Behaviour:
    return lambda handler, body: handler.answer(value)


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    """An error as OpenAI's API writes it."""
    error = {"error": {"message": message, "type": "t", "code": code}}
    return lambda handler, body: handler.answer(error, status, **headers)


def writes(text: str) -> Behaviour:
    return lambda handler, body: handler.text(text)


def slow(seconds: float) -> Behaviour:
    def late(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        honest(handler, body)

    return late


def cut(handler: Handler, body: dict[str, Any]) -> None:
    """The head of an answer, and a part of its body."""
    data = json.dumps(completion(body, choice(body))).encode()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data))
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


def hang_up(handler: Handler, body: dict[str, Any]) -> None:
    """Nothing at all."""
    handler.close_connection = True
