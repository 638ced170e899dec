"""What turns the outputs of a network into a distribution of the data."""
