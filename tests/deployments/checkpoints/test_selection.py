from __future__ import annotations

import pytest

from deployments.checkpoints.selection import wanted_files

pytestmark = pytest.mark.unit

# As openai/whisper-large-v3 lists them.
WHISPER = (
    *(
        ".gitattributes",
        "README.md",
        "added_tokens.json",
        "config.json",
        "flax_model.msgpack",
        "generation_config.json",
    ),
    *("merges.txt", "model.fp32-00001-of-00002.safetensors", "model.fp32-00002-of-00002.safetensors"),
    *("model.safetensors", "model.safetensors.index.fp32.json", "normalizer.json", "preprocessor_config.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.fp32.json", "pytorch_model.fp32-00001-of-00002.bin"),
    *("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
)
# As pyannote/speaker-diarization-community-1 does.
PYANNOTE = (
    *("README.md", "config.yaml", "embedding/pytorch_model.bin", "plda/plda.npz", "plda/xvec_transform.npz"),
    *("segmentation/pytorch_model.bin", "diarization.gif"),
)


def chosen(paths: tuple[str, ...]) -> set[str]:
    return set(wanted_files(dict.fromkeys(paths, 1)))


def test_of_several_frameworks_and_precisions_one_is_taken() -> None:
    weights = {path for path in chosen(WHISPER) if path.endswith((".safetensors", ".bin", ".msgpack"))}
    assert weights == {"model.safetensors"}
    assert {"config.json", "tokenizer.json", "normalizer.json", "preprocessor_config.json"} <= chosen(WHISPER)


def test_where_there_are_no_safetensors_torchs_own_files_are_taken() -> None:
    assert chosen(PYANNOTE) == set(PYANNOTE) - {"diarization.gif"}


def test_shards_of_safetensors_are_all_taken() -> None:
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json")
    assert chosen((*shards, "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json")) == set(shards)


def test_code_and_the_formats_of_others_are_left() -> None:
    others = ("modeling_x.py", "onnx/model.onnx", "onnx/config.json", "parakeet.nemo", "openvino_model.xml", "tf.h5")
    assert chosen(("config.json", *others)) == {"config.json"}
