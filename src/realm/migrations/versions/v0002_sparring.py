"""Sparring: when the hero trained with its own mistakes."""

import sqlalchemy as sa
from alembic import op

revision = "0002_sparring"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sparring",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("checkpoint", sa.String(length=200), nullable=False),
        sa.Column("skill", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("practices", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("quest", sa.String(length=200), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sparring_skill", "sparring", ["hero", "campaign", "skill", "id"])


def downgrade() -> None:
    op.drop_table("sparring")
