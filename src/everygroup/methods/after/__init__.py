"""Parts that work on a fitted model, with validation samples only."""
