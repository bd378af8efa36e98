"""The lock that torch leaves behind when a process is ended while it compiles: whoever compiles next waits for ever.

DeepSpeed compiles its optimizer when it is first used (torch.utils.cpp_extension, by a FileBaton without an owner).
"""

import os
from pathlib import Path


def release(since: float) -> None:
    """Remove the locks that were taken since then (seconds, as `time.time`). For when all who took one have ended."""
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or Path.home() / ".cache" / "torch_extensions")
    for lock in [*root.glob("*/lock"), *root.glob("*/*/lock")]:
        try:
            if lock.stat().st_mtime >= since:
                lock.unlink()
        except FileNotFoundError:
            pass
