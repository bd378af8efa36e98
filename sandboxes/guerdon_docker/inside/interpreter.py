"""`python3 FILE ARGUMENTS` in an interpreter that is forked, and so has started already."""

import atexit
import gc
import io
import os
import signal
import sys
import threading
import types
from typing import NoReturn

_BEFORE = sys.modules["__main__"]
"""Kept, or every program would have to take it down."""
_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
"""In the order in which they are written out: text goes to a buffer."""
_INTERRUPTED = -1
_UNWRITTEN = 120
"""What Python exits with when its standard output cannot be flushed at the end."""


def run(arguments: "list[str]") -> NoReturn:
    """Run a file as `__main__` and exit as Python would, with the same streams, exit code and traceback."""
    sys.argv = arguments
    path = os.path.abspath(arguments[0])
    sys.path.insert(0, os.path.dirname(path))
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__annotations__ = {}
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    code = _status(_execute, path, main)
    _shutdown = getattr(threading, "_shutdown", None)
    if _shutdown is not None:
        _status(_shutdown)
    atexit._run_exitfuncs()
    if not _written_out():
        code = _UNWRITTEN
    del main, sys.modules["__main__"]
    _finalize()
    if code == _INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def _execute(path: str, main: types.ModuleType) -> None:
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _status(function: "types.FunctionType | object", *arguments: object) -> int:
    try:
        function(*arguments)  # type: ignore[operator]
    except SystemExit as exit_:
        if exit_.code is None:
            return 0
        if isinstance(exit_.code, int):
            return exit_.code & 0xFF if abs(exit_.code) < 1 << 63 else 0xFF
        _flushed(sys.stdout)
        print(exit_.code, file=sys.stderr)
        return 1
    except BaseException as error:
        _flushed(sys.stdout)
        # The frames of this module are none of the program's; a syntax error has no other.
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        try:
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        except BaseException:
            pass
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def make_streams() -> None:
    """Fresh ones on 0, 1 and 2, as Python makes them at its start where they are pipes: which they are meanwhile."""
    before = [os.dup(number) for number in range(3)]
    reading, writing = os.pipe()
    for number, name, mode, errors in (
        (0, "stdin", "r", "surrogateescape"),
        (1, "stdout", "w", "surrogateescape"),
        (2, "stderr", "w", "backslashreplace"),
    ):
        os.dup2(reading if mode == "r" else writing, number)
        raw = open(number, mode + "b", closefd=False)  # noqa: SIM115  # they stay open for the program's life
        raw.raw.name = f"<{name}>"  # type: ignore[attr-defined]
        stream = io.TextIOWrapper(raw, "utf-8", errors, newline="\n", line_buffering=name == "stderr")
        stream.mode = mode  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        os.dup2(before[number], number)
    for fd in (*before, reading, writing):
        os.close(fd)


def _written_out() -> bool:
    try:
        if sys.stdout is not None and not getattr(sys.stdout, "closed", False):
            sys.stdout.flush()
    except BaseException as error:
        print(f"Exception ignored in: {sys.stdout!r}\n{type(error).__name__}: {error}", file=sys.__stderr__)
        return False
    return True


def _finalize() -> None:
    """What the end of an interpreter does that a program can see: destructors run, and open files are written out."""
    streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
    try:
        _flush_all()  # first, because the collector closes the files of a cycle in any order
        gc.collect()  # the program's module is part of a cycle now, and its destructors still see its globals
        _flush_all()
    except BaseException:
        pass
    for stream in streams:
        _flushed(stream)


def _flush_all() -> None:
    # What the zygote had is frozen, so these are the program's own. Only the classes that are written in C: those of a
    # program have destructors, and to ask an object for its class may run code of the program's.
    streams = [one for one in gc.get_objects() if issubclass(type(one), _WRITERS)]
    for kind in _WRITERS:
        for one in streams:
            if issubclass(type(one), kind):
                _flushed(one)


def _flushed(stream: object) -> None:
    try:
        stream.flush()  # type: ignore[attr-defined]
    except BaseException:
        pass
