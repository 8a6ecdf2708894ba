"""Who may use the service, how much at once, how much in all, and what it costs."""
