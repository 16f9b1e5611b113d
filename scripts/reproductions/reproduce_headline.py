"""Whether curation by provenance decides if language models collapse: crawls, a fixed pool, and too little human text.

scripts/reproduce headline --data FOLDER [--quick] [--seeds N] [--jobs N] [--json]

FOLDER holds wikitext2_valid.txt, wikitext2_test.txt, and human_machine/xsum_*.jsonl. What is done is kept in
reproduced/headline/ and not done again; the tables and the report stand there in the end.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from headline_crawl import ARMS as CRAWL_ARMS
from headline_crawl import run_crawl, train_baseline
from headline_picture import write_dose_curve
from headline_pool import ARMS as POOL_ARMS
from headline_pool import fill_pool, train_arm
from headline_told import Told
from language_world import Plan
from tables import markdown
from tasks import Task, run_tasks

from provenance.console import say, show_json, show_table
from registry.copying import replacing
from trainer.report import report

FOLDER = Path("reproduced") / "headline"
QUICK = {
    "first_words": 5_000,
    "pool_words": 7_500,
    "generations": 3,
    "model_size": "micro",
    "epochs": 2,
    "test_words": 150,
    "second_texts": 20,
    "compared_words": 3_000,
}


def tasks(plan: Plan, seeds: Sequence[int], folder: Path) -> Iterator[Task]:
    """All that is to be done, seed by seed, what others need before them."""
    longest_first = sorted(range(len(CRAWL_ARMS)), key=lambda number: CRAWL_ARMS[number].steps == "first")
    for seed in seeds:
        given = {"plan": plan, "seed": seed, "folder": folder / f"seed-{seed}"}
        baseline, pool = f"baseline-{seed}", f"pool-{seed}"
        yield Task(baseline, train_baseline, given)
        yield Task(pool, fill_pool, given, (baseline,))
        for number in longest_first:
            yield Task(f"crawl-{seed}-{number}", run_crawl, given | {"number": number}, (baseline,))
        for number in range(len(POOL_ARMS)):
            yield Task(f"arm-{seed}-{number}", train_arm, given | {"number": number}, (pool,))


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path, file_okay=False), required=True, help="The texts.")
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(2), help="Paired seeds.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Tasks at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path, quick: bool, seeds: int, jobs: int, as_json: bool) -> None:
    """Run what is not done yet, and tell what came of all."""
    start = time.monotonic()
    named = {"train": "wikitext2_valid.txt", "test": "wikitext2_test.txt", "second": "human_machine/xsum_gpt2-xl.jsonl"}
    sizes = QUICK if quick else {"first_words": 45_000, "pool_words": 70_000}
    plan = Plan.model_validate({name: data / file for name, file in named.items()} | sizes)
    folder = FOLDER.with_name("headline-quick") if quick else FOLDER
    chosen = range(2 if quick else seeds)
    done = run_tasks(list(tasks(plan, chosen, folder)), folder, jobs)
    told = Told(plan, chosen, done)
    command = "scripts/reproduce headline --data FOLDER" + (" --quick" if quick else "")
    for name, text in (
        ("headline.html", report(told.results(command), command=command)),
        ("headline.md", in_markdown(told)),
    ):
        with replacing(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    write_dose_curve(told, folder / "dose.svg")
    if as_json:
        show_json({"endpoints": told.rows(), "kept_share": told.kept_share(), "curators": told.curators()})
    else:
        show_table(told.crawl_table("bits_per_byte"))
        show_table(told.pool_table(scarce=False) + told.pool_table(scarce=True))
        show_table(told.rows())
    say(f"{(time.monotonic() - start) / 60:.1f} min; tables, report and dose curve in {folder}")


def in_markdown(told: Told) -> str:
    """The tables, as they stand in docs/results.md."""
    baseline = told.done[f"baseline-{told.seeds[0]}"]
    sizes = (
        f"{baseline['parameters']:,} parameters, {baseline['tokens']:,} tokens, {baseline['steps']} steps "
        f"({told.plan.epochs} epochs), {len(told.seeds)} seeds; {platform.machine()}, {os.cpu_count()} cores"
    )
    parts = [sizes]
    for metric in ("bits_per_byte", "cross_entropy", "rare_cross_entropy", "recall_1", "written_perplexity_q50"):
        parts += [f"Crawl, {metric}:", markdown(told.crawl_table(metric))]
    parts += ["Fixed pool:", markdown(told.pool_table(scarce=False))]
    parts += ["Human-scarce:", markdown(told.pool_table(scarce=True))]
    parts += ["Curators on the pool:", markdown(told.curators())]
    parts += ["Endpoints:", markdown(told.rows())]
    parts += [
        f"Of what the oracle saves, by watermark: {told.kept_share()}",
        f"A model that learnt nothing: {told.control()}",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
