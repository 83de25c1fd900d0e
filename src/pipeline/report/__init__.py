"""The report: one self-contained HTML page for people, its images as files, its numbers as a table.

Everything in it is a function of the trained models, their metrics and the test data: no time, path or host.
"""

from pipeline.report.page import build

__all__ = ["build"]
