"""A judge for measurements, as a process of its own: takes its time, counts who is there, and fails as it is told.

It does as little as it can, so that what is measured is whoever asks.
"""

import asyncio
import json
import random
import re
import sys
import time

CANARY = re.compile(rb'\\"canary\\": \\"([0-9a-f]+)\\"')
ANSWER = re.compile(rb"BEGIN answer \w+\\n(.*?)\\nEND answer")
CHANCE = random.Random(0)


class Seen:
    """What the judge has seen since it was last asked."""

    def __init__(self) -> None:
        self.at_once = self.most_at_once = 0
        self.arrived: list[float] = []
        self.verdicts: dict[str, int] = {}


class Connection(asyncio.Protocol):
    """Every request takes `seconds`; of ten, two fail, one is cut and one is no verdict where `faulty`."""

    seconds, faulty, seen = 0.0, False, Seen()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            self.data = b""
            self.send(json.dumps(vars(self.seen)).encode())
            Connection.seen = Seen()
            return
        if len(body) < int(re.search(rb"(?i)content-length: *(\d+)", head)[1]):
            return
        self.data = b""
        self.seen.arrived.append(time.monotonic())
        self.seen.at_once += 1
        self.seen.most_at_once = max(self.seen.most_at_once, self.seen.at_once)
        asyncio.get_running_loop().call_later(self.seconds, self.judge, body)

    def judge(self, body: bytes) -> None:
        self.seen.at_once -= 1
        kind = CHANCE.randrange(10) if self.faulty else 9
        if kind < 2:
            self.send(b'{"error": {"message": "no"}}', b"500 Internal Server Error")
        elif kind == 2:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.transport.close()
        else:
            verdict = {"canary": CANARY.findall(body)[-1].decode(), "marks": {"agreement": {"reason": "", "mark": 7}}}
            content = json.dumps(verdict) if kind != 3 else "I cannot say."
            if kind != 3:
                answer = ANSWER.search(body)[1].decode()
                self.seen.verdicts[answer] = self.seen.verdicts.get(answer, 0) + 1
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
            usage = {"prompt_tokens": 80, "completion_tokens": 20, "total_tokens": 100}
            self.send(json.dumps({"id": "1", "choices": [choice], "usage": usage}).encode())

    def send(self, data: bytes, status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data))
        self.transport.write(head + data)


async def main() -> None:
    Connection.seconds, Connection.faulty = float(sys.argv[1]), sys.argv[2] == "faulty"
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
