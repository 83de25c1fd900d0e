"""Torch modules: sizes come as arguments; nothing here trains."""
