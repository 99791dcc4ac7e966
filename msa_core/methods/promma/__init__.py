"""ProMMA, a reconstruction from the abstract: settings, modules, model, and the description of one clip."""
