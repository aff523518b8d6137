"""What starts several processes, and what shards a model: generated right, refused in words where it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from realm.cli.launch import require_launchable
from realm.config.launch import launch_arguments, processes, sharding
from realm.config.layers import load
from realm.config.presets import preset_spec
from realm.config.run_spec import RunSpec
from realm.errors import UsageError


def spec(**hardware: Any) -> RunSpec:
    made = preset_spec(load(env={}), "oracle-rauru-cloud", versions={})
    assert made.hardware is not None
    return made.model_copy(update={"hardware": made.hardware.model_copy(update=hardware)})


def test_one_machine_needs_no_meeting_place() -> None:
    arguments = launch_arguments(spec(processes=2), ["realm", "train", "x"])
    assert arguments == ["--standalone", "--nproc-per-node=2", "--max-restarts=0", "-m", "realm", "train", "x"]


def test_machines_meet_at_the_first_one() -> None:
    made = spec(processes=4, nodes=2)
    arguments = launch_arguments(made, ["realm"], head="10.0.0.1")
    assert processes(made) == 8
    assert {"--nnodes=2", "--rdzv-endpoint=10.0.0.1:29500", "--max-restarts=0"} <= set(arguments)


def test_the_launcher_takes_the_arguments() -> None:
    from torch.distributed.run import parse_args

    for made in (spec(processes=2), spec(processes=2, nodes=3)):
        taken = parse_args(launch_arguments(made, ["realm", "train", "x"], head="h"))  # type: ignore[no-untyped-call]
        assert (taken.nproc_per_node, taken.max_restarts, taken.module) == ("2", 0, True)
        assert [taken.training_script, *taken.training_script_args] == ["realm", "train", "x"]


@pytest.mark.parametrize("way", ["fsdp2", "zero2", "zero3"])
def test_sharding_is_refused_on_the_cpu(way: str) -> None:
    with pytest.raises(UsageError, match="needs NVIDIA GPUs") as refused:
        sharding(spec(device="cpu", sharding=way))
    assert "ddp" in refused.value.hint


def test_transformers_takes_the_fsdp_configuration() -> None:
    from transformers import TrainingArguments

    made = sharding(spec(sharding="fsdp2"))
    taken = TrainingArguments(output_dir="unused", report_to="none", **made)
    assert taken.fsdp_plugin_args["fsdp_version"] == 2
    assert taken.fsdp_plugin_args["state_dict_type"] == "FULL_STATE_DICT"


@pytest.mark.parametrize(("way", "stage"), [("zero2", 2), ("zero3", 3)])
def test_accelerate_reads_the_deepspeed_configuration(way: str, stage: int) -> None:
    from accelerate.utils.deepspeed import HfDeepSpeedConfig

    made = spec(sharding=way)
    read = HfDeepSpeedConfig(sharding(made)["deepspeed"])
    assert read.is_offload() and read.is_zero3() is (stage == 3)
    assert read.get_value("train_micro_batch_size_per_gpu") == made.hyperparameters.batch_rows
    assert read.get_value("gradient_accumulation_steps") == made.hyperparameters.gradient_accumulation_steps


def test_what_is_only_generated_is_not_trained() -> None:
    require_launchable(spec(processes=2))
    with pytest.raises(UsageError, match="ddp"):
        require_launchable(spec(processes=2, sharding="zero2"))
    with pytest.raises(UsageError, match="cannot start the others"):
        require_launchable(spec(processes=2, nodes=2))
