"""What the outside sees: the ingress, the wire APIs, the command line."""

from importlib.metadata import version

__version__ = version("rayscribe")
