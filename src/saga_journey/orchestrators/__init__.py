"""Orchestrators: the second door. Each is as small as its idea, holds no state, and speaks in plain JSON values."""
