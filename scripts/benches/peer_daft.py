"""Signatures of a column of texts by Daft's own expressions. Runs in the peer's environment."""

import json
import os
import sys
import time

import daft
from daft.functions import minhash, normalize

source, hash_function = sys.argv[1], sys.argv[2]
text = normalize(daft.col("text"), lowercase=True, remove_punct=True, white_space=True)
signature = minhash(text, num_hashes=128, ngram_size=5, hash_function=hash_function)
texts = daft.read_parquet(source).collect()
texts.limit(100).select(signature).collect()
start = time.perf_counter()
documents = len(texts.select(signature).collect())
seconds = time.perf_counter() - start
print(json.dumps({"documents": documents, "seconds": seconds}), flush=True)
os._exit(0)  # its threads may outlive the interpreter, and crash it
