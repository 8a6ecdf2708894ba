"""Where somebody speaks, and how clearly: the stage that ends requests with nothing to recognise."""
