"""Alembic steps, one branch and one version table per kind. Found by path; nothing imports them."""
