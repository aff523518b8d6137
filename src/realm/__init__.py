"""Realm keeps small language models learning, raised like heroes in a game."""

__version__ = "0.1.0"
