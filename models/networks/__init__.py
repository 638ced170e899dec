"""Networks from tensors to tensors."""
