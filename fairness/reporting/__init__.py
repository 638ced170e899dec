"""How answers are worded and shown."""
