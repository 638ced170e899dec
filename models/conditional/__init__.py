"""Models of an output given an input."""
