"""The choice of a backbone's features without labels: all cuts of some images, and their scores."""
