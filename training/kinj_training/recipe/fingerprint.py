"""Which settings shape the trained weights: what must be equal for a run to be the same run."""

from __future__ import annotations

import json

from trl import ModelConfig, SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj_training.recipe.settings import Json

#: Settings of where, how often and to whom something is written or said; none of them changes a weight.
# fmt: off
_UNSHAPING = frozenset(
    {
        "output_dir", "do_train", "do_eval", "do_predict", "eval_strategy", "eval_steps", "eval_delay",
        "eval_on_start", "eval_accumulation_steps", "per_device_eval_batch_size", "prediction_loss_only",
        "eval_do_concat_batches", "eval_use_gather_object", "include_for_metrics", "batch_eval_metrics",
        "bf16_full_eval", "fp16_full_eval", "logging_strategy", "logging_steps", "logging_first_step",
        "log_on_each_node", "logging_nan_inf_filter", "log_level", "log_level_replica", "disable_tqdm", "report_to",
        "run_name", "project", "include_num_input_tokens_seen", "save_strategy", "save_steps", "save_on_each_node",
        "save_total_limit", "enable_jit_checkpoint", "push_to_hub", "hub_token", "hub_private_repo", "hub_model_id",
        "hub_strategy", "hub_always_push", "hub_revision", "trackio_space_id", "trackio_bucket_id",
        "trackio_static_space_id", "skip_memory_metrics", "debug", "ddp_timeout", "local_rank",
        "resume_from_checkpoint", "restore_callback_states_from_checkpoint", "save_only_model",
        "dataloader_pin_memory", "dataloader_num_workers", "dataloader_persistent_workers",
        "dataloader_prefetch_factor", "dataloader_multiprocessing_context", "torch_empty_cache_steps",
    }
)
# fmt: on


def shape_of(training: SFTConfig, model: ModelConfig) -> Json:
    """Every setting of TRL's that can change the weights, as JSON values.

    The model's name is left out: the same weights may lie in another folder, and their content is hashed apart.
    """
    everything: Json = training.to_dict()  # type: ignore[no-untyped-call]  # transformers' own
    shaping = {key: value for key, value in everything.items() if key not in _UNSHAPING}
    loading = {key: value for key, value in vars(model).items() if key != "model_name_or_path"}
    shape: Json = json.loads(json.dumps({"training": shaping, "model": loading}, default=str))
    return shape
