"""Watermark schemes, one a file, each as `provenance.watermark.Scheme` says."""
