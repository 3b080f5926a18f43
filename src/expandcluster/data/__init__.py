"""Files of data: arrays, tables, images. One file for each format, all of them into rows of numbers.

Files are read into memory only, nothing is unpickled, nothing is unpacked to disk, and what a compressed file may
unfold to is limited to 4 GiB.
"""

from expandcluster.data.inputs import Inputs, read_inputs

__all__ = ["Inputs", "read_inputs"]
