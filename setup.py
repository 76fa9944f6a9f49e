"""Lists the packages: the folders rewards/, agents/ and benchmarks/ are installed as musicgym.rewards, musicgym.agents, ...

Everything else stands in pyproject.toml, which can find packages or rename folders, but not both; a list by hand would
forget the next subfolder.
"""

from setuptools import find_packages, setup

BESIDE = ("rewards", "agents", "benchmarks")

setup(
    packages=[
        *find_packages(include=["musicgym", "musicgym.*"]),
        *(f"musicgym.{package}" for folder in BESIDE for package in find_packages(include=[folder, f"{folder}.*"])),
    ],
    package_dir={f"musicgym.{folder}": folder for folder in BESIDE},
)
