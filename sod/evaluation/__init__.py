"""Evaluation: measuring methods and saved maps, tables, figures and benchmarks."""
