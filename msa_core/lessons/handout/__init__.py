"""The teacher's sheet around the lessons, as Markdown and PDF."""
