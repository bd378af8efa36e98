"""What OpenRLHF loads in every process that samples: completions go to the run file's rewards, and why is kept.

OpenRLHF 0.11.2 asks an `AgentExecutor` for each completion (utils/agent.py), `group_size` of them at once for a
question, all in one process. It knows no rollout without a score, takes whatever raises for the end of the run, and
wants the same finite numbers in `extra_logs` of every sample.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

from guerdon import GuerdonError, OptionError, Rollout, Total, runfile
from guerdon.columns import task_of
from guerdon.ledger import row
from guerdon_openrlhf.grpo import OpenrlhfGrpo
from guerdon_openrlhf.judging import Judges, Judging, Question
from guerdon_openrlhf.parts import Parts
from guerdon_openrlhf.places import Places


def executor(config: str, stage: str) -> type:
    """The class that OpenRLHF looks for in a file under the name `AgentExecutor`. `config`: the run file's path."""
    from openrlhf.utils.agent import AgentExecutorBase

    class AgentExecutor(AgentExecutorBase):  # type: ignore[misc]  # OpenRLHF has no types
        """Samples one completion and has it judged."""

        def __init__(self) -> None:
            self.bridge = Bridge(Path(config), stage)

        async def execute(  # noqa: PLR0917 - as OpenRLHF calls it
            self,
            prompt: str,
            label: str,
            sampling_params: Any,
            max_length: int,
            hf_tokenizer: Any,
            llm_engine: Any,
            images: Any = None,
        ) -> dict[str, Any]:
            return await self.bridge.execute(prompt, label, sampling_params, hf_tokenizer, llm_engine)

    return AgentExecutor


class Bridge:
    """The rewards of one stage, open in this process. Raises GuerdonError where they cannot be opened."""

    def __init__(self, config: Path, stage: str) -> None:
        file = runfile.load(config)
        options = next((one.trainer for one in file.stages if one.name == stage), None)
        if not isinstance(options, OpenrlhfGrpo):
            raise OptionError(f"{config}: stages.{stage}", "is no stage of the trainer `openrlhf`")
        self.options = options
        self.places = Places(config.parent / "stages" / stage)
        mixture = file.mixture(options.reward_workers, stage)
        self.terms = [term.name for term in mixture.terms]
        self.together = mixture.needs_groups
        judges: Judges = mixture
        if options.reward_servers:
            from guerdon.remote import RemoteMixture, fingerprint

            judges = RemoteMixture(options.reward_servers, expect=fingerprint(mixture.terms)).open()
        else:
            mixture.open()
        self.judging = Judging(judges, self.places, options.retries)
        self.parts = Parts(self.places.scored)
        self.questions: dict[str, Question] = {}
        self.at_work = 0

    @cached_property
    def writing(self) -> asyncio.Lock:
        """One file at a time."""
        return asyncio.Lock()

    async def execute(
        self, prompt: str, label: str, sampling_params: Any, tokenizer: Any, engine: Any
    ) -> dict[str, Any]:
        """One completion of a prompt, in the shape that OpenRLHF takes. Raises only what the engine raises."""
        asked = json.loads(label)
        question = self._question(label)
        self.at_work += 1
        try:
            try:
                rollout = await _sampled(prompt, asked, sampling_params, tokenizer, engine)
            except BaseException:
                question.give_up()
                raise
            total = await question.total(rollout)
            paid = await question.paid(total, self.options.substitute)
            self.parts.add({**row(rollout, total), "group": asked["question"], "paid": paid})
        finally:
            self.at_work -= 1
            if not self.at_work or self.parts.full:
                await self._keep()
        return self._told(prompt, label, rollout, total, paid=paid)

    def _question(self, label: str) -> Question:
        question = self.questions.get(label)
        if question is None:
            question = self.questions[label] = Question(self.judging, self.options.group_size, self.together)
        question.joined += 1
        if question.joined == question.size:
            del self.questions[label]  # the next of this name is asked another time
        return question

    async def _keep(self) -> None:
        try:
            async with self.writing:
                await asyncio.to_thread(self.parts.write)
        except GuerdonError as error:
            self.places.fail(error.where, error.what, error.way_out)

    def _told(self, prompt: str, label: str, rollout: Rollout, total: Total, *, paid: float) -> dict[str, Any]:
        ids, begin = [*(rollout.prompt_ids or ()), *(rollout.completion_ids or ())], len(rollout.prompt_ids or ())
        logprobs = None if rollout.logprobs is None else [0.0] * begin + list(rollout.logprobs)
        return {
            "prompt": prompt,
            "label": label,
            "images": None,
            "mm_train_inputs": None,
            "reward": paid,
            "scores": paid,
            "observation_tokens": ids,
            "action_ranges": [(begin, len(ids))],
            "rollout_log_probs": logprobs,
            "truncated": rollout.truncated,
            "extra_logs": self._logs(total),
        }

    def _logs(self, total: Total) -> Mapping[str, float]:
        values = {name: term.score.value for name, term in total.terms.items()}
        logs = {f"rewards/{name}": float(values.get(name) or 0.0) for name in self.terms}
        return logs | {"unscored": float(total.value is None)}


async def _sampled(prompt: str, asked: Mapping[str, Any], sampling_params: Any, tokenizer: Any, engine: Any) -> Rollout:
    prompt_ids: Sequence[int] = tokenizer(text=prompt, add_special_tokens=False)["input_ids"]
    (completion,) = (await engine.generate(list(prompt_ids), deepcopy(sampling_params))).outputs
    ids = list(completion.token_ids)
    logprobs = None
    if sampling_params.logprobs is not None and completion.logprobs is not None:
        logprobs = [float(of[token].logprob) for token, of in zip(ids, completion.logprobs, strict=True)]
    return Rollout(
        task_of(asked["task"], "label"),
        # Only end and padding tokens are left out, as everywhere.
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        truncated=completion.finish_reason == "length",
        prefill=asked["prefill"],
        prompt_ids=list(prompt_ids),
        completion_ids=ids,
        logprobs=logprobs,
    )
