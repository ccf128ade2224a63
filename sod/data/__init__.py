"""Datasets: from folders of images and masks on disk to batches of tensors."""
