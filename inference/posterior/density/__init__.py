"""A Pyro model with its data as a log density, for samplers."""
