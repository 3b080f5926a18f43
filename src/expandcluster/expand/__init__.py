"""Expand: overparameterised students and the trainers that make them imitate the teacher."""
