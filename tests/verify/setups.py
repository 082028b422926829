"""Setups as programs would give them; no test."""

from __future__ import annotations

from hflint.verify.setup import (
    Adapter,
    Collator,
    Generation,
    Model,
    ModelFacts,
    Quantization,
    Setup,
    Tokenizer,
    TokenizerCall,
    TokenizerFacts,
    Training,
)

PAD = TokenizerFacts(special={"pad_token": "<pad>"})
NO_PAD = TokenizerFacts(special={"pad_token": None})
PADDED_CALL = TokenizerCall(kwargs={"padding": True, "return_tensors": "pt"}, batch=True)
LM_COLLATOR = Collator("DataCollatorForLanguageModeling", {"mlm": False})
NF4 = Quantization(
    kwargs={"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "torch.bfloat16"}
)
LORA = {"r": 4, "lora_dropout": 0.0, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def model(kind="llama", loader="AutoModelForCausalLM", **fields):
    facts = fields.pop("facts", {})
    return Model(id=f"acme/{kind}", loader=loader, facts=ModelFacts(model_type=kind, **facts), **fields)


def pads(**attributes):
    """A program that pads a batch with a tokenizer without pad token."""
    tokenizer = Tokenizer(facts=NO_PAD, attributes=attributes)
    return Setup(model=model(), tokenizer=tokenizer, tokenizer_calls=(PADDED_CALL,))


def generates(kind="llama", side=None):
    """A program that generates from a padded batch."""
    tokenizer = Tokenizer(facts=PAD, attributes={"padding_side": side} if side else {})
    generation = Generation(kwargs={"max_new_tokens": 20}, batch=True)
    return Setup(model=model(kind), tokenizer=tokenizer, tokenizer_calls=(PADDED_CALL,), generation=generation)


def trains(kind="llama", loader="AutoModelForCausalLM", collator=LM_COLLATOR, **arguments):
    """A program that trains with Trainer."""
    training = Training(arguments={"output_dir": "out", **arguments}, collator=collator)
    return Setup(model=model(kind, loader), tokenizer=Tokenizer(facts=PAD), training=training)


def trains_4bit(preparation=None, **arguments):
    """A program that trains LoRA on a 4-bit model."""
    return Setup(
        model=model(facts={"dtype": "bfloat16"}),
        quantization=NF4,
        adapter=Adapter(kwargs=LORA, preparation=preparation),
        tokenizer=Tokenizer(facts=PAD),
        training=Training(arguments={"output_dir": "out", **arguments}, collator=LM_COLLATOR),
    )
