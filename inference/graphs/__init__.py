"""Any function of tensors as one graph, and the graph as machine code."""
