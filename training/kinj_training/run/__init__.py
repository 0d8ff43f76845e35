"""A training from plan to finished folder, interrupted or not."""
