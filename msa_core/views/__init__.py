"""Views: results as HTML, CSV and text in the active language; none of them imports gradio."""
