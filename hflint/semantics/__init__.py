"""From source text to a `Program`: names, values, flow and the objects that a user of the libraries would name."""
