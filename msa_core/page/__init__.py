"""The page in the browser: one file a tab, and what the tabs share. Gradio is imported here and nowhere else."""
