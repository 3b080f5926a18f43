"""Experiments: many recoveries of problems with a known answer, their rows and figures."""
