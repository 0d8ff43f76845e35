"""TRL's keys that we decide or refuse, each with its reason, and the nearest valid name of a mistyped one."""

from __future__ import annotations

from collections.abc import Collection

from kinj.errors import UserError, nearest
from kinj_training.recipe.settings import Json

#: key of SFTConfig -> (the values that leave our guarantees whole, what to do instead)
SAFE_VALUES: dict[str, tuple[tuple[object, ...], str]] = {
    "packing": ((False,), "TRL's packing cuts or drops tokens; `layout: packed` keeps all"),
    "packing_strategy": (("bfd",), "`layout` says how texts share a block"),
    "eval_packing": ((None,), "held-out texts are laid out like the training texts, by `layout`"),
    "padding_free": ((False,), "`layout` decides how rows are built, and needs no padding"),
    "pad_to_multiple_of": ((None, "auto"), "blocks are flattened, not padded"),
    "truncation_mode": (("keep_start",), "nothing is truncated: a long text goes on in another block"),
    "shuffle_dataset": ((False,), "the order is drawn from data_seed"),
    "dataset_text_field": (("text",), "columns of `data` are found by their names"),
    "dataset_kwargs": ((None,), "texts are tokenised here, before TRL sees them"),
    "dataset_num_proc": ((None,), "texts are tokenised here, in one batch"),
    "completion_only_loss": ((None,), "the arm decides: qa, raft and instruct learn answers only"),
    "assistant_only_loss": ((False,), "the arm decides: chats are learnt on assistant turns only"),
    "eos_token": ((None,), "the end mark is the tokenizer's own; change it in the tokenizer's folder"),
    "pad_token": ((None,), "nothing is padded"),
    "chat_template_path": ((None,), "the template is the tokenizer's own; put yours into the model's folder"),
    "loss_type": (("nll",), "the loss is the mean negative log-likelihood over all learnt tokens of a batch"),
    "label_smoothing_factor": ((0.0,), "it averages over parts of a batch, so that accumulation changes the result"),
    "average_tokens_across_devices": ((True,), "without it the result depends on the number of devices"),
    "dataloader_drop_last": ((False,), "it drops the tokens of the last batch"),
    "auto_find_batch_size": ((False,), "it changes the batch in silence; set per_device_train_batch_size"),
    "max_steps": ((-1,), "the plan counts whole epochs; set num_train_epochs, or `match: steps`"),
    "train_sampling_strategy": (("random", "sequential"), "blocks come in an order drawn from data_seed"),
    "accelerator_config": ((), "how blocks are dealt out to the processes is decided here, so that none is lost"),
    "use_cache": ((False,), "with a cache, documents that share a block would attend to one another"),
    "load_best_model_at_end": ((False,), "a training ends with its last step; --search chooses by held-out loss"),
    "logging_nan_inf_filter": ((False,), "it hides a loss that is not finite"),
    "save_only_model": ((False,), "such a checkpoint cannot be resumed exactly"),
    "hub_token": ((None,), "settings are printed and kept; set HF_TOKEN in the environment"),
    "ignore_data_skip": ((False,), "a resumed run would see other batches"),
    "resume_from_checkpoint": ((None,), "the newest complete checkpoint in output_dir is found and used by itself"),
}

#: what holds where the recipe and the command line say nothing, whatever TRL's next release may choose; always printed
DECIDED: Json = {
    "learning_rate": 2e-5,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 1024,
    "activation_checkpointing": False,
    "gradient_checkpointing": False,
    "optim": "adamw_torch",
    "seed": 0,
    "logging_nan_inf_filter": False,
    "save_strategy": "epoch",
    "report_to": "none",
}

