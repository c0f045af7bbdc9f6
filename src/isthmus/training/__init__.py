"""Training: the trainer's description, the one loop, the engines that execute its steps, checkpoints."""
