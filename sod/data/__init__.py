"""Images, masks and samples: everything between a folder on disk and a batch."""
