"""The report's page: template, style and scripts, which `musicgym.render.report` puts into one file."""
