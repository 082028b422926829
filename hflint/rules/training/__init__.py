"""Training: arguments, trainers, memory and precision."""
