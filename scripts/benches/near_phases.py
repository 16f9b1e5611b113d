"""Near-duplicates of a registry, phase by phase, in a process of its own: near_phases.py REGISTRY. Prints JSON."""

import json
import sys
import time

from peak import peak_mb

from registry import Registry
from registry.clusters import find_duplicates
from registry.fingerprints import sketcher, wanted_sketcher
from registry.near import Nearness, judge_candidates, seek_among, stage_candidates

with Registry.open(sys.argv[1]) as held:
    held.connection.execute("SET memory_limit = '2GB'")
    begin = time.perf_counter()
    made, near = sketcher(held), Nearness(0.8)
    assert made is not None
    held.rebuild_fingerprints(made.spec, anew=True)
    held.connection.execute("CHECKPOINT")
    indexed = time.perf_counter()
    made = wanted_sketcher(held)
    seek_among(held, made, held.connection.sql("SELECT text_id FROM text"))
    stage_candidates(held, made, made.bands)
    staged = time.perf_counter()
    held.run("stage_near")
    pairs = judge_candidates(held, made, near)
    judged = time.perf_counter()
    # Clusters are found with their pairs: what is left when these are taken off is theirs.
    found = find_duplicates(held, held.connection.sql("SELECT document_id FROM document"), near, max_loss=1.0)
    ended = time.perf_counter()

told = {"index": indexed - begin, "candidates": staged - indexed, "verification": judged - staged}
told |= {"clusters": max(0.0, ended - judged - (judged - indexed)), "documents": found.documents}
told |= {"candidate_pairs": pairs, "near_pairs": found.near_pairs, "duplicates": found.duplicates}
print(json.dumps(told | {"peak_mb": peak_mb()}))
