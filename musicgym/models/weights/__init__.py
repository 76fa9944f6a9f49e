"""The models that come with the package: `musicgym.models.load` finds them by name."""
