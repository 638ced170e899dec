"""Cases of profiling."""
