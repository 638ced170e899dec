"""One run of `fit`: arguments, the loop, checkpoints, progress, failures."""
