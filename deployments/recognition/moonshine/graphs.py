"""Moonshine's encoder and decoder as lean ONNX graphs, built from the weights.

The exported graphs spend most of their time around the products: each decoder step runs 900 nodes, pads and copies all
cross-attention keys and carries a cache through two branches. These run 250 nodes a step, leave every cache where it
is, and decode all beams of an item against one copy of its cross-attention.

Shapes: B items of a batch, K beams an item, H heads, D values a head, T encoder frames, C cached positions (all beams
of an item together), V tokens.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from deployments.recognition.moonshine.graph_builder import GraphBuilder
from deployments.recognition.moonshine.weights import Weights

LAYERS = 6
HEADS = 8
HEAD_SIZE = 36
MODEL_SIZE = HEADS * HEAD_SIZE

_ROTARY_SIZE = 32
_ROTARY_BASE = 10_000.0
# Positions the rotary tables hold: 98 s of encoder frames, far over the longest window.
MAX_POSITIONS = 4096

_ATTENTION_SCALE = HEAD_SIZE**-0.5

# Cross-attention heads that follow the audio, as (layer, head). Of the 48, these six place words best when aligned
# alone (AMI words: median start error 40 ms together, 49 ms with all 48).
ALIGNMENT_HEADS = ((3, 7), (4, 1), (4, 7), (5, 4), (5, 6), (5, 7))


def _rotary_tables(graph: GraphBuilder) -> tuple[str, str]:
    frequencies = 1 / _ROTARY_BASE ** (np.arange(0, _ROTARY_SIZE, 2) / _ROTARY_SIZE)
    angles = np.outer(np.arange(MAX_POSITIONS), frequencies)
    return graph.constant(np.cos(angles)), graph.constant(np.sin(angles))


def _rotate(graph: GraphBuilder, value: str, positions: str, tables: tuple[str, str]) -> str:
    return graph.fused(
        "RotaryEmbedding",
        value,
        positions,
        *tables,
        interleaved=1,
        num_heads=HEADS,
        rotary_embedding_dim=_ROTARY_SIZE,
    )


def encoder_graph(encoder: Weights, decoder: Weights) -> bytes:
    """``audio [B, n]`` (equal lengths) -> ``cross_key_N [B, H, D, T]``, ``cross_value_N [B, H, T, D]``.

    The cross-attention keys and values belong to the decoder, but depend on the encoder alone, so they are computed
    once here; keys come out transposed and scaled, ready to be multiplied.
    """
    graph = GraphBuilder()
    frames = _convolutions(graph, encoder, graph.input("audio", TensorProto.FLOAT, ["B", "n"]))
    tables = _rotary_tables(graph)
    positions = _frame_positions(graph, frames)
    for layer in range(LAYERS):
        frames = _encoder_layer(graph, encoder, f"layers.{layer}", frames, positions, tables)
    frames = graph.layer_norm(frames, encoder.tensors["layer_norm.weight"])
    for layer in range(LAYERS):
        attention = f"layers.{layer}.encoder_attn"
        both = graph.linear(frames, decoder.matrices[f"{attention}.k_proj"], decoder.matrices[f"{attention}.v_proj"])
        key, value = (graph.op("Reshape", half, graph.shape(0, -1, HEADS, HEAD_SIZE)) for half in graph.split(both, 2))
        scaled = graph.op("Mul", key, graph.constant(_ATTENTION_SCALE))
        graph.output(graph.op("Transpose", scaled, perm=[0, 2, 3, 1]), f"cross_key_{layer}")
        graph.output(graph.op("Transpose", value, perm=[0, 2, 1, 3]), f"cross_value_{layer}")
    return graph.serialize()


def _convolutions(graph: GraphBuilder, encoder: Weights, audio: str) -> str:
    tensors = encoder.tensors
    value = graph.op("Unsqueeze", audio, graph.shape(1))
    value = graph.op("Conv", value, graph.constant(tensors["conv1.weight"]), kernel_shape=[127], strides=[64])
    value = graph.op("Tanh", value)
    # Group normalisation with one group is instance normalisation over channels and time together.
    flat = graph.op("Reshape", value, graph.shape(0, 1, -1))
    flat = graph.op("InstanceNormalization", flat, graph.constant([1.0]), graph.constant([0.0]), epsilon=1e-5)
    value = graph.op("Reshape", flat, graph.shape(0, MODEL_SIZE, -1))
    # Its affine part is folded into the next convolution.
    gain, offset = tensors["groupnorm.weight"].ravel(), tensors["groupnorm.bias"].ravel()
    weight = tensors["conv2.weight"]
    bias = tensors["conv2.bias"] + np.einsum("oik,i->o", weight, offset)
    value = graph.op(
        "Conv",
        value,
        graph.constant(weight * gain[None, :, None]),
        graph.constant(bias),
        kernel_shape=[7],
        strides=[3],
    )
    value = graph.fused("Gelu", value)
    value = graph.op(
        "Conv",
        value,
        graph.constant(tensors["conv3.weight"]),
        graph.constant(tensors["conv3.bias"]),
        kernel_shape=[3],
        strides=[2],
    )
    return graph.op("Transpose", graph.fused("Gelu", value), perm=[0, 2, 1])


def _frame_positions(graph: GraphBuilder, frames: str) -> str:
    batch_and_time = graph.op("Shape", frames, start=0, end=2)
    time = graph.op("Squeeze", graph.op("Shape", frames, start=1, end=2))
    count = graph.op("Range", graph.constant(0, np.int64), time, graph.constant(1, np.int64))
    return graph.op("Expand", graph.op("Unsqueeze", count, graph.shape(0)), batch_and_time)


def _encoder_layer(
    graph: GraphBuilder, encoder: Weights, layer: str, frames: str, positions: str, tables: tuple[str, str]
) -> str:
    matrices, tensors = encoder.matrices, encoder.tensors
    normed = graph.layer_norm(frames, tensors[f"{layer}.input_layernorm.weight"])
    projected = graph.linear(normed, *(matrices[f"{layer}.self_attn.{part}_proj"] for part in "qkv"))
    query, key, value = graph.split(projected, 3)
    attended = graph.fused(
        "MultiHeadAttention",
        _rotate(graph, query, positions, tables),
        _rotate(graph, key, positions, tables),
        value,
        num_heads=HEADS,
    )
    frames = graph.op("Add", frames, graph.linear(attended, matrices[f"{layer}.self_attn.o_proj"]))
    normed = graph.layer_norm(frames, tensors[f"{layer}.post_attention_layernorm.weight"])
    wide = graph.linear(normed, matrices[f"{layer}.mlp.fc1"], bias=tensors[f"{layer}.mlp.fc1.bias"])
    narrow = graph.linear(
        graph.fused("Gelu", wide), matrices[f"{layer}.mlp.fc2"], bias=tensors[f"{layer}.mlp.fc2.bias"]
    )
    return graph.op("Add", frames, narrow)


class DecoderGraph:
    """One decoding step for K beams of B items.

    Inputs: ``token [B*K, 1]``, ``position [B*K, 1]`` (int64), ``beams [4]`` = (-1, K, H, D) (int64),
    ``candidates [1]`` (int64), ``self_mask [B, 1, K, C+1]`` and ``cross_mask [B, 1, 1, T]`` (added to the scores),
    ``self_key_N [B, H, D, C]``, ``self_value_N [B, H, C, D]``, and the encoder's ``cross_key_N``, ``cross_value_N``.

    A beam's own history is what its row of self_mask leaves open, so that reordering beams moves no cache. The last
    column of the mask is the step's own key.

    Outputs: ``top_log_probability``, ``top_token [B*K, candidates]``, ``alignment [B, heads, K, T]`` (the attention of
    ALIGNMENT_HEADS), ``new_key_N [B, H, K, D]``, ``new_value_N [B, H, K, D]`` for the caller to append to the caches.
    """

    def __init__(self, decoder: Weights) -> None:
        self._weights = decoder
        self._graph = GraphBuilder()
        self._tables = _rotary_tables(self._graph)
        self._alignment: list[str] = []

    def serialize(self) -> bytes:
        """Build the graph."""
        graph, weights = self._graph, self._weights
        for name in ("token", "position"):
            graph.input(name, TensorProto.INT64, ["rows", 1])
        graph.input("beams", TensorProto.INT64, [4])
        graph.input("candidates", TensorProto.INT64, [1])
        graph.input("self_mask", TensorProto.FLOAT, ["B", 1, "K", "slots"])
        graph.input("cross_mask", TensorProto.FLOAT, ["B", 1, 1, "T"])
        rows = self._embed("token")
        for layer in range(LAYERS):
            rows = self._self_attention(layer, rows)
            rows = self._cross_attention(layer, rows)
            rows = self._feed_forward(layer, rows)
        rows = graph.layer_norm(rows, weights.tensors["norm.weight"])
        logits = graph.linear(rows, weights.matrices["proj_out"])
        flat = graph.op("Squeeze", graph.op("LogSoftmax", logits, axis=-1), graph.shape(1))
        values, tokens = graph.op_many("TopK", 2, flat, "candidates", axis=-1)
        graph.output(values, "top_log_probability")
        graph.output(tokens, "top_token", TensorProto.INT64)
        graph.output(graph.op("Concat", *self._alignment, axis=1), "alignment")
        return graph.serialize()

    def _embed(self, token: str) -> str:
        graph, embedding = self._graph, self._weights.matrices["embed_tokens"]
        rows = graph.op("Gather", graph.constant(embedding.quantized, np.uint8), token)
        return graph.op(
            "DequantizeLinear",
            rows,
            graph.constant(embedding.scale),
            graph.constant(embedding.zero_point, np.uint8),
        )

    def _beam_heads(self, value: str) -> str:
        """[B*K, 1, H*D] -> [B, H, K, D]."""
        graph = self._graph
        return graph.op("Transpose", graph.op("Reshape", value, "beams"), perm=[0, 2, 1, 3])

    def _rows(self, value: str) -> str:
        """[B, H, K, D] -> [B*K, 1, H*D]."""
        graph = self._graph
        by_beam = graph.op("Transpose", value, perm=[0, 2, 1, 3])
        return graph.op("Reshape", by_beam, graph.shape(-1, 1, MODEL_SIZE))

    def _self_attention(self, layer: int, rows: str) -> str:
        graph, name = self._graph, f"layers.{layer}"
        past_key = graph.input(f"self_key_{layer}", TensorProto.FLOAT, ["B", HEADS, HEAD_SIZE, "C"])
        past_value = graph.input(f"self_value_{layer}", TensorProto.FLOAT, ["B", HEADS, "C", HEAD_SIZE])
        normed = graph.layer_norm(rows, self._weights.tensors[f"{name}.input_layernorm.weight"])
        projected = graph.linear(normed, *(self._weights.matrices[f"{name}.self_attn.{p}_proj"] for p in "qkv"))
        query, key, value = graph.split(projected, 3)
        query = self._beam_heads(_rotate(graph, query, "position", self._tables))
        query = graph.op("Mul", query, graph.constant(_ATTENTION_SCALE))
        key = self._beam_heads(_rotate(graph, key, "position", self._tables))
        value = self._beam_heads(value)
        graph.output(key, f"new_key_{layer}")
        graph.output(value, f"new_value_{layer}")
        own_score = graph.op("ReduceSum", graph.op("Mul", query, key), graph.shape(-1), keepdims=1)
        scores = graph.op("Concat", graph.op("MatMul", query, past_key), own_score, axis=-1)
        weight = graph.op("Softmax", graph.op("Add", scores, "self_mask"), axis=-1)
        last = np.iinfo(np.int64).max
        past = graph.op("Slice", weight, graph.shape(0), graph.shape(-1), graph.shape(-1))
        own = graph.op("Slice", weight, graph.shape(-1), graph.shape(last), graph.shape(-1))
        mixed = graph.op("Add", graph.op("MatMul", past, past_value), graph.op("Mul", own, value))
        output = graph.linear(self._rows(mixed), self._weights.matrices[f"{name}.self_attn.o_proj"])
        return graph.op("Add", rows, output)

    def _cross_attention(self, layer: int, rows: str) -> str:
        graph, name = self._graph, f"layers.{layer}"
        key = graph.input(f"cross_key_{layer}", TensorProto.FLOAT, ["B", HEADS, HEAD_SIZE, "T"])
        value = graph.input(f"cross_value_{layer}", TensorProto.FLOAT, ["B", HEADS, "T", HEAD_SIZE])
        normed = graph.layer_norm(rows, self._weights.tensors[f"{name}.post_attention_layernorm.weight"])
        query = self._beam_heads(graph.linear(normed, self._weights.matrices[f"{name}.encoder_attn.q_proj"]))
        scores = graph.op("Add", graph.op("MatMul", query, key), "cross_mask")
        weight = graph.op("Softmax", scores, axis=-1)
        heads = [head for at_layer, head in ALIGNMENT_HEADS if at_layer == layer]
        if heads:
            self._alignment.append(graph.op("Gather", weight, graph.shape(*heads), axis=1))
        mixed = self._rows(graph.op("MatMul", weight, value))
        return graph.op("Add", rows, graph.linear(mixed, self._weights.matrices[f"{name}.encoder_attn.o_proj"]))

    def _feed_forward(self, layer: int, rows: str) -> str:
        graph, weights, name = self._graph, self._weights, f"layers.{layer}"
        normed = graph.layer_norm(rows, weights.tensors[f"{name}.final_layernorm.weight"])
        wide = graph.linear(normed, weights.matrices[f"{name}.mlp.fc1"], bias=weights.tensors[f"{name}.mlp.fc1.bias"])
        value, gate = graph.split(wide, 2)
        gated = graph.op("Mul", value, graph.fused("QuickGelu", gate, alpha=1.0))  # alpha 1: SiLU
        narrow = graph.linear(gated, weights.matrices[f"{name}.mlp.fc2"], bias=weights.tensors[f"{name}.mlp.fc2.bias"])
        return graph.op("Add", rows, narrow)
