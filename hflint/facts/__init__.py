"""What is true of libraries, of the versions a project allows, and of models."""
