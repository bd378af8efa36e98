"""The process that vLLM runs in: `python -m guerdon_vllm.engine_process FD`. It speaks JSON lines with its parent.

First comes a line with vLLM's arguments, and then one for each batch of prompts. Each is answered by one line, with an
`error` in it or with what was asked for. When the parent is gone, so is all that was started here.
"""

import json
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any


def main() -> None:
    """Start vLLM and answer until the channel closes."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(channel.makefile("r", encoding="utf-8"), lines), daemon=True).start()
    out = channel.makefile("w", encoding="utf-8")

    def answer(value: Mapping[str, Any]) -> None:
        out.write(json.dumps(value) + "\n")
        out.flush()

    try:
        llm = _start(json.loads(lines.get()))
    except Exception as error:
        answer({"error": said(error)})
        return
    answer({"max_model_len": llm.llm_engine.model_config.max_model_len})
    while True:
        try:
            groups = _generate(llm, json.loads(lines.get()))
        except Exception as error:
            answer({"error": said(error)})
        else:
            answer({"groups": groups})


def _read(stream: Any, lines: "queue.Queue[str]") -> None:
    for line in stream:
        lines.put(line)
    # nobody is there to be answered; the group is this process and the engine's workers
    os.killpg(0, signal.SIGKILL)


def _start(arguments: Mapping[str, Any]) -> Any:
    from vllm import LLM
    from vllm.platforms import current_platform

    # The kernel for CPUs (vLLM 0.32.0) rotates only the first head of multi-head latent attention; torch rotates all.
    ops = {"compilation_config": {"custom_ops": ["-rotary_embedding"]}} if current_platform.is_cpu() else {}
    # the log-probabilities of what is drawn from, not of the distribution before temperature and top_p
    return LLM(**arguments, **ops, logprobs_mode="processed_logprobs")


def _generate(llm: Any, asked: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    from vllm import SamplingParams

    prompts = [{"prompt_token_ids": ids} for ids, _ in asked["prompts"]]
    params = [
        SamplingParams(
            n=asked["n"],
            temperature=asked["temperature"],
            top_p=asked["top_p"],
            max_tokens=asked["max_tokens"],
            seed=seed,
            logprobs=0,
            detokenize=False,
        )
        for _, seed in asked["prompts"]
    ]
    done = llm.generate(prompts, params, use_tqdm=False)
    return [
        [
            {
                "ids": list(one.token_ids),
                "logprobs": [row[token].logprob for token, row in zip(one.token_ids, one.logprobs, strict=True)],
                "finish_reason": one.finish_reason,
            }
            for one in request.outputs
        ]
        for request in done
    ]


def said(error: BaseException) -> str:
    """What an exception of vLLM's says, in one line."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    text = " ".join(str(error).split())
    return text if text and isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
