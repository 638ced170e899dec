"""How good a trained model is on data that it has not seen."""
