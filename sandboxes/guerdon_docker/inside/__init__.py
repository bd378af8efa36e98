"""What runs inside the container: the standard library of Python 3.11 and later, sent in when a container starts."""
