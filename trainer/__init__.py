"""The experiment: what a model learns from, generation by generation. It may import registry and provenance."""
