"""isthmus: autoencoders from six parts, for people who use and want to understand them."""

__version__ = "0.1.0"
