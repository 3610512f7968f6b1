"""How fast rules match, against peers, in one run: ``python -m benchmarks.matching``."""
