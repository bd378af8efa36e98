"""What every sandbox promises of streams, files and commands."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable

from guerdon.plugs import Sandbox
from guerdon.programs import STDERR_BYTES, Program
from guerdon.testing.running import LIMITS, ended_well, expect, printed, python, ran, shown

MEGABYTE = 1 << 20


async def streams_are_faithful(sandbox: Sandbox) -> None:
    """Input, output, errors, arguments and the exit code are what they would be anywhere else."""
    program = python(
        """
        import sys
        data = sys.stdin.buffer.read()
        sys.stdout.buffer.write(data[::-1])
        print(ascii(sys.argv), __name__, "é☃", file=sys.stderr)
        sys.exit(3)
        """,
        arguments=["two words", "$HOME", "é"],
    )
    data = bytes(range(256)) + b"\r\n\x1a\x04"
    finished = await ran(sandbox, program, data)
    seen = (finished.exit_code, finished.signal, finished.cause)
    expect(seen == (3, None, None), f"sys.exit(3) is told as {shown(finished)}", "pass exit codes on")
    expect(finished.stdout == data[::-1], f"bytes came back as {finished.stdout!r}", "change nothing: no tty, no text")
    wanted = "['main.py', 'two words', '$HOME', '\\xe9'] __main__ é☃"
    said = finished.stderr.decode(errors="replace").strip()
    expect(
        said == wanted, f"stderr says {said!r} instead of {wanted!r}", "no shell between; text is UTF-8 (LANG=C.UTF-8)"
    )


async def endings_are_told(sandbox: Sandbox) -> None:
    """Exit codes, signals and tracebacks are told apart."""
    for code in (0, 1, 255):
        finished = await ran(sandbox, f"import os; os._exit({code})")
        expect((finished.exit_code, finished.signal) == (code, None), shown(finished), f"the exit code is {code}")
    for number in (6, 9, 11, 15):
        finished = await ran(sandbox, f"import os; os.kill(os.getpid(), {number}); import time; time.sleep(60)")
        expect(
            (finished.exit_code, finished.signal, finished.cause) == (None, number, None),
            f"signal {number} is told as {shown(finished)}",
            "a program that a signal ends, and no limit, has a signal and no exit code",
        )
    finished = await ran(sandbox, "def broken():\n    raise ValueError('é')\nbroken()")
    expect(finished.exit_code == 1 and not finished.stdout, shown(finished), "an exception is exit code 1")
    expect(
        "ValueError: é" in finished.stderr.decode(errors="replace") and b"main.py" in finished.stderr,
        f"the traceback of an exception is {finished.stderr!r}",
        "hand stderr over",
    )


async def any_command_is_run(sandbox: Sandbox) -> None:
    """Any command is run, not only Python, and it finds the signals as they should be."""
    shell = Program({}, ["sh", "-c", 'read line; echo "$line $1"; yes | head -n 1; exit 4', "sh", "it's"])
    finished = await ran(sandbox, shell, b"a line\n")
    expect(
        (finished.exit_code, finished.stdout, finished.stderr) == (4, b"a line it's\ny\n", b""),
        f"sh -c says {shown(finished)}",
        "run the command as it is, and restore SIGPIPE, which Python ignores, for what is no Python",
    )


async def files_arrive(sandbox: Sandbox) -> None:
    """Files lie in the working directory, in sub-directories too, byte for byte, and more can be written."""
    files = {
        "data/deep/er/all.bin": bytes(range(256)) * 400,
        "empty": b"",
        "a name with é and 'quotes'": b"\xff\x00",
        "helper.py": b"def answer():\n    return 42\n",
        "package/__init__.py": b"from helper import answer\n",
    }
    source = """
    import hashlib, os
    for at, _, names in sorted(os.walk(".")):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(at, name))
            if path != "main.py":
                print(ascii(path), hashlib.sha256(open(path, "rb").read()).hexdigest())
    import package
    os.mkdir("made")
    open("made/here", "w").write("é" * 1000)
    print(package.answer(), len(open("made/here").read()))
    """
    seen = (await printed(sandbox, python(source, files))).splitlines()
    wanted = {f"{path!a} {hashlib.sha256(data).hexdigest()}" for path, data in files.items()}
    expect(
        set(seen[:-1]) == wanted,
        f"it finds {seen[:-1]}",
        f"the working directory holds the program's files and nothing else: {sorted(wanted)}",
    )
    expect(seen[-1] == "42 1000", f"import, write and read say {seen[-1]!r}", "let it import and write there")


async def input_and_output_go_both_ways(sandbox: Sandbox) -> None:
    """A program can be talked with, and what was received does not come again."""
    source = """
    for line in iter(input, "end"):
        print("you said", line, flush=True)
    print("bye")
    """
    async with sandbox.start(python(source), LIMITS) as running:
        for number in range(20):
            await running.send(f"{number}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                more = await running.receive()
                expect(more != b"", f"output ended after {number} lines", 'receive waits, and is b"" only at the end')
                answer += more
            expect(answer == f"you said {number}\n".encode(), f"{answer!r} came back", "keep bytes in order")
        await running.send(b"end\n")
        finished = await running.finish()
        ended_well(finished, "a conversation")
        expect(finished.stdout == b"bye\n", f"at the end it has {finished.stdout!r}", "what was received is gone")
    async with sandbox.start(python("print('all')"), LIMITS) as running:
        parts = [await running.receive()]
        while parts[-1]:
            parts.append(await running.receive())
        expect(b"".join(parts) == b"all\n", f"{parts} was received", 'all of it, then b""')
        expect(await running.receive() == b"", "something came after the end", 'b"" again and again')
        ended_well(await running.finish(), "a program that was listened to")


async def large_data_goes_both_ways(sandbox: Sandbox) -> None:
    """A mebibyte goes in and out without a deadlock, whoever writes first."""
    data = os.urandom(MEGABYTE)
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    copy = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    shout = f"import sys; sys.stdout.buffer.write(b'x' * {MEGABYTE // 2}); sys.stdout.flush()\n{echo}"
    for source, sent, wanted in (
        (echo, data, data),
        (copy, data, data),
        (shout, data[: MEGABYTE // 2], b"x" * (MEGABYTE // 2) + data[: MEGABYTE // 2]),
    ):
        finished = await ran(sandbox, source, sent)
        ended_well(finished, f"a program that writes {len(wanted)} bytes, the output limit")
        expect(
            finished.stdout == wanted,
            f"{len(finished.stdout)} bytes came back instead of {len(wanted)}, or others",
            "read while writing; a limit is what may be reached, not passed",
        )


async def noise_on_stderr_is_harmless(sandbox: Sandbox) -> None:
    """Ten megabytes on standard error stop nothing, and their last bytes are kept."""
    source = """
    import sys
    for number in range(10_000):
        print(f"{number:>6}", "x" * 1000, file=sys.stderr)
    print("done")
    """
    finished = await ran(sandbox, source)
    ended_well(finished, "a program that is noisy on standard error")
    expect(finished.stdout == b"done\n", f"it wrote {finished.stdout!r}", "keep the streams apart")
    line = b"%6d %s\n"
    tail = (line % (9_998, b"x" * 1000) + line % (9_999, b"x" * 1000))[-1500:]
    expect(
        len(finished.stderr) == STDERR_BYTES and finished.stderr.endswith(tail),
        f"{len(finished.stderr)} bytes of standard error were kept, ending in {finished.stderr[-30:]!r}",
        f"read all of it and keep the last {STDERR_BYTES} bytes",
    )


async def programs_at_once_do_not_mix(sandbox: Sandbox) -> None:
    """Programs that are started at once wait for room, and each gets its own input, output and files."""
    source = """
    import sys, time
    for line in sys.stdin:
        print(open("who").read(), line.strip(), flush=True)
        time.sleep(0.05)
    """

    async def one(number: int) -> None:
        program = python(source, {"who": f"program {number}".encode()})
        lines = [f"{number} says {n}" for n in range(5)]
        said = await printed(sandbox, program, "\n".join(lines).encode())
        wanted = [f"program {number} {line}" for line in lines]
        expect(said.splitlines() == wanted, f"program {number} printed {said!r}", f"{wanted} is its own")

    await _all(*map(one, range(12)))


async def many_in_a_row(sandbox: Sandbox) -> None:
    """Two hundred short programs in a row, some of which die, each get the answer to their own question."""
    deaths = {3: "os.kill(os.getpid(), 9)", 5: "os.abort()", 7: "os._exit(9)"}

    async def lane(numbers: range) -> None:
        for number in numbers:
            death = deaths.get(number % 10, "")
            source = f"import os\nprint(int(input()) ** 2, flush=True)\n{death}"
            finished = await ran(sandbox, source, b"%d\n" % number)
            expect(
                finished.stdout == b"%d\n" % number**2 and (finished.exit_code == 0) == (not death),
                f"program {number}, which prints its square, ended with {shown(finished)}",
                "an answer belongs to its question",
            )

    await _all(lane(range(100)), lane(range(100, 200)))


async def _all(*programs: Awaitable[None]) -> None:
    for error in await asyncio.gather(*programs, return_exceptions=True):
        if error is not None:
            raise error


PROMISES = (
    streams_are_faithful,
    endings_are_told,
    any_command_is_run,
    files_arrive,
    input_and_output_go_both_ways,
    large_data_goes_both_ways,
    noise_on_stderr_is_harmless,
    programs_at_once_do_not_mix,
    many_in_a_row,
)
