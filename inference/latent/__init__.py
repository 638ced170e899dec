"""Whatever decodes latents: tools that go by `prior`, `encode`, `decode` and `generate`."""
