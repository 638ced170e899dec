"""P(evidence given hypothesis) against P(hypothesis given evidence)."""
