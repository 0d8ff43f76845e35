"""Run by torchrun in two processes: `hf` that splits work on CPUs, which lm-eval's own does only on GPUs."""

import json
import os
import sys
import time

import torch
import torch.distributed as dist
from lm_eval import simple_evaluate
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


@register_model("gloo_hf")
class GlooHF(HFLM):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        if not dist.is_initialized():
            dist.init_process_group("gloo")
        self._rank, self._world_size = dist.get_rank(), dist.get_world_size()
        self.scored = 0
        self.seconds = 0.0

    def all_gather(self, tensor):
        parts = [tensor.clone().reshape(1) for _ in range(self.world_size)]
        dist.all_gather(parts, tensor.reshape(1))
        return torch.cat(parts)

    def gather_object(self, obj, dst=0):
        parts = [None] * self.world_size if self.rank == dst else None
        dist.gather_object(obj, parts, dst)
        return parts

    def barrier(self):
        dist.barrier()

    def _loglikelihood_tokens(self, requests, **kwargs):
        self.scored += len(requests)
        start = time.perf_counter()
        try:
            return super()._loglikelihood_tokens(requests, **kwargs)
        finally:
            self.seconds += time.perf_counter() - start


def main():
    model, benchmark, out = sys.argv[1:4]
    arguments = {
        "base": "gloo_hf",
        "pretrained": model,
        "device": "cpu",
        "dtype": "float32",
        "retriever": "gold",
        "k": 1,
    }
    from kinj_models import RagLM

    lm = RagLM(**arguments, trace=f"{out}/trace.jsonl")
    results = simple_evaluate(
        lm,
        tasks=["kinj_benchmark_option"],
        task_manager=TaskManager(metadata={"benchmark": benchmark}),
        limit=5,
        bootstrap_iters=0,
    )
    rank = os.environ["RANK"]
    said = {"scored": lm.base.scored, "seconds": lm.base.seconds}
    if results is not None:
        said |= {"kinj": lm.get_model_info()["kinj"], "samples": results["samples"]["kinj_benchmark_option"]}
    with open(f"{out}/rank{rank}.json", "w") as sink:
        json.dump(said, sink, default=str)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
