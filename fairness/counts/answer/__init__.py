"""What the counting query answered: named, checked and made into counts."""
