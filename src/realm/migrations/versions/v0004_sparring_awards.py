"""Sparring: when the hero trained with its own mistakes. Awards: achievements and titles, each once."""

import sqlalchemy as sa
from alembic import op

revision = "0004_sparring_awards"
down_revision = "0003_campaigns"
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
    op.create_table(
        "award",
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("award", sa.String(length=120), nullable=False),
        sa.Column("fact", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hero", "campaign", "award"),
    )
    op.create_table(
        "award_tally",
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("fact", sa.Integer(), nullable=False),
        sa.Column("tally", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hero", "campaign"),
    )


def downgrade() -> None:
    op.drop_table("award_tally")
    op.drop_table("award")
    op.drop_table("sparring")
