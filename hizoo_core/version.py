"""The version of the package, read by its build and by `hizoo_core.__version__`."""

__version__ = "0.9.0"