#: numbers that mean nothing at 0 or below, which TRL takes in silence
ABOVE_ZERO = (
    *("learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps"),
    *("per_device_eval_batch_size", "save_steps", "lora_r", "lora_alpha"),
)
#: numbers that mean nothing below 0
NOT_NEGATIVE = (
    *("weight_decay", "max_grad_norm", "lora_dropout", "seed", "data_seed"),
    *("dataloader_num_workers", "logging_steps"),
)
#: the largest number, and why there is one
_AT_MOST = {
    "seed": (2**32 - 1, "numpy takes no larger one"),
    "data_seed": (2**32 - 1, "numpy takes no larger one"),
    "lora_dropout": (0.99, "with 1 nothing would be learnt"),
}

_LORA_TOO = frozenset({"use_rslora", "use_dora"})
_4BIT = frozenset({"bnb_4bit_quant_type", "bnb_4bit_quant_storage", "use_bnb_nested_quant"})

#: keys of `trl sft` that have another name here
OTHER_NAMES = {
    "dataset_name": "data",
    "dataset_config": "data_config",
    "dataset_train_split": "data_split",
    "datasets": "data",
    "model": "model_name_or_path",
    "lr": "learning_rate",
    "lora_rank": "lora_r",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "block_size": "max_length",
}


def refuse_unknown(place: str, key: str, valid: Collection[str], beside: Collection[str] = ()) -> None:
    """Refuses a key that is neither ours nor TRL's.

    Args:
        place: where it was found.
        key: the key.
        valid: what it may be.
        beside: what it may be meant for as well; these keys are read elsewhere.

    Raises:
        UserError: names the nearest valid key.
    """
    if key in valid:
        return
    meant = OTHER_NAMES.get(key) or nearest(key, sorted({*valid, *beside}))
    hint = f"did you mean {meant!r}?" if meant else "see docs/training.md, and TRL's SFTConfig and ModelConfig"
    raise UserError(f"{place}: no setting is called {key!r}; {hint}")


def refuse_broken_guarantees(place: str, training: object, given: Collection[str]) -> None:
    """Refuses values under which tokens would be lost or read across documents, runs differ, or secrets leak.

    Raises:
        UserError: the key, its value where that is no secret, and what to do instead.
    """
    for key, (safe, instead) in SAFE_VALUES.items():
        if key in given and getattr(training, key) not in safe:
            value = "(not shown)" if key == "hub_token" else getattr(training, key)
            raise UserError(f"{place}: {key}: {value} is not for kinj: {instead}")


def refuse_senseless_numbers(place: str, settings: Json) -> None:
    """Refuses numbers that mean nothing, or with which nothing would be learnt.

    Raises:
        UserError: the key, its value and the rule.
    """
    for key in ABOVE_ZERO:
        if not settings[key] > 0:
            raise UserError(f"{place}: {key}: {settings[key]}: must be above 0")
    for key in NOT_NEGATIVE:
        if settings[key] is not None and not settings[key] >= 0:
            raise UserError(f"{place}: {key}: {settings[key]}: must not be below 0")
    for key, (most, why) in _AT_MOST.items():
        if settings[key] is not None and settings[key] > most:
            raise UserError(f"{place}: {key}: {settings[key]}: must be at most {most}: {why}")
    if settings["lora_task_type"] != "CAUSAL_LM":
        raise UserError(f"{place}: lora_task_type: {settings['lora_task_type']}: only CAUSAL_LM is trained here")


def is_for_adapters(key: str) -> bool:
    """Whether TRL reads the key only with `use_peft: true`."""
    return key.startswith("lora_") or key in _LORA_TOO


def refuse_unread(place: str, settings: Json, given: Collection[str]) -> None:
    """Refuses keys that TRL reads only together with another one, which is not set.

    Raises:
        UserError: names both.
    """
    for key in sorted(given):
        if is_for_adapters(key) and not settings["use_peft"]:
            raise UserError(
                f"{place}: {key} is given, but without use_peft: true all weights are trained: add it, or remove {key}"
            )
        if key in _4BIT and not settings["load_in_4bit"]:
            raise UserError(f"{place}: {key} is given, but nothing reads it without load_in_4bit: true: remove it")
