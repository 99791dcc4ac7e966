"""A soak of the page: many visitors at once over minutes, every answer checked, and what they leave on the server."""
