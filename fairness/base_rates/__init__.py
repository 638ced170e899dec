"""How often something is counted in each group."""
