"""Prediction on images without masks, and the files of its results."""
