"""Queries: where the teacher is asked, and what its answers tell before any student is trained."""
