"""A judge for measurements, as a process of its own: takes its time, counts who is there, and fails as it is told."""

import asyncio
import json
import random
import re
import sys
import time


class Server:
    """Every request takes `seconds`; of ten, two fail, one is cut and one is no verdict where `faulty`."""

    def __init__(self, seconds: float, faulty: bool) -> None:
        self.seconds, self.faulty = seconds, faulty
        self.at_once = self.most_at_once = 0
        self.arrived: list[float] = []
        self.verdicts: dict[str, int] = {}
        self.chance = random.Random(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) is not None:
                size = int((re.search(rb"(?i)content-length: *(\d+)", head) or [b"", b"0"])[1])
                body = await reader.readexactly(size)
                if head.startswith(b"GET"):
                    told = {"most_at_once": self.most_at_once, "arrived": self.arrived, "verdicts": self.verdicts}
                    self.send(writer, told)
                    self.most_at_once, self.arrived, self.verdicts = 0, [], {}
                    continue
                if not await self.judge(json.loads(body), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def judge(self, body: dict, writer: asyncio.StreamWriter) -> bool:
        self.arrived.append(time.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        kind = self.chance.randrange(10) if self.faulty else 9
        if kind < 2:
            self.send(writer, {"error": {"message": "no"}}, "500 Internal Server Error")
            return True
        if kind == 2:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            return False
        system, user = (message["content"] for message in body["messages"])
        example = json.loads(system.splitlines()[-1])
        answer = re.search(r"BEGIN answer \w+\n(.*?)\nEND answer", user, re.DOTALL)[1]
        content = json.dumps(example) if kind != 3 else "I cannot say."
        if kind != 3:
            self.verdicts[answer] = self.verdicts.get(answer, 0) + 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": 80, "completion_tokens": 20, "total_tokens": 100}
        self.send(writer, {"id": "1", "choices": [choice], "usage": usage})
        return True

    def send(self, writer: asyncio.StreamWriter, value: object, status: str = "200 OK") -> None:
        data = json.dumps(value).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)


async def main() -> None:
    judge = Server(float(sys.argv[1]), sys.argv[2] == "faulty")
    server = await asyncio.start_server(judge.serve, "127.0.0.1", 0, limit=1 << 22, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
