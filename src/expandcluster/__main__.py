"""`python -m expandcluster` is the command line."""

from expandcluster.cli import main

main()
