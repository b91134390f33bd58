"""Shared settings: hypothesis without deadlines, since the first call compiles."""

from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")
