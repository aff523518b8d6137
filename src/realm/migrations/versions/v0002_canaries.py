"""What the canaries told at each checkpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0002_canaries"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canary_sitting",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(length=40), nullable=False),
        sa.Column("problem_set", sa.String(length=16), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("primitives", sa.Text(), nullable=False),
        sa.Column("template_hash", sa.String(length=80), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_canary_sitting_once", "canary_sitting", ["hero", "campaign", "module", "step"], unique=True)
    op.create_index(
        "ix_canary_sitting_best",
        "canary_sitting",
        ["hero", "campaign", "module", "problem_set", "correct", "step"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_canary_sitting_best", table_name="canary_sitting")
    op.drop_index("ix_canary_sitting_once", table_name="canary_sitting")
    op.drop_table("canary_sitting")
