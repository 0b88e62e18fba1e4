"""A text encoder in miniature, with random weights, as Hugging Face saves one."""

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors


def tiny_encoder(folder, words, *, kind="bert"):
    """A folder as Hugging Face saves one: weights, configuration, tokenizer."""
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(1)
    if kind == "bert":
        config = transformers.BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=512,
        )  # fmt: skip
        model = transformers.BertModel(config)
    else:
        config = transformers.DistilBertConfig(
            vocab_size=len(vocabulary),
            dim=32,
            n_layers=2,
            n_heads=2,
            hidden_dim=64,
            max_position_embeddings=512,
        )
        model = transformers.DistilBertModel(config)
    model.save_pretrained(folder)
    return folder
