"""Pictures: functions from tensors to figures."""
