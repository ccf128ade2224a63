"""Trained models as files that need nothing beside them."""
