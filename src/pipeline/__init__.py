"""Machine-learning tasks written as equations: trained, measured, tracked, versioned and reproduced."""

__version__ = "0.1.0"
