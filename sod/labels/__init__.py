"""Pseudo-labels: where they are kept, who makes them, which are learnt from."""
