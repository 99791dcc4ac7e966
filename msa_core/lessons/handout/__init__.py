"""What a class is given around the lessons: the teacher's sheet as Markdown and PDF, slides as PDF."""
