"""A plugin of vLLM's (entry point group `vllm.general_plugins`), so that a DeepSeek-V3 can be trained at all.

transformers 5 keeps a layer's experts in two tensors, `experts.gate_up_proj` and `experts.down_proj`, and these are the
names under which OpenRLHF 0.11.2 sends new weights (trainer/ray/ppo_actor.py:478). vLLM (up to 0.32 at least) knows
them for Qwen3-MoE; its loader of DeepSeek-V2 and V3 knows only one tensor for each expert, as in a saved checkpoint,
and raises KeyError at the first update.
"""


def register() -> None:
    """Have vLLM take them from `guerdon_openrlhf.vllm_deepseek`. vLLM calls it in each of its processes."""
    from vllm import ModelRegistry

    for name in ("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"):
        ModelRegistry.register_model(name, f"guerdon_openrlhf.vllm_deepseek:{name}")
