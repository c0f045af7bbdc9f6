"""The page: what a model and its rows have to show, in one self-contained HTML file."""
