"""Finite elements: spaces, stiffness, materials at quadrature points, boundary conditions, solvers, stress recovery."""
