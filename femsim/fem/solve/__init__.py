"""Solvers of the stiffness equations: direct factors, multigrid, reuse of old factors, and what a failure means."""
