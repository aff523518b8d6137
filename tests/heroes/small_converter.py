"""A converter for tests: called like llama.cpp's, writes a Qwen3 model as GGUF that reads back, without a tokenizer.

python small_converter.py FOLDER --outfile FILE --outtype f32|f16. `f16` is written as noise: a conversion gone wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import load_file

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_name(name: str) -> str:
    if found := re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name):
        return f"blk.{found[1]}.{NAMES[found[2]]}.weight"
    return OUTSIDE[name]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--outfile", required=True)
    parser.add_argument("--outtype", required=True)
    asked = parser.parse_args()
    config = json.loads((asked.folder / "config.json").read_text())
    if asked.outtype == "bf16":
        sys.exit("NotImplementedError: BPE pre-tokenizer was not recognized")
    writer = GGUFWriter(asked.outfile, "qwen3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    noise = np.random.default_rng(0)
    for name, tensor in load_file(asked.folder / "model.safetensors").items():
        value = noise.standard_normal(tensor.shape, np.float32) if asked.outtype == "f16" else tensor
        writer.add_tensor(gguf_name(name), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
