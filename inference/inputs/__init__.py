"""Data as people have them: arrays, frames, datasets and streams."""
