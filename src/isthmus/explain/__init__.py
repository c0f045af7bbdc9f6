"""Predictions that explain themselves: tasks over an autoencoder's concepts, and what is said of them."""
