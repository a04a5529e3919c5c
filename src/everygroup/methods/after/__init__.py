"""Parts that work on a fitted model."""
