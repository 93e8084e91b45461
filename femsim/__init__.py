"""femsim: titanium plate and screws on an irradiated jaw under years of chewing (research software)."""

__version__ = "0.1.0"
