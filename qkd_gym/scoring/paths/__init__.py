"""Scored paths: whether a request is worth its key, and over which path, by weights."""
