"""Where a stage's files are: all that OpenRLHF reads and writes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

AGENT = '''"""Written by guerdon: OpenRLHF loads this in every process that samples."""

from guerdon_openrlhf.bridge import executor

AgentExecutor = executor({config!r}, {stage!r})
'''


@dataclass(frozen=True)
class Places:
    """Files of one stage, below `directory`. Paths are absolute: OpenRLHF's processes may be anywhere."""

    directory: Path

    @property
    def agent(self) -> Path:
        """The module that samples and judges."""
        return self.directory / "agent.py"

    @property
    def prompts(self) -> Path:
        """What is asked, or shown: a JSON object a line."""
        return self.directory / "prompts.jsonl"

    @property
    def held_out(self) -> Path:
        """What a reward model is tried on, in the same shape."""
        return self.directory / "held-out.jsonl"

    @property
    def scored(self) -> Path:
        """Scored rollouts that no step has been found for yet."""
        return self.directory / "scored"

    @property
    def failure(self) -> Path:
        """Why the rewards cannot go on, if they cannot."""
        return self.directory / "failure.json"

    @property
    def checkpoints(self) -> Path:
        """OpenRLHF's own checkpoints."""
        return self.directory / "checkpoints"

    @property
    def final(self) -> Path:
        """The Hugging Face checkpoint that OpenRLHF writes at its end."""
        return self.directory / "final"

    @property
    def log(self) -> Path:
        """All that OpenRLHF printed."""
        return self.directory / "output.log"

    def prepare(self, config: Path, stage: str) -> None:
        """Make the directory, and everything in it that an earlier attempt must not leave to this one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.scored, ignore_errors=True)
        shutil.rmtree(self.final, ignore_errors=True)
        self.scored.mkdir()
        self.failure.unlink(missing_ok=True)
        self.agent.write_text(AGENT.format(config=str(config), stage=stage), "utf-8")

    def fail(self, where: str, what: str, way_out: str) -> None:
        """Say why the rewards cannot go on. The first to say it is believed."""
        try:
            with self.failure.open("x", encoding="utf-8") as file:
                json.dump({"where": where, "what": what, "way_out": way_out}, file)
        except FileExistsError:
            pass

    def checkpoint_arguments(self, every: int, resume: bool) -> list[str]:
        """What OpenRLHF is told of checkpoints. `every`: of its steps; 0 for none but the last."""
        arguments = ["--ckpt.path", str(self.checkpoints), "--ckpt.output_dir", str(self.final)]
        # It removes one before it saves the next. Of two, the one that the run knows of may be gone.
        arguments += ["--ckpt.save_steps", str(every or -1), "--ckpt.save_hf", "--ckpt.max_num", "3"]
        return arguments + (["--ckpt.load_enable"] if resume else [])
