"""Small examples."""
