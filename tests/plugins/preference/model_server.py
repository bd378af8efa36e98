"""A real classifier behind the APIs of vLLM and of OpenRLHF's serve_rm, over real sockets; it fails as it is told."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from chat_server import Asked, Behaviour, ChatServer, Handler


class ModelServer(ChatServer):
    """Both of them read a score at the last token, whatever that is."""

    def __init__(self, model: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        super().__init__()
        self.root = self.url.removesuffix("/v1")
        self.model = str(model)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self.module: Any = AutoModelForSequenceClassification.from_pretrained(model).eval()
        self.behave = lambda number, asked: self.scores

    def scores(self, handler: Handler, body: dict[str, Any]) -> None:
        handler.answer(self.answer_to(body))

    def answer_to(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if "query" in body:
            return {"rewards": [self.logit(self.ids(body)) for _ in body["query"]]}
        assert body["model"] == self.model
        assert body["use_activation"] is False
        return vllm_says(self.logit(self.ids(body)))

    def ids(self, body: Mapping[str, Any]) -> list[int]:
        """What is read."""
        if "query" in body:
            (text,) = body["query"]
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(body["input"])

    def logit(self, ids: list[int]) -> float:
        with torch.inference_mode():
            hidden = self.module.model(torch.tensor([ids])).last_hidden_state[0, -1]
            return float(self.module.score(hidden)[0])

    def about(self, text: str, behaviour: Behaviour) -> None:
        """Do this for texts that hold this one, and score the others."""
        self.behave = lambda number, asked: behaviour if text in self.read_in(asked) else self.scores

    def read_in(self, asked: Asked) -> str:
        return str(self.tokenizer.decode(self.ids(asked.body)))

    def sometimes(self, wanted: Callable[[int], bool], behaviour: Behaviour) -> None:
        """Do this for the requests with these numbers."""
        self.behave = lambda number, asked: behaviour if wanted(number) else self.scores


def vllm_says(*logits: Any) -> dict[str, Any]:
    """An answer of vLLM's /classify."""
    one = {"index": 0, "label": "LABEL_0", "probs": list(logits), "num_classes": len(logits)}
    usage = {"prompt_tokens": 9, "total_tokens": 9, "completion_tokens": 0}
    return {"id": "classify-1", "object": "list", "created": 1, "model": "m", "data": [one], "usage": usage}


def gives(*logits: Any) -> Behaviour:
    return lambda handler, body: handler.text(json.dumps(vllm_says(*logits)))


def cut(handler: Handler, body: dict[str, Any]) -> None:
    """The head of an answer, and a part of its body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    handler.close_connection = True
