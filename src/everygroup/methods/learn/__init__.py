"""How one network learns: one file, one method."""
