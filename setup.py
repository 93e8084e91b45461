"""Where the packages lie: femsim, and the shipped meshes, which an installed femsim finds as its folder ``meshes``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["femsim*"]), "femsim.meshes"],
    package_dir={"femsim.meshes": "meshes"},
)
