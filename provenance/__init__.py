"""The words: what a text is, where it came from and how to recognise it."""

__version__ = "0.8.0"
