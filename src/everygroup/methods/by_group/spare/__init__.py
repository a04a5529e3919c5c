"""SPARE: Algorithm 1 in spare.py; its distances, weights and the study's variants beside it, one idea a file."""
