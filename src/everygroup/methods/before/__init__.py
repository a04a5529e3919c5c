"""Parts that act before anything is trained: on samples, on how they are drawn, on groups."""
