"""Small worlds in which the published effect of every method must show; one file a family."""
