"""Handlers: who a name is (`curator`), how it is called (`invoke`), what it is given (`context`)."""
