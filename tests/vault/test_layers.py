"""Weights looked into without torch: the figures are those of NumPy, and a file that lies about itself is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from realm.errors import CheckpointError
from realm.vault import layers, tensors
from realm.vault.layers import layer_drift, layer_of, layer_stats


def model(folder: Path, shift: float = 0.0, dtype: str = "f4") -> dict[str, np.ndarray]:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(3)
    names = ["model.embed_tokens.weight", "model.layers.0.mlp.up.weight", "model.layers.1.mlp.up.weight",
             "model.layers.10.norm.weight", "lm_head.weight"]  # fmt: skip
    made = {name: random.normal(size=(7, 5)).astype(dtype) for name in names}
    made["model.layers.1.mlp.up.weight"] = (made["model.layers.1.mlp.up.weight"] + shift).astype(dtype)
    made["model.layers.10.norm.weight"][0] = 0
    save_file(made, str(folder / "model.safetensors"))
    save_file({"exp_avg": made["lm_head.weight"]}, str(folder / "quest_state.safetensors"))
    return made


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8"])
def test_statistics_are_those_of_numpy(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model(tmp_path / "a", dtype=dtype)
    monkeypatch.setattr(layers, "VALUES_AT_ONCE", 8)  # several pieces, the last one shorter
    found = {each.name: each for each in layer_stats(tmp_path / "a")}
    assert set(found) == set(made)  # what only a resume needs is no weight
    for name, values in made.items():
        wide = values.astype("f8")
        assert found[name].mean == pytest.approx(wide.mean())
        assert found[name].std == pytest.approx(wide.std())
        assert found[name].rms == pytest.approx(math.sqrt((wide**2).mean()))
        assert found[name].largest == np.abs(wide).max()
        assert found[name].zeros == (wide == 0).mean()
        assert found[name].not_finite == 0 and found[name].shape == (7, 5)


def test_what_is_not_finite_is_counted_and_left_out(tmp_path: Path) -> None:
    save_file({"w": np.array([1.0, np.nan, np.inf, 3.0], dtype="f4")}, str(tmp_path / "model.safetensors"))
    [found] = layer_stats(tmp_path)
    assert (found.not_finite, found.mean, found.largest) == (2, 2.0, 3.0)


def test_drift_is_the_distance_over_the_norm(tmp_path: Path) -> None:
    before, after = model(tmp_path / "a"), model(tmp_path / "b", shift=0.5)
    drift = layer_drift(tmp_path / "a", tmp_path / "b")
    moved = {each.name: each for each in drift.tensors if each.distance}
    name = "model.layers.1.mlp.up.weight"
    assert set(moved) == {name}
    a, b = before[name].astype("f8"), after[name].astype("f8")
    assert moved[name].distance == pytest.approx(np.linalg.norm(b - a))
    assert moved[name].relative == pytest.approx(np.linalg.norm(b - a) / np.linalg.norm(a))
    assert moved[name].cosine == pytest.approx((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    assert [each.name for each in drift.by_layer()] == [
        "model.embed_tokens", "layer 0", "layer 1", "layer 10", "lm_head.weight",
    ]  # fmt: skip
    total = math.sqrt(sum(np.linalg.norm(values.astype("f8")) ** 2 for values in before.values()))
    assert drift.whole.relative == pytest.approx(moved[name].distance / total)


def test_other_shapes_are_told_and_other_models_refused(tmp_path: Path) -> None:
    model(tmp_path / "a")
    other = model(tmp_path / "b")
    other["lm_head.weight"] = np.zeros((2, 2), dtype="f4")
    other["extra"] = np.zeros(3, dtype="f4")
    save_file(other, str(tmp_path / "b" / "model.safetensors"))
    drift = layer_drift(tmp_path / "a", tmp_path / "b")
    assert drift.only_before == ["lm_head.weight"] and set(drift.only_after) == {"lm_head.weight", "extra"}
    save_file({"x": np.zeros(3, dtype="f4")}, str(tmp_path / "b" / "model.safetensors"))
    with pytest.raises(CheckpointError, match="different models"):
        layer_drift(tmp_path / "a", tmp_path / "b")


def test_bfloat16_is_read(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3.140625, 1e30], dtype="<f4")  # each is a bfloat16 but the last
    raw = (values.view("<u4") >> 16).astype("<u2").tobytes()
    write(tmp_path / "model.safetensors", {"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}, raw)
    [tensor] = tensors.read_header(tmp_path / "model.safetensors")
    read = np.concatenate(list(tensor.chunks(3)))
    assert read[:3].tolist() == [1.0, -2.5, 3.140625] and read[3] == pytest.approx(1e30, rel=0.01)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}}, "does not lie inside"),
        ({"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, "does not lie inside"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, "does not lie inside"),
        ({"w": {"dtype": "Q4", "shape": [2], "data_offsets": [0, 8]}}, "type Q4"),
        ({"w": {"dtype": "F32"}}, "not described"),
        ([1, 2], "no object"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, told: object, why: str) -> None:
    write(tmp_path / "model.safetensors", told, b"\0" * 8)
    with pytest.raises(CheckpointError, match=why):
        layer_stats(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x05\0\0\0\0\0\0\0abcde", b"\x80\x04pickle"])
def test_what_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="must not be used"):
        layer_stats(tmp_path)


def test_without_weights_there_is_nothing_to_say(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights"):
        layer_stats(tmp_path)


def test_layers_are_named_after_their_number() -> None:
    assert layer_of("base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight") == "layer 3"
    assert layer_of("transformer.h.12.attn.weight") == "layer 12"
    assert layer_of("model.norm.weight") == "model.norm"


def write(path: Path, header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
