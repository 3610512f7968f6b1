"""The long run: puts the parts together, and says when what happens."""
