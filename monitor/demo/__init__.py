"""The bundled feeds and configuration of `newswatch demo`. All stories are invented."""
