"""One typed function per system: data, model, fit and pictures."""
