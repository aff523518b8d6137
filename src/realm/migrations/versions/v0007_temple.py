"""Verdicts, experience and overrides; problem by problem marks of an examination."""

import sqlalchemy as sa
from alembic import op

revision = "0007_temple"
down_revision = "0006_vault"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("examination", sa.Column("marks", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(80), nullable=False),
        sa.Column("campaign", sa.String(80), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("quest", sa.String(24), nullable=False),
        sa.Column("checkpoint", sa.String(200), nullable=False),
        sa.Column("start_step", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("word", sa.String(12), nullable=False),
        sa.Column("recommendation", sa.String(12), nullable=False),
        sa.Column("effort", sa.Float(), nullable=False),
        sa.Column("experience", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_verdict_run", "verdict", ["hero", "campaign", "run"])
    op.create_index("ix_verdict_campaign", "verdict", ["hero", "campaign", "id"])
    op.create_table(
        "experience",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(80), nullable=False),
        sa.Column("campaign", sa.String(80), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("effort", sa.Float(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_experience_campaign", "experience", ["hero", "campaign", "step"])
    op.create_table(
        "verdict_override",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(80), nullable=False),
        sa.Column("campaign", sa.String(80), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("checkpoint", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_verdict_override_run", "verdict_override", ["hero", "campaign", "run"])


def downgrade() -> None:
    op.drop_table("verdict_override")
    op.drop_table("experience")
    op.drop_table("verdict")
    op.drop_column("examination", "marks")
