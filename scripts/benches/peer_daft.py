"""Signatures of a column of texts by Daft's own expressions. Runs in the peer's environment."""

import json
import sys
import time

import daft
from daft.functions import minhash, normalize

source, hash_function = sys.argv[1], sys.argv[2]
text = normalize(daft.col("text"), lowercase=True, remove_punct=True, white_space=True)
signature = minhash(text, num_hashes=128, ngram_size=5, hash_function=hash_function)
texts = daft.read_parquet(source).collect()
texts.limit(100).select(signature).collect()
start, cpu_start = time.perf_counter(), time.process_time()
documents = len(texts.select(signature).collect())
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
print(json.dumps({"documents": documents, "seconds": seconds, "processors": cpu / seconds}))
