"""Engines: where trainings run that do not wait for each other."""
