"""What a model is fitted for: objectives with their players, bounds, optimisers."""
