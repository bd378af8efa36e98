"""Compile what DeepSpeed would else compile when it is first used: its optimizer and its communication on a CPU.

That takes minutes, and a test would be waiting. They go to TORCH_EXTENSIONS_DIR; DS_ACCELERATOR must be cpu.
"""

from deepspeed.accelerator import get_accelerator

for builder in ("FusedAdamBuilder", "ShareMemCommBuilder"):
    get_accelerator().create_op_builder(builder).load()
