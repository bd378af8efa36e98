"""OpenRLHF 0.11.2 on a machine without a GPU: what its code takes for granted of CUDA, done on the CPU.

Python imports this by itself where its folder is on PYTHONPATH, in every process that OpenRLHF, Ray and vLLM start.
Nothing happens unless OPENRLHF_CPU_SHIM is 1. Files of OpenRLHF are not changed: a module that needs help is patched
when it has been imported. OPENRLHF_CPU_GPUS says how many GPUs there seem to be (1).
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

GPUS = int(os.environ.get("OPENRLHF_CPU_GPUS", "1"))
PREFLIGHT = "guerdon_openrlhf.preflight"
"""The only program that may count GPUs: DeepSpeed and vLLM would use what they find."""
OBJECT_STORE_BYTES = 300_000_000


def keep_to_this_machine(ray: ModuleType) -> None:
    """`ray.init()` starts a small Ray of its own with the GPUs that there seem to be, whatever else runs here."""
    init = ray.init

    @functools.wraps(init)
    def private(*args: Any, **options: Any) -> Any:
        if args or options.get("address") or "RAY_ADDRESS" in os.environ:
            return init(*args, **options)
        ours = {
            "address": "local",  # else it would join a Ray that someone else has started
            "num_gpus": GPUS,
            "num_cpus": 4 * GPUS,  # counted, not had: a bundle for each GPU, and the actors beside them
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        return init(**{**ours, **options})

    ray.init = private  # type: ignore[attr-defined]


def count_gpus(torch: ModuleType) -> None:
    """The GPUs that there seem to be, for who only counts them."""
    torch.cuda.device_count = lambda: GPUS
    torch.cuda.is_available = lambda: GPUS > 0


@contextmanager
def flash_attention_can_be_imported() -> Iterator[None]:
    """Names of flash-attn, which cannot be built without CUDA; they are called only where sequences are packed.

    They are gone afterwards, for transformers would believe that it is installed.
    """
    names = ("flash_attn", "flash_attn.bert_padding", "flash_attn.utils", "flash_attn.utils.distributed")
    sys.modules.update((name, ModuleType(name)) for name in names)
    padding, distributed = sys.modules["flash_attn.bert_padding"], sys.modules["flash_attn.utils.distributed"]
    for module, functions in (
        (padding, ("index_first_axis", "pad_input", "rearrange", "unpad_input")),
        (distributed, ("all_gather",)),
    ):
        for function in functions:
            setattr(module, function, _no_flash_attention)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _no_flash_attention(*_args: Any, **_options: Any) -> None:
    raise RuntimeError("flash-attn is not there on a CPU: do without --ds.packing_samples and ring attention")


def current_device_is_the_cpu(module: ModuleType) -> None:
    """Tensors go to `torch.cuda.current_device()`, and there is nothing to wait for. DeepSpeed knows by itself."""
    cuda = module.torch.cuda
    cuda.current_device = lambda: module.torch.device("cpu")
    cuda.set_device = lambda device: None
    cuda.synchronize = lambda device=None: None
    cuda.current_stream = lambda device=None: None


def buffer_experience_on_the_cpu(module: ModuleType) -> None:
    """The replay buffer spells its device `cuda:` and the current one."""

    class Torch:
        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        def device(self, _name: str) -> Any:
            return torch.device("cpu")

    torch, module.torch = module.torch, Torch()  # type: ignore[attr-defined]


def broadcast_through_a_store(module: ModuleType) -> None:
    """Weights go from the trainer to vLLM by TCP instead of NCCL."""

    class Broadcast:
        def __init__(self, host: str, port: int, rank: int, world_size: int, device: Any) -> None:
            from vllm.distributed.utils import StatelessProcessGroup

            self.group = StatelessProcessGroup.create(host, port, rank, world_size)

        def broadcast(self, tensor: Any, src: int, stream: Any = None) -> None:
            sends = self.group.rank == src
            sent = self.group.broadcast_obj(tensor.detach() if sends else None, src)
            if not sends:
                tensor.copy_(sent)

    module.stateless_init_process_group = Broadcast  # type: ignore[attr-defined]


def reload_weights_together(module: ModuleType) -> None:
    """vLLM takes new weights when it has all of them.

    On a CPU it keeps linear layers and experts in a layout of its kernels, and drops what was loaded: a weight cannot
    be loaded into its place. vLLM's own reloading brings the layers back to what was loaded, and lays them out again.
    """

    def update_weight(self: Any, name: str, dtype: Any, shape: Sequence[int], empty_cache: bool = False) -> None:
        import torch

        assert dtype == self.model_config.dtype, f"{name} is {dtype}, and vLLM's weights are {self.model_config.dtype}"
        weight = torch.empty(shape, dtype=dtype)
        self._model_update_group.broadcast(weight, src=0)
        received = self.__dict__.setdefault("_received", [])
        received.append((name, weight))
        # OpenRLHF's name for "this was the last".
        if empty_cache:
            # OpenRLHF sends no buffers, and a router's bias is one in transformers: it stays what it is.
            weights = self.model_runner.model.named_parameters()
            received += [
                (name, weight.clone()) for name, weight in weights if name.endswith(".e_score_correction_bias")
            ]
            self.model_runner.reload_weights(weights_iterator=iter(received))
            received.clear()

    module.WorkerWrap.update_weight = update_weight


def rotate_in_torch(module: ModuleType) -> None:
    """Positions of a latent attention are turned by plain torch.

    The CPU kernel of vLLM 0.32.0 takes queries of several heads, and slices of a tensor, for tensors of another shape:
    it turns some of them not at all, and a DeepSeek-V3 samples nonsense, without any error.
    """
    module.RotaryEmbedding.forward_cpu = module.RotaryEmbedding.forward_native


def pack_experts_again(module: ModuleType) -> None:
    """Experts that are loaded again are laid out again.

    vLLM 0.32.0 lays them out for its CPU kernel when it makes the kernel, and keeps the kernel from then on: experts of
    a new policy would be read in the wrong order, without any error.
    """
    method = module.UnquantizedFusedMoEMethod
    setup = method._setup_kernel

    def with_a_new_kernel(self: Any, *args: Any, **options: Any) -> None:
        self.moe_kernel = None
        setup(self, *args, **options)

    method._setup_kernel = with_a_new_kernel


Patch = Callable[[ModuleType], None]
Surroundings = Callable[[], AbstractContextManager[None]]
PATCHES: dict[str, tuple[Surroundings, Sequence[Patch]]] = {
    "ray": (nullcontext, [keep_to_this_machine]),
    "vllm.model_executor.layers.rotary_embedding.base": (nullcontext, [rotate_in_torch]),
    "vllm.model_executor.layers.fused_moe.unquantized_fused_moe_method": (nullcontext, [pack_experts_again]),
    "openrlhf.models.ring_attn_utils": (flash_attention_can_be_imported, []),
    "openrlhf.utils.deepspeed.deepspeed": (nullcontext, [current_device_is_the_cpu]),
    "openrlhf.trainer.ppo_utils.replay_buffer": (nullcontext, [buffer_experience_on_the_cpu]),
    "openrlhf.utils.distributed_util": (nullcontext, [broadcast_through_a_store]),
    "openrlhf.trainer.ray.vllm_worker_wrap": (nullcontext, [reload_weights_together]),
}


class Loader(SourceFileLoader):
    """Loads a module as always, and patches it."""

    def exec_module(self, module: ModuleType) -> None:
        """Run its file, then the patches."""
        surroundings, patches = PATCHES[module.__name__]
        with surroundings():
            super().exec_module(module)
        for patch in patches:
            patch(module)


class Finder(MetaPathFinder):
    """Finds the modules that are patched."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Where Python would find it, with our loader; None for all other modules."""
        spec = PathFinder.find_spec(name, path, target) if name in PATCHES else None
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(name, spec.origin)
        return spec


if os.environ.get("OPENRLHF_CPU_SHIM") == "1":
    if PREFLIGHT in sys.orig_argv:
        PATCHES["torch"] = (nullcontext, [count_gpus])
    sys.meta_path.insert(0, Finder())
