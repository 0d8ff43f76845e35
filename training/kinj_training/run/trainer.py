"""TRL's SFTTrainer on ready blocks: tokens counted, no loss trusted blindly, checkpoints known to be whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig
from transformers import BitsAndBytesConfig, PreTrainedTokenizerBase
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj_training.blocks.block import Block
from kinj_training.blocks.collator import BlockCollator, to_dataset
from kinj_training.blocks.schedule import EpochSampler, Schedule, TokenCount
from kinj_training.run.checkpoints import Completion, folder_of, keep_newest, record_completion
from kinj_training.run.limits import room
from kinj_training.texts.tokens import NO_LOSS


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Whose checkpoints the trainer saves, and how many of them."""

    #: identifies the training: SHA-256 of all that shapes it
    training: str
    #: how many complete checkpoints stay; None: all
    count: int | None


class BlockTrainer(SFTTrainer):
    """Trains on blocks.

    Differs from its parent: rows come ready, so nothing is cut, packed or shuffled but by us; the loss is that of
    transformers' Trainer (the parent's is 1.1 to 2.6 times slower on CPUs); a loss that is not finite ends the training
    before a gradient is made of it; the held-out loss is the mean over tokens, not over batches.
    """

    def __init__(
        self,
        model: str,
        settings: SFTConfig,
        blocks: Sequence[Block],
        held_out: Sequence[Block],
        tokenizer: PreTrainedTokenizerBase,
        *,
        checkpoints: CheckpointPolicy,
        flat: bool = False,
        adapter: PeftConfig | None = None,
        quantization: BitsAndBytesConfig | None = None,
    ) -> None:
        world = settings.world_size
        device_batch = settings.per_device_train_batch_size
        super().__init__(
            model=model,
            args=settings,
            data_collator=BlockCollator(flat=flat),
            train_dataset=to_dataset(blocks, device_batch * world if world > 1 else 1),
            eval_dataset=to_dataset(held_out, settings.per_device_eval_batch_size * world if world > 1 else 1)
            if held_out
            else None,
            processing_class=tokenizer,
            peft_config=adapter,
            quantization_config=quantization,
        )
        if not self.model_accepts_loss_kwargs:
            raise UserError(
                f"model_name_or_path: {model}: the loss of this model cannot be averaged over the tokens of several "
                "batches: choose another"
            )
        self.schedule = Schedule(
            blocks=len(blocks),
            batch=device_batch * settings.gradient_accumulation_steps * world,
            seed=settings.seed if settings.data_seed is None else settings.data_seed,
            shuffled=settings.train_sampling_strategy == "random",
        )
        self._policy = checkpoints
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._count = torch.zeros(2, dtype=torch.long, device=self.args.device)
        self._held_out = torch.zeros(2, dtype=torch.float64)

    @property
    def seconds(self) -> float:
        """Wall time of this training, of all runs that led here; what an interruption lost is not in it."""
        return self._seconds_before + time.monotonic() - self._started

    def token_count(self) -> TokenCount:
        """How much went through the model in all processes and all runs that led here. Every process must ask."""
        return TokenCount(*self.accelerator.reduce(self._count, "sum").tolist())

    def tokens_here(self) -> int:
        """Tokens of this process alone, for the speed."""
        return int(self._count[0])

    def resume(self, checkpoint: Path, completion: Completion) -> None:
        """Trains on from a checkpoint to the end."""
        self._seconds_before = completion.seconds
        if self.is_world_process_zero():
            self._count += torch.tensor([completion.tokens, completion.targets], device=self._count.device)
        self.train(resume_from_checkpoint=str(checkpoint))

    def free(self) -> None:
        """Gives up model and optimizer, and with them the device's memory: nothing is trained or saved any more."""
        nothing: Any = None  # Any: the parent's attributes are never None by type
        self.model = self.model_wrapped = self.optimizer = self.lr_scheduler = nothing
        self.accelerator.free_memory()

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:  # Any: the loss, or the loss and the model's outputs, as the parent says
        """The mean loss over the target tokens of the optimizer step.

        Raises:
            UserError: it is not finite while training; names the step and the texts.
        """
        batch = {**inputs, "use_cache": False}
        text_ids, tokens = batch.pop("text_ids"), batch.pop("tokens")
        if model.training:
            self._count[0] += tokens
            self._count[1] += batch["labels"][:, 1:].ne(NO_LOSS).sum()
        computed: Any = super(SFTTrainer, self).compute_loss(model, batch, return_outputs, num_items_in_batch)
        loss = computed[0] if return_outputs else computed
        if model.training and not torch.isfinite(loss).all():
            raise UserError(
                f"the loss of step {self.state.global_step + 1} is {loss.item()} (texts {', '.join(text_ids)}): "
                "stopped before any weight was touched by it; try a lower learning_rate, or a model with whole weights"
            )
        return computed

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, None, None]:
        """The summed loss of a held-out batch, which is also added up here."""
        inputs = self._prepare_inputs(inputs)
        one_item = torch.ones((), device=self.args.device)
        with torch.no_grad(), self.compute_loss_context_manager():
            # Divided by one item: the sum. The parent then multiplies by the processes, for gradients to be averaged.
            loss = self.compute_loss(model, inputs, num_items_in_batch=one_item) / self.accelerator.num_processes
        targets = inputs["labels"][:, 1:].ne(NO_LOSS).sum()
        self._held_out += torch.stack([loss, targets]).to(self._held_out)
        return loss, None, None

    def evaluation_loop(self, *arguments: Any, **named: Any) -> EvalLoopOutput:  # Any: as the parent's
        """The parent's, with the mean loss over the held-out target tokens of all processes."""
        self._held_out.zero_()
        output: EvalLoopOutput = super().evaluation_loop(*arguments, **named)
        loss, targets = self.accelerator.reduce(self._held_out.float().to(self.args.device), "sum").tolist()
        return output._replace(metrics={**(output.metrics or {}), "eval_loss": loss / targets})

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:  # Any: a data set, given by the parent
        return EpochSampler(self.schedule, len(train_dataset), lambda: self.state.global_step)

    def _remove_unused_columns(self, dataset: Any, description: str | None = None) -> Any:  # Any: a data set
        return dataset  # the collator reads every column

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:  # Any: never given here
        with room(Path(str(self.args.output_dir)), f"checkpoint-{self.state.global_step}", self._checkpoint_bytes()):
            # Past the parent, which would write a model card into a folder that is not finished.
            super(SFTTrainer, self)._save_checkpoint(model, trial)
            count = self.token_count()  # waits until every process has saved its part
            if self.is_world_process_zero():
                self._record(count)
        self.accelerator.wait_for_everyone()

    def _checkpoint_bytes(self) -> int:
        """What weights and optimizer states take; of an adapter's training only what is trained is saved."""
        model: Any = self.model
        states: Any = self.optimizer.state.values() if self.optimizer is not None else ()
        tensors = [weight for weight in model.parameters() if weight.requires_grad or not hasattr(model, "peft_config")]
        tensors += [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def _record(self, count: TokenCount) -> None:
        """Records that the checkpoint of this step is complete, and removes those that are too many."""
        output_dir = Path(str(self.args.output_dir))
        record_completion(
            folder_of(output_dir, self.state.global_step),
            plan=self._policy.training,
            step=self.state.global_step,
            tokens=count.tokens,
            targets=count.targets,
            seconds=self.seconds,
        )
        if self._policy.count is not None:
            keep_newest(output_dir, self._policy.count, self.state.best_model_checkpoint)
