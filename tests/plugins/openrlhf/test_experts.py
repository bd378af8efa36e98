"""A DeepSeek-V3's experts under the names that vLLM's loader knows."""

import torch
from safetensors.torch import load_file

from guerdon_local.models import load
from guerdon_openrlhf.experts import separated


def test_the_weights_of_a_model_in_training_have_the_names_and_values_of_its_saved_checkpoint(model):
    module = load(model).module
    saved = load_file(model / "model.safetensors")
    parameters = {name for name, _ in module.named_parameters()}
    assert "model.layers.1.mlp.experts.gate_up_proj" in parameters
    sent = dict(separated(module.named_parameters()))
    # Buffers are saved and never sent.
    assert set(saved) - set(sent) == {name for name in saved if name.endswith("e_score_correction_bias")}
    for name, weight in sent.items():
        assert torch.equal(weight.detach(), saved[name]), name
