"""Campaigns: level caps and personal bests are kept, and a quest belongs to a campaign."""

import sqlalchemy as sa
from alembic import op

revision = "0003_campaigns"
down_revision = "0002_canaries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "level_cap",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_level_cap_campaign", "level_cap", ["hero", "campaign", "step"], unique=False)
    op.create_table(
        "personal_best",
        sa.Column("hero", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("skill", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hero", "campaign", "kind", "skill"),
    )
    op.create_index(
        "ix_level_tokens_cost",
        "level_tokens",
        ["hero", "campaign", "skill", "level", "step", "tokens"],
        unique=False,
    )
    op.create_index("ix_fact_campaign_kind", "fact", ["hero", "campaign", "kind", "id"], unique=False)
    with op.batch_alter_table("quest") as quest:
        quest.add_column(sa.Column("hero", sa.String(length=80), nullable=False, server_default=""))
        quest.add_column(sa.Column("campaign", sa.String(length=80), nullable=False, server_default=""))
    with op.batch_alter_table("quest_completion") as completion:
        completion.drop_constraint("uq_quest_completion", type_="unique")
        completion.create_unique_constraint("uq_quest_completion", ["quest", "run", "hero", "campaign"])


def downgrade() -> None:
    with op.batch_alter_table("quest_completion") as completion:
        completion.drop_constraint("uq_quest_completion", type_="unique")
        completion.create_unique_constraint("uq_quest_completion", ["quest", "run"])
    with op.batch_alter_table("quest") as quest:
        quest.drop_column("campaign")
        quest.drop_column("hero")
    op.drop_index("ix_level_tokens_cost", table_name="level_tokens")
    op.drop_index("ix_fact_campaign_kind", table_name="fact")
    op.drop_table("personal_best")
    op.drop_index("ix_level_cap_campaign", table_name="level_cap")
    op.drop_table("level_cap")
