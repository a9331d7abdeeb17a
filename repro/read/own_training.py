"""Whether sentences, labels and headings tell that a card's own model was trained, where nothing lists how."""

from __future__ import annotations

import re

from repro.card import BlockKind
from repro.read.document import Document
from repro.read.statement import Gathered
from repro.read.values import fold, left_open

_VERB = r"(?:instruct(?:ion)?[- ])?(?:fine-?tuned|further[- ](?:pre-?)?trained|(?:pre-?)?trained)"
_TOLD = re.compile(
    rf"(?i)\b(?:this|our|the) (?:[\w.+/-]+ ){{0,5}}?(?:model|checkpoint|version|adapter|llm|network)s?\b"
    rf"[^.;\n]{{0,60}}?\b(?:is|was|were|has been|have been) (?:[\w-]+ ){{0,3}}?{_VERB}\b"
    rf"|\b(?:model|checkpoint|llm|bert|roberta|t5|gpt-?2|transformer|encoder)s?,? "
    rf"(?:(?:that|which) (?:is|was|has been) )?(?:[\w-]+ )?{_VERB} (?:from scratch|on|with|using|from|via|for)\b"
    rf"|\bwe (?:have )?(?:then |further |also |first )?(?:fine-?tuned?|(?:pre-?)?train(?:ed)?) "
    r"(?:this|the|our|a|an|on|it)\b"
    rf"|\bit (?:is|was|has been) (?:[\w-]+ ){{0,2}}?{_VERB} (?:from scratch|on|with|using|from|via)\b"
    r"|\bi (?:first |then )?(?:fine-?tuned|trained) (?:this|the|our|a|an|on|it)\b"
    r"|\bcould train an? (?:[\w-]+ ){0,3}model\b"
    r"|^\W{0,3}(?:this is )?(?:an? |the )?(?:fine-?tuned|pre-?trained) (?:[\w.+/-]+ ){0,4}(?:version|variant|model)\b"
    r"|^(?:fine-?tuned|(?:pre-?)?trained) on \S"
)
_NAMED = re.compile(rf"(?i)\b(?:is|was|has been) (?:[\w-]+ ){{0,3}}?{_VERB} (?:on|with|using|from|via|for)\b"
                    rf"|\b{_VERB} on\b")  # fmt: skip
"""A training told of whatever stands before it, which must be the model's name."""
_NOT_OURS = re.compile(
    r"(?i)\b(?:base model|original (?:model|card)|other models?|unlike|compared (?:to|with)|should be|can be|could be|"
    r"may be|must be|needs? to be|need be|to be fine-?tuned|if you|you can|you may|quanti[sz]ed|quanti[sz]ation|"
    r"tokenizer (?:is|was)|will be|similar to|based on|merge[ds]?)\b"
)
_BORROWED = re.compile(
    r"(?i)\b(?:from|of|using|with|upon|by|initiali[sz]ed|unlike|like|than)\s+"
    r"(?:(?:the|an?|our|this|existing)\s+)?(?:[\w.-]+ ){0,4}$"
)
"""What before a model that was trained says that it is another's."""
_TUNED_LABEL = re.compile(r"^(?:model )?(?:fine ?tuned|trained|adapted|continued|instruction tuned) (?:from|on)\b")
_HEADING_NAMES = (
    "training data|training dataset|training datasets|training|training procedure|training details|fine tuning|"
    "finetuning|fine tuning details|finetuning details|training process|how the model was trained|"
    "training parameters|training hyperparameters|model training|pretraining|pre training|training setup|"
    "training configuration|fine tuning procedure|finetuning procedure|training infrastructure"
)
_HEADINGS = frozenset(_HEADING_NAMES.split("|"))
_SHORTEST = 25
"""Letters of a section that tells something."""
_NOT_TRAINED = frozenset(("gguf", "gptq", "awq", "exl2", "mlx", "onnx", "openvino", "merge", "mergekit", "quantized"))
_OF_OTHERS = re.compile(r"(?i)\b(?:gguf|ggml|gptq|awq|exl2|ggmf|onnx|converted|conversion|quanti[sz]ed|merge[ds]?)\b")
_COMMON_WORDS = (
    "model base large small medium tiny mini card chat instruct uncased cased multilingual english german french the "
    "bert roberta llama mistral t5 gpt2 distilbert electra wav2vec2 for and finetuned fine tuned"
)
_COMMON = frozenset(_COMMON_WORDS.split())


def tells_training(doc: Document, gathered: Gathered) -> bool:
    """Whether the card's own words tell of a training of its model."""
    title = doc.title.lower()
    if _OF_OTHERS.search(title) or any(_NOT_TRAINED & set(name.split()) for name in doc.names):
        return False
    for s in gathered.statements:
        if s.key == "base_model" and s.value is not None and _TUNED_LABEL.match(fold(s.label)):
            return True
    said = doc.words.lower
    if "train" not in said and "tuned" not in said and "finetun" not in said and "fine-tun" not in said:
        return False
    return _in_sentences(doc) or _under_a_heading(doc)


def _in_sentences(doc: Document) -> bool:
    own = {word for name in doc.names for word in name.split() if len(word) > 3 and not word.isdigit()} - _COMMON
    for index, block in enumerate(doc.blocks):
        if block.kind not in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) or len(block.text) > 6000:
            continue
        lower = block.text.lower()
        if ("train" not in lower and "tune" not in lower) or doc.elsewhere(index):
            continue
        for sentence in re.split(r"(?<=[.!?])\s+|\n", block.text)[:60]:
            if len(sentence) > 600:
                continue
            match = _TOLD.search(sentence)
            if match is None and own and (named := _NAMED.search(sentence)):
                match = named if own & set(fold(sentence[: named.start()]).split()) else None
            if match is None or _BORROWED.search(sentence[max(0, match.start() - 80) : match.start()]):
                continue
            if not _NOT_OURS.search(sentence[: match.end()]):
                return True
    return False


def _under_a_heading(doc: Document) -> bool:
    """Whether a section on the training has a text of its own, no placeholder."""
    for index, block in enumerate(doc.blocks[:-1]):
        if block.kind is BlockKind.HEADING and fold(block.text) in _HEADINGS:
            after = doc.blocks[index + 1]
            if after.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) and len(after.text) >= _SHORTEST:
                text = after.text.strip()
                if not left_open(text) and "needed" not in text.lower()[-20:]:
                    return True
    return False
