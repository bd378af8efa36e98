"""math-verify's verdicts on items from standard input, with the CPU seconds that each took.

Every item is judged in a forked child, so that one that hangs or crashes costs only itself: a kinder treatment than
math-verify's own users get.
"""

import json
import os
import resource
import signal
import sys
import time

from math_verify import parse, verify


def judge(gold: str, response: str) -> bool:
    """As math-verify's README does it."""
    return bool(verify(parse(f"${gold}$"), parse(response)))


def in_child(item: dict, seconds: float) -> dict:
    """The verdict, or None with `late` or `crashed`."""
    read_end, write_end = os.pipe()
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        signal.setitimer(signal.ITIMER_REAL, seconds)  # until math-verify's own alarm takes the signal over
        limit = 4 << 30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        try:
            verdict = judge(item["gold"], item["response"])
            os.write(write_end, b"1" if verdict else b"0")
        except BaseException:
            os.write(write_end, b"x")
        os._exit(0)
    os.close(write_end)
    answer = b""
    deadline = started + seconds + 0.5
    os.set_blocking(read_end, False)
    while time.perf_counter() < deadline:
        try:
            answer = os.read(read_end, 1)
            break
        except BlockingIOError:
            time.sleep(0.002)
    seconds_used = time.perf_counter() - started
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read_end)
    return {"equal": {b"1": True, b"0": False}.get(answer), "late": answer == b"", "seconds": seconds_used}


def main() -> None:
    """`--isolated SECONDS` for hostile items; else one after the other in this process, which is faster."""
    items = [json.loads(line) for line in sys.stdin]
    judge("1", "\\boxed{1}")  # what is imported and cached on first use is start-up
    verdicts = []
    started = time.process_time()
    if "--isolated" in sys.argv:
        seconds = float(sys.argv[sys.argv.index("--isolated") + 1])
        verdicts = [in_child(item, seconds) for item in items]
    else:
        for item in items:
            try:
                verdicts.append({"equal": judge(item["gold"], item["response"])})
            except Exception:
                verdicts.append({"equal": None})
    print(json.dumps({"verdicts": verdicts, "cpu_seconds": time.process_time() - started}))


main()
