"""Attributes of images, and the quality of methods on images that share one."""
