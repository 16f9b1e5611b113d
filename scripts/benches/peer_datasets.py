"""A mixture exported with Hugging Face datasets: filter, interleave, to_parquet. Runs in the peer's environment."""

import json
import resource
import sys
import time

from datasets import interleave_datasets, load_dataset

source, target, size, real = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
texts = load_dataset("parquet", data_files=source, split="train")
start = time.perf_counter()
human = texts.filter(lambda origin: [value == "human" for value in origin], input_columns="origin", batched=True)
model = texts.filter(lambda origin: [value == "model" for value in origin], input_columns="origin", batched=True)
mixed = interleave_datasets(
    [human.shuffle(seed=7), model.shuffle(seed=7)],
    probabilities=[real, 1 - real],
    seed=7,
    stopping_strategy="all_exhausted",
)
mixed.select(range(size)).to_parquet(target)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))
