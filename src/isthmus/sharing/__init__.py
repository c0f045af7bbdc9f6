"""Models on other people's shelves: the Hugging Face Hub, with a card that the model writes, and MLflow."""
