"""Whether a stage can be trained where it is to be, before hours are spent. Runs in the environment of OpenRLHF.

`python -m guerdon_openrlhf.preflight REQUEST`, where REQUEST is JSON; the last line that it prints is JSON too.
"""

import importlib.metadata
import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guerdon import GuerdonError, PluginError

VERSION = "0.11.2"
MARK = "GUERDON-PREFLIGHT "
INSTALL = "docs/how-to/train-on-a-cluster.md says what is installed there, and how"


def main(request: Mapping[str, Any]) -> None:
    """Print what is wrong, or what is there."""
    try:
        _say(facts(request))
    except GuerdonError as error:
        _say({"error": {"where": error.where, "what": error.what, "way_out": error.way_out}})


def facts(request: Mapping[str, Any]) -> dict[str, Any]:
    """What is there. `module`, `arguments`, `attention` and, unless only those are asked, `config`, `stage`, `gpus`.

    Raises GuerdonError.
    """
    _check_installed(request)
    _check_arguments(request)
    if "config" not in request:
        return {"openrlhf": VERSION}
    if request["ray"]:
        return _on_the_cluster(request)
    look_at_rewards(request["config"], request["stage"])
    found = _gpus()
    if found < request["gpus"]:
        raise _too_few(found, request["gpus"], "this machine has")
    return {"openrlhf": VERSION, "gpus": found}


def look_at_rewards(config: str, stage: str) -> str:
    """Load the run file and open its rewards, or ask their servers, as each process that samples will.

    Raises GuerdonError.
    """
    from guerdon import runfile

    file = runfile.load(Path(config))
    options = next(one.trainer for one in file.stages if one.name == stage).model_dump()
    if "reward_servers" not in options:
        return ""  # demonstrations and pairs are not judged
    mixture = file.mixture(1, stage)
    if options["reward_servers"]:
        from guerdon.remote import RemoteMixture, fingerprint

        RemoteMixture(options["reward_servers"], expect=fingerprint(mixture.terms)).open().close()
    else:
        mixture.open().close()
    return ""


def _on_the_cluster(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same on every machine that could sample."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(log_to_driver=False)
    found = int(ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
    if found < request["gpus"]:
        raise _too_few(found, request["gpus"], "the cluster has")
    looks = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get("GPU", 0):
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = ray.remote(_look).options(scheduling_strategy=here, num_cpus=0)
            looks[node["NodeManagerAddress"]] = remote.remote(request["config"], request["stage"])
    for address, look in looks.items():
        wrong = ray.get(look, timeout=300)
        if wrong:
            raise PluginError(f"machine {address}", wrong, "make it the same on every machine of the cluster")
    return {"openrlhf": VERSION, "gpus": found, "machines": sorted(looks)}


def _look(config: str, stage: str) -> str:
    try:
        from guerdon_openrlhf.preflight import look_at_rewards

        return look_at_rewards(config, stage)
    except Exception as error:  # it must not come home as a traceback of Ray's
        return str(error) or type(error).__name__


def _check_installed(request: Mapping[str, Any]) -> None:
    where = f"the environment of {sys.executable}"
    try:
        version = importlib.metadata.version("openrlhf")
    except importlib.metadata.PackageNotFoundError:
        raise PluginError(where, "has no OpenRLHF", INSTALL) from None
    if version != VERSION:
        what = f"has OpenRLHF {version}, and guerdon is written for {VERSION}"
        raise PluginError(where, what, f"pip install --no-deps openrlhf=={VERSION}")
    wanted = ["deepspeed"] + (["ray", "vllm"] if request["module"].endswith("train_ppo_ray") else [])
    if request["attention"].startswith("flash_attention_2"):
        wanted.append("flash_attn")
    for name in wanted if "config" in request else ():
        if find_spec(name) is None:
            way_out = 'install it, or choose attn_implementation = "sdpa"' if name == "flash_attn" else INSTALL
            raise PluginError(where, f"has no {name}", way_out)


def _check_arguments(request: Mapping[str, Any]) -> None:
    from guerdon_openrlhf.parser import parsed

    try:
        parsed(request["module"], request["arguments"])
    except ValueError as error:
        raise GuerdonError(
            request["module"], f"refuses its arguments: {error}", "look at the trainer's options"
        ) from None


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _too_few(found: int, wanted: int, who: str) -> GuerdonError:
    what = f"{who} {found or 'no'} GPU{'' if found == 1 else 's'}, and the stage asks for {wanted}"
    return GuerdonError(
        "GPUs", what, "choose fewer: gpus_per_node, nodes, vllm_engines; or name a cluster: ray_address"
    )


def _say(answer: Mapping[str, Any]) -> None:
    print(MARK + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
