"""Tiny random models of the classes that large feature sets are made of, saved as transformers saves its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

TEXTS = ["it is eleven o'clock", "Don't forget a jacket.", "I would like a new alarm clock, at x four now please"]
SPEECH = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 24}
CONVOLUTIONS = {
    "conv_dim": [8, 8, 8, 8, 8, 8, 8],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "mask_time_prob": 0.0,
}


def _save(model: Any, folder: Path, extra: dict[str, Any] | None = None) -> Path:
    t.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    if extra is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(extra))
    return folder


def wavlm(folder: Path, width: int = 16) -> Path:
    """WavLM, three layers."""
    torch.manual_seed(1)
    config = t.WavLMConfig(**{**SPEECH, "hidden_size": width}, **CONVOLUTIONS, num_buckets=8, max_bucket_distance=20)
    return _save(t.WavLMModel(config), folder, {"do_normalize": True})


def hubert(folder: Path) -> Path:
    """HuBERT, three layers, trained without padding."""
    torch.manual_seed(2)
    return _save(t.HubertModel(t.HubertConfig(**SPEECH, **CONVOLUTIONS)), folder, {"do_normalize": False})


def whisper(folder: Path) -> Path:
    """Whisper with two encoder layers."""
    torch.manual_seed(3)
    config = t.WhisperConfig(
        d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, vocab_size=60, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    return _save(t.WhisperModel(config), folder)


def roberta(folder: Path, places: int = 64) -> Path:
    """RoBERTa with two layers and a byte-level tokenizer, <s> before and </s> after a text."""
    torch.manual_seed(4)
    words = tokenizer("<s>", "</s>")
    words._tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    words.save_pretrained(folder)
    config = t.RobertaConfig(
        vocab_size=len(words), hidden_size=20, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=places, pad_token_id=0, bos_token_id=1, eos_token_id=2, type_vocab_size=1,
    )  # fmt: skip
    return _save(t.RobertaModel(config), folder)


def llama(folder: Path) -> Path:
    """Llama with four layers that speaks, <s> before a text."""
    torch.manual_seed(5)
    words = tokenizer("<s>", "</s>")
    words._tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    words.save_pretrained(folder)
    config = t.LlamaConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2, initializer_range=0.3,
    )  # fmt: skip
    return _save(t.LlamaForCausalLM(config), folder)


def sentencepiece_llama(folder: Path) -> Path:
    """Llama whose tokenizer is a SentencePiece file, as Vicuna's is."""
    import sentencepiece

    llama(folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with open(folder / "tokenizer.model", "wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS * 20), model_writer=model, vocab_size=60, model_type="bpe",
            hard_vocab_limit=False, pad_id=-1, minloglevel=2,
        )  # fmt: skip
    settings = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "add_bos_token": True, "legacy": False}))
    return folder


def gpt2(folder: Path) -> Path:
    """GPT-2 with two layers that speaks, no token around a text."""
    torch.manual_seed(6)
    words = tokenizer("<s>", "</s>")
    words.save_pretrained(folder)
    config = t.GPT2Config(
        vocab_size=len(words),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=512,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    return _save(t.GPT2LMHeadModel(config), folder)


def vit(folder: Path) -> Path:
    """ViT with two layers for crops of 32 x 32, saved with a classifier of expressions."""
    torch.manual_seed(7)
    config = t.ViTConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16,
        num_labels=7, initializer_range=0.3,
    )  # fmt: skip
    looks = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25]}
    return _save(t.ViTForImageClassification(config), folder, looks)


def tokenizer(first: str, last: str) -> Any:
    """Byte-level BPE trained on TEXTS; ids 0 to 2 are <pad>, `first` and `last`."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, special_tokens=["<pad>", first, last], initial_alphabet=alphabet)
    )
    return t.PreTrainedTokenizerFast(tokenizer_object=own, bos_token=first, eos_token=last, pad_token="<pad>")
