"""Prediction on images of one's own."""
