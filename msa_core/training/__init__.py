"""Training of the methods: the loop, validation scores, teachers, and the command."""
