"""What routers choose: recipes, measured routing, and the activations they make."""
