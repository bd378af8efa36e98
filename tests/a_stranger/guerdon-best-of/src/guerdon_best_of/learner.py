"""The model and its optimizer: imports torch, and so is itself imported only when a run begins."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from guerdon import DataError, LiveModel

OPTIMIZER = "trainer/optimizer.pt"

# Or they are drawn across what guerdon shows.
logging.disable_progress_bar()


class Learner:
    """A causal language model that learns to say what it is shown."""

    def __init__(self, checkpoint, learning_rate):
        if (checkpoint / "adapter_config.json").exists():
            raise DataError(str(checkpoint), "is an adapter, and best-of learns all weights", "leave `lora_rank` out")
        module = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        self.model = LiveModel(module, AutoTokenizer.from_pretrained(checkpoint))
        self.optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)

    def go_on_from(self, checkpoint):
        self.optimizer.load_state_dict(torch.load(checkpoint / OPTIMIZER, weights_only=True))

    def learn(self, rollouts):
        """One step towards all tokens of these completions, the end token included; the mean loss of a token."""
        if not rollouts:
            return {}
        module = self.model.module.train()
        tokens = sum(len(rollout.completion_ids) for rollout in rollouts)
        loss = 0.0
        for rollout in rollouts:
            ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]], device=module.device)
            length = len(rollout.completion_ids)
            logits = module(ids).logits[0, -length - 1 : -1]
            part = torch.nn.functional.cross_entropy(logits, ids[0, -length:], reduction="sum") / tokens
            part.backward()
            loss += part.item()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": loss, "tokens": tokens}

    def save(self, directory):
        self.model.module.save_pretrained(directory)
        self.model.tokenizer.save_pretrained(directory)
        (directory / OPTIMIZER).parent.mkdir()
        torch.save(self.optimizer.state_dict(), directory / OPTIMIZER)
