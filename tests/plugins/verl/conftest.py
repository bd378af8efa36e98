"""Makes `import real_verl` work here, and `import tokenizer_of_bytes`, which is TRL's tests' too."""

import os
import sys
from pathlib import Path

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "trl")]
