"""What newer versions of the libraries removed, renamed or changed."""
