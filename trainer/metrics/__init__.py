"""Measures of collapse: how well models still foretell human text, and how varied and human what they write still is.

Compare them only where as many words, and as many texts, were measured: `Reference` says how many.
"""

from trainer.metrics.cloze import Question, accuracy, questions
from trainer.metrics.costs import Costs, Foretold, foretold, untrained, word_costs
from trainer.metrics.entries import human_measures, model_measures, text_measures, written_perplexity
from trainer.metrics.wording import Reference, Words

__all__ = [
    "Costs",
    "Foretold",
    "Question",
    "Reference",
    "Words",
    "accuracy",
    "foretold",
    "human_measures",
    "model_measures",
    "questions",
    "text_measures",
    "untrained",
    "word_costs",
    "written_perplexity",
]
