"""Cases about causes."""
