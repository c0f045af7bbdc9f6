"""What answers over HTTP: the explorer of a model, on this machine."""
