"""Salient-object detection without labels."""
