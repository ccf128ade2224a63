"""What every method stands on: the base class, training, checkpoints and export."""
