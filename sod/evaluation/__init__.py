"""Evaluation of methods and saved maps: results, tables, figures and benchmarks."""
